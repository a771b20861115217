"""The web demo's reading of a clip: the actions of its steps, and in words what of it was not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import make_world, random_frames

from app.media.write import save_frames
from app.web import clip_actions, limits


def save(file: Path, frames: int, fps: float) -> None:
    save_frames(file, random_frames(b=1, t=frames)[0].numpy(), np.zeros(frames - 1, np.int64), fps, ["stay"])


def test_a_clip_that_is_too_long_is_read_to_the_limit_and_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIP_FRAMES", 8)
    world, file = make_world(), tmp_path / "long.gif"
    save(file, 30, world.config.fps)
    found = clip_actions.find_actions(world, str(file))
    assert len(found.frames) == 8 and len(found.actions) == 7
    assert "only the first" in clip_actions.timeline(world, found)


def test_a_whole_clip_needs_no_words(tmp_path: Path) -> None:
    world, file = make_world(), tmp_path / "short.gif"
    save(file, 6, world.config.fps)
    found = clip_actions.find_actions(world, str(file))
    assert not found.warnings and 'class="note"' not in clip_actions.timeline(world, found)
