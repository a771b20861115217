"""All kinds of input, by name."""

from __future__ import annotations

from fuzzing import data, media, sessions, texts, web, worlds
from fuzzing.kind import Kind

_ALL: tuple[type[Kind], ...] = (texts.Scripts, texts.Settings, texts.Keys, web.Messages, web.Calls, sessions.Sessions)
_ALL += (worlds.Configs, worlds.Weights, worlds.Graphs, worlds.Folders, media.Pictures, media.Videos)
_ALL += (data.Descriptions, data.Npy, data.Npz, data.Parquet, data.Unchecked, data.LeRobot)
KINDS = {kind.name: kind for kind in _ALL}
