"""Actions that are asked for, found again by the world's own model; and how different their effects are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import known_game
import numpy as np
import pytest
import tiny

from genie_core.data import VideoDataset
from genie_core.data.scenes import Clips, draw_clips
from genie_core.evaluation.asked import found_again, measure_asked
from genie_core.evaluation.control import subject_of
from genie_core.evaluation.effects import LEAST_PROMPTS, MOST, effect_of, measure_effects, separation
from genie_core.evaluation.metrics import mean_ci95
from genie_core.figures import Samples
from genie_core.world import World

CODES = len(known_game.NAMES)
FOUND, EFFECTS = "control.found_again", "control.effects"


@pytest.fixture(scope="module")
def clips(planted_data: VideoDataset) -> Clips:
    return draw_clips(planted_data, 12, 11, 17)


def plain(game: known_game.Plain | None = None) -> World:
    return known_game.make_world(game or known_game.Plain(), known_game.PlainLatentActions())


@pytest.fixture(scope="module")
def asked(clips: Clips) -> Callable[[type[known_game.Plain]], Samples]:
    found: dict[type, Samples] = {}

    def measure(game: type[known_game.Plain]) -> Samples:
        if game not in found:
            found[game] = measure_asked(subject_of(plain(game()), 0), clips, 2, 8, quiet=True)
        return found[game]

    return measure


# ---- worlds whose answer is known


@pytest.mark.slow
def test_a_perfect_world_does_what_it_is_asked(asked: Callable[[type], Samples]) -> None:
    samples = asked(known_game.Plain)
    assert (samples.values[f"{FOUND}.value"] == np.ones(8)).all()
    assert samples.facts[f"{FOUND}.confusion"] == np.eye(CODES).tolist() and samples.facts[f"{FOUND}.chance"] == 1 / 8
    assert samples.curves[f"{FOUND}.by_code"] == samples.curves[f"{FOUND}.by_step"] == [1] * 8


@pytest.mark.slow
def test_a_world_that_ignores_its_actions_is_at_chance(asked: Callable[[type], Samples]) -> None:
    samples = asked(known_game.PlainDeaf)
    assert samples.values[f"{FOUND}.value"].mean() == samples.facts[f"{FOUND}.chance"] == 1 / 8
    assert samples.curves[f"{FOUND}.by_code"] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert np.array(samples.facts[f"{FOUND}.confusion"])[:, 2].tolist() == [1] * CODES
    assert samples.facts[f"{EFFECTS}.clear_pairs"] == {"value": 0, "n": 28}
    assert samples.facts[f"{EFFECTS}.least_clear"]["separation"] == 0


@pytest.mark.slow
def test_two_swapped_actions_show_in_the_confusion_matrix(asked: Callable[[type], Samples]) -> None:
    samples = asked(known_game.PlainSwapped)
    assert samples.values[f"{FOUND}.value"].mean() == 0.75
    expected = np.eye(CODES)[[0, 1, 2, 5, 4, 3, 6, 7]]
    assert samples.facts[f"{FOUND}.confusion"] == expected.tolist()
    assert (
        samples.facts[f"{EFFECTS}.clear_pairs"]["value"]
        == asked(known_game.Plain).facts[f"{EFFECTS}.clear_pairs"]["value"]
    ), "they differ as before"


@pytest.mark.slow
def test_two_actions_with_one_effect_are_the_least_clear_pair(clips: Clips) -> None:
    class Twins(known_game.Plain):
        order = np.array([0, 1, 2, 3, 4, 5, 6, 6])

    samples = measure_asked(subject_of(plain(Twins()), 0), clips, 2, 12, quiet=True)
    assert samples.facts[f"{EFFECTS}.least_clear"] == {"actions": [6, 7], "separation": 0}
    assert samples.facts[f"{EFFECTS}.separation"][0][6] > 1


# ---- how it is measured


@pytest.mark.slow
def test_the_world_goes_on_from_true_clips_with_their_own_actions(clips: Clips) -> None:
    """What is inferred of the clip itself counts for nothing; from its last true frame on, each step does."""
    seen = []
    subject = subject_of(plain(), 0)

    def play(prompts: np.ndarray, actions: np.ndarray) -> np.ndarray:
        seen.append((prompts, actions))
        return subject.play(prompts, actions)

    samples = measure_asked(subject._replace(play=play), clips, 5, 6, quiet=True)
    assert len(seen) == CODES and samples.values[f"{FOUND}.value"].shape == (6,)
    for code, (prompts, actions) in enumerate(seen):
        assert prompts.shape[:2] == (6, 5) and (actions[:, 4:] == code).all()
        np.testing.assert_array_equal(actions[:, :4], subject.infer(prompts))
    assert len(samples.curves[f"{FOUND}.by_step"]) == 8


def test_the_interval_is_over_prompts_and_not_over_steps() -> None:
    """One clip from which all is found and one from which nothing is are two values, however many steps there were."""
    found = np.zeros((2, 4, 8), int)
    found[0] = np.arange(4)[:, None]
    found[1] = (np.arange(4)[:, None] + 1) % 4
    samples = found_again(found)
    assert samples.values[f"{FOUND}.value"].tolist() == [1, 0]
    mean = mean_ci95(samples.values[f"{FOUND}.value"])
    assert (mean.mean, mean.n) == (0.5, 2) and mean.ci95 == pytest.approx(1.96 * 0.5)
    assert samples.facts[f"{FOUND}.confusion"][0] == [0.5, 0.5, 0, 0]
    assert samples.curves[f"{FOUND}.by_step"] == [0.5] * 8


def test_a_slow_world_is_asked_for_half_a_second_too(clips: Clips) -> None:
    world = plain()
    world.config = dataclasses.replace(world.config, fps=4)
    samples = measure_asked(subject_of(world, 0), clips, 2, 2, quiet=True)
    assert len(samples.curves[f"{FOUND}.by_step"]) == 2


def test_a_world_of_no_known_game_is_asked_too() -> None:
    frames = tiny.walking_squares(6, 11).frames.numpy()
    clips = Clips(frames, np.ones(frames.shape[:2], bool), None)
    samples = measure_asked(subject_of(tiny.make_world(), 0), clips, 3, 6, quiet=True)
    confusion = np.array(samples.facts[f"{FOUND}.confusion"])
    np.testing.assert_allclose(confusion.sum(1), 1, atol=1e-3)
    assert np.diag(confusion).mean() == pytest.approx(samples.values[f"{FOUND}.value"].mean(), abs=1e-3)


# ---- effects


def effects_of(means: np.ndarray, spread: float, prompts: int = 60, seed: int = 0) -> np.ndarray:
    """(prompts, actions, d): each action's mean, as often missed by as much, and what the prompt does anyway."""
    rng = np.random.default_rng(seed)
    noise = spread * rng.normal(size=(prompts, *means.shape))
    return means + noise + 10 * rng.normal(size=(prompts, 1, means.shape[1]))


