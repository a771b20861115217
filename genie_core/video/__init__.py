"""The one reader of videos: any container and codec that FFmpeg knows, animations, and folders of numbered pictures.

`open_video` gives a video's pictures one after the other, upright, with square pixels and on one clock; `at_pace`
samples them at a frame rate; `read_video` does both and fits the frames to a world. Nothing here knows a world or a
data set.
"""

from genie_core.video.open import is_animated, open_video
from genie_core.video.read import Film, fitted, read_video, shown
from genie_core.video.source import Account, Picture, Shown, Source
from genie_core.video.timing import Step, at_pace

__all__ = [
    "Account",
    "Film",
    "Picture",
    "Shown",
    "Source",
    "Step",
    "at_pace",
    "fitted",
    "is_animated",
    "open_video",
    "read_video",
    "shown",
]
