"""Data sets on disk: reading and writing."""

from genie_core.data.dataset import VideoDataset
from genie_core.data.description import DatasetInfo
from genie_core.data.writer import DatasetWriter

__all__ = ["DatasetInfo", "DatasetWriter", "VideoDataset"]