def test_effects_are_told_in_spreads_whatever_a_prompt_does_anyway() -> None:
    means = np.array([[0.0, 0, 0], [3, 0, 0], [0, 3, 0], [0, 3.5, 0]])
    facts = measure_effects(effects_of(means, 1)).facts
    table = np.array(facts[f"{EFFECTS}.separation"])
    assert facts[f"{EFFECTS}.least_clear"]["actions"] == [2, 3] and table[2, 3] < 1 < 2 < table[0, 1] < 5
    assert facts[f"{EFFECTS}.clear_pairs"] == {"value": pytest.approx(5 / 6), "n": 6}
    np.testing.assert_array_equal(table, table.T)


def test_chance_is_no_difference() -> None:
    """Even where many numbers describe few prompts, in which any two actions differ in some."""
    effects = effects_of(np.zeros((5, 40)), 1, prompts=16)
    assert measure_effects(effects).facts[f"{EFFECTS}.clear_pairs"]["value"] == 0


def test_effects_that_never_vary_are_clear_but_not_infinitely() -> None:
    one, other = np.zeros((8, 2)), np.ones((8, 2))
    assert separation(one, other) == MOST and separation(one, one) == 0
    assert separation(one, other) == separation(other, one)


def test_too_few_prompts_tell_no_spread() -> None:
    samples = measure_effects(np.zeros((LEAST_PROMPTS - 1, 4, 3)))
    assert EFFECTS in samples.missing and not samples.facts
    assert EFFECTS in measure_effects(np.zeros((20, 1, 3))).missing


def test_an_effect_need_not_be_motion() -> None:
    """A lamp that goes on moves nothing."""
    dark = np.full((2, 5, 32, 32, 3), 40, np.uint8)
    lit = dark.copy()
    lit[:, 1:, :8, :8, 0] = 250
    off, on = effect_of(dark), effect_of(lit)
    assert (off == 0).all() and (on[:, 4] > 0).all() and (on[:, 5] > 0).all() and (on[:, :2] == 0).all()
