"""LeRobotDataset v3, the field's common form of video with actions: read, prepared for training, and written.

Source: LeRobot, Cadene et al. 2024, https://huggingface.co/docs/lerobot/lerobot-dataset-v3. Of a data set with several
videos one is read; depth, states and language are left out.
"""

from genie_core.data.lerobot.layout import is_lerobot
from genie_core.data.lerobot.prepare import prepare_lerobot
from genie_core.data.lerobot.read import LeRobotEpisode, LeRobotFolder
from genie_core.data.lerobot.write import filled_for, write_lerobot, written_as_lerobot

__all__ = [
    "LeRobotEpisode",
    "LeRobotFolder",
    "filled_for",
    "is_lerobot",
    "prepare_lerobot",
    "write_lerobot",
    "written_as_lerobot",
]
