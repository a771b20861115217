"""Sessions driven into files, without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import FakeEngine

from app.play.record import record, record_replay
from app.play.session import PlaySession


def test_what_is_played_is_saved(tmp_path: Path, prompt: np.ndarray) -> None:
    engine = FakeEngine()
    told = record(tmp_path / "p.npz", PlaySession(engine, prompt), [3, 3, 5], quiet=True)
    assert told == f"saved {tmp_path / 'p.npz'}, 4 frames played"
    with np.load(tmp_path / "p.npz") as saved:
        assert saved["actions"].tolist() == engine.taken == [3, 3, 5]
        assert np.array_equal(saved["frames"][0], prompt)
        assert saved["frames"][1:, 0, 0, 0].tolist() == [90, 90, 150]


def test_a_replay_plays_nothing_anew(tmp_path: Path, prompt: np.ndarray) -> None:
    session = PlaySession(FakeEngine(), prompt)
    frames = [frame.copy() for frame in session.play([3, 5])]
    record_replay(tmp_path / "p.npz", session, quiet=True)
    with np.load(tmp_path / "p.npz") as saved:
        assert np.array_equal(saved["frames"], np.stack(frames))
    assert session.engine.taken == [3, 5]
