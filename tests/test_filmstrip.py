"""The filmstrip of a model card: its rows differ where the actions do."""

from __future__ import annotations

import io

import known_game
import numpy as np
import pytest
from conftest import world_config
from PIL import Image

from genie_core.actions.filmstrip import COLUMNS, GAP, NAME, as_png, effects_filmstrip, sheet
from genie_core.config import Action
from genie_core.hub.card import card
from genie_core.rollout import rollout

SIZE = known_game.SIZE


def rows_of(picture: np.ndarray) -> list[np.ndarray]:
    """The frames of each row, without its name."""
    return [picture[top : top + SIZE, NAME:] for top in range(0, len(picture), SIZE + GAP)]


@pytest.fixture(scope="module")
def prompts() -> np.ndarray:
    """Three places of one level, two of them near a wall."""
    x = np.array([10, 40, 70])
    return known_game.Game().show(known_game.State(0 * x, 0 * x, x, 0 * x))


def test_rows_differ_where_actions_do_and_are_the_same_where_they_do_not(prompts: np.ndarray) -> None:
    world = known_game.make_world()
    rows = dict(zip(known_game.NAMES, rows_of(effects_filmstrip(world, prompts)), strict=True))
    assert np.array_equal(rows["stay"], rows["stay_2"]) and np.array_equal(rows["stay"], rows["down"])
    for name in ("left", "right", "jump"):
        assert not np.array_equal(rows["stay"], rows[name])
        assert np.array_equal(rows["stay"][:, :SIZE], rows[name][:, :SIZE]), "all begin with one picture"
    assert not np.array_equal(rows["left"], rows["right"])


def test_columns_are_the_steps_held(prompts: np.ndarray) -> None:
    world = known_game.make_world()
    right = known_game.NAMES.index("right")
    row = rows_of(effects_filmstrip(world, prompts[1:2]))[right]
    played = rollout(world, prompts[1:2], np.full((1, max(COLUMNS)), right))[0]
    for column, step in enumerate(COLUMNS):
        left = column * (SIZE + GAP)
        np.testing.assert_array_equal(row[:, left : left + SIZE], played[step])


def test_the_prompt_shown_is_one_where_actions_differ(prompts: np.ndarray) -> None:
    """Against the wall, half of the actions do nothing."""
    state = known_game.State(*np.array([[0, 0], [0, 0], [0, 40], [0, 0]]))
    wall, free = known_game.Game().show(state)
    shown = effects_filmstrip(known_game.make_world(), np.stack([wall, wall, free]))
    np.testing.assert_array_equal(rows_of(shown)[0][:, :SIZE], free)


def test_names_stand_before_their_rows() -> None:
    frames = np.zeros((2, 1, 40, 40, 3), np.uint8)
    one, other = sheet(["left", ""], frames)[:40], sheet(["left", ""], frames)[42:]
    assert (one[:, :NAME] < 128).any() and (other[:, :NAME] == 255).all()


def test_the_file_is_small_and_looks_like_the_picture(prompts: np.ndarray) -> None:
    picture = effects_filmstrip(known_game.make_world(), prompts)
    data = as_png(picture)
    back = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert len(data) < 60_000 and back.shape == picture.shape
    assert np.abs(back.astype(int) - picture).mean() < 8


def test_the_card_shows_the_filmstrip_and_the_evidence_of_each_name() -> None:
    named = tuple(
        Action(i, f"action_{i}" if i else "left", motion_px=(-1.5, 0), evidence="1.50 ± 0.20 px a step")
        for i in range(8)
    )
    text = card(world_config(actions=named), effects="effects.png")
    assert "](effects.png)" in text and "effects.png" not in card(world_config(actions=named))
    assert "| 1 | left | – | -1.50, +0.00 | 1.50 ± 0.20 px a step |" in text
    assert "evidence" not in card(world_config()), "no name, no evidence"
