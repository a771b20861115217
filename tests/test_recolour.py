"""Films in other colours: each in one way, and with the actions of the film as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import make_reference_world, scrolled

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.training.films import Films
from genie_core.training.order import Rows
from genie_core.training.recolour import recoloured
from genie_core.training.tokens import TokenClips, write_tokens


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    path = tmp_path_factory.mktemp("data") / "films"
    with DatasetWriter(path, source={}, frame_size=(16, 16), fps=12) as writer:
        for seed in range(12):
            writer.add_episode(scrolled([1] * 11, [0] * 11, seed=seed)[0].numpy())
    return VideoDataset(path)


def test_each_colour_goes_through_a_curve_of_its_own_to_another_place() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    orders = set()
    for key in range(40):
        other = recoloured(frames, (key,))
        assert other.dtype == np.uint8 and other.shape == frames.shape
        assert np.array_equal(other[:1], recoloured(frames[:1], (key,))), "a film has one way, whatever is shown of it"
        fits = [[_is_curve(frames[..., a], other[..., b]) for b in range(3)] for a in range(3)]
        assert (np.sum(fits, 0) == 1).all() and (np.sum(fits, 1) == 1).all()
        orders.add(tuple(np.argmax(fits, 0)))
    assert len(orders) == 6


def _is_curve(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether `after` rises, or falls, with `before`."""
    sorted_by = after.ravel()[np.argsort(before, axis=None)].astype(int)
    return bool((np.diff(sorted_by) >= 0).all() or (np.diff(sorted_by) <= 0).all())


def test_a_share_of_the_films_has_other_colours_from_its_first_window_to_its_last(data: VideoDataset) -> None:
    starts = data.clip_starts(3)
    plain, coloured = (Films(data, starts, 3, 6, share) for share in (0.0, 0.5))
    ways: dict[tuple[int, int], set[bool]] = {}
    film = np.zeros(6, int)
    for step in range(coloured.pass_steps[0]):
        before, after = (each(Rows(0, step, 0, 6)) for each in (plain, coloured))
        film += after["begins"].numpy()
        for row in range(6):
            same = torch.equal(before["frames"][row], after["frames"][row])
            ways.setdefault((row, int(film[row])), set()).add(same)
    assert all(len(found) == 1 for found in ways.values())
    assert {True, False} == set.union(*ways.values())
    again = coloured(Rows(0, 1, 2, 5))["frames"]
    assert torch.equal(again, coloured(Rows(0, 1, 0, 6))["frames"][2:5]), "however a batch is shared out"


def test_clips_of_the_dynamics_have_other_colours_and_the_actions_of_their_own(
    data: VideoDataset, tmp_path: Path
) -> None:
    world, starts = make_reference_world(), data.clip_starts(8)[::3]
    read = []
    for share in (0.0, 1.0):
        folder = tmp_path / str(share)
        write_tokens(folder, data, starts, 8, world.tokenizer, world.latent_action, 0.5, True, share)
        read.append(TokenClips(folder, len(starts)))
    (plain, other), rows = read, Rows(0, 0, 0, len(starts))
    assert torch.equal(plain(rows)["actions"], other(rows)["actions"])
    first = [each(rows)["pictures"][:, 0].numpy() for each in read]
    assert all(
        any(_is_curve(a[..., c], b[..., 0]) for c in range(3)) and not np.array_equal(a, b)
        for a, b in zip(*first, strict=True)
    )
    write_tokens(tmp_path / "0.0", data, starts, 8, world.tokenizer, world.latent_action, 0.5, True, 1.0)
    assert np.array_equal(TokenClips(tmp_path / "0.0", 4).tokens, other.tokens), "what was written otherwise is stale"
