"""Names follow motions: found by playing a world whose camera moves by known amounts, or given directly."""

from pathlib import Path

import numpy as np
import pytest
from conftest import world_config

from genie_core.actions.naming import measure_actions
from genie_core.config import Action
from genie_core.data import VideoDataset
from genie_core.games import ActionMotions, Game, find
from genie_core.games.coinrun.names import KEYS

COINRUN = find("coinrun")
CLIPS = Path(__file__).parent / "data" / "coinrun-easy-test"
# Player's motion of each code, pixels a step: right, jump, stay, left, jump right, jump left, down, slow right.
VELOCITIES = [(2, 0), (0, -3), (0, 0), (-2, 0), (2, -3), (-2, -3), (0, 3), (1, 0)]


def scroll(prompts: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """A world whose scenery, the prompt mirrored outwards, moves against the player."""
    return np.stack([_scroll_one(prompt, clip) for prompt, clip in zip(prompts, actions, strict=True)])


def _scroll_one(prompt: np.ndarray, actions: np.ndarray) -> np.ndarray:
    scenery = np.pad(prompt, ((32, 32), (32, 32), (0, 0)), mode="reflect")
    frames, x, y = [], 32, 32
    for dx, dy in [(0, 0), *(VELOCITIES[action] for action in actions)]:
        x, y = x + dx, y + dy
        frame = scenery[y : y + 64, x : x + 64].copy()
        frame[29:35, 30:34] = 255  # the player
        frames.append(frame)
    return np.stack(frames)


@pytest.fixture(scope="module")
def prompts() -> np.ndarray:
    dataset = VideoDataset(CLIPS)
    return np.stack([dataset.clip(int(first), 1)[0] for first in dataset.episodes[::8, 0]])


def name_actions(motions: np.ndarray) -> tuple[Action, ...]:
    """Names from the motion (codes, 2) of each code, the same from each prompt."""
    return COINRUN.name_actions(ActionMotions(np.asarray(motions)[None], 64), len(motions))


def test_measured_motions_are_the_worlds_own(prompts: np.ndarray) -> None:
    motions = measure_actions(COINRUN, scroll, prompts, codes=8, hold=8)
    assert motions is not None and motions.per_prompt.shape == (len(prompts), 8, 2)
    np.testing.assert_allclose(motions.per_prompt.mean(axis=0), VELOCITIES, atol=0.25)
    assert motions.per_prompt.std(axis=0).max() < 0.5


def test_a_world_is_named_from_its_pictures(prompts: np.ndarray) -> None:
    actions = COINRUN.name_actions(measure_actions(COINRUN, scroll, prompts, codes=8), 8)
    assert [action.name for action in actions][:7] == [
        "right", "jump", "stay", "left", "jump_right", "jump_left", "down",
    ]  # fmt: skip
    assert actions[7].name in ("right_2", "stay_2")
    assert world_config(num_actions=len(actions), actions=actions).actions == actions


def test_names_do_not_depend_on_the_order_of_codes() -> None:
    rng = np.random.default_rng(0)
    expected = {action.motion_px: action.name for action in name_actions(np.array(VELOCITIES, float))}
    for _ in range(20):
        for action in name_actions(rng.permutation(np.array(VELOCITIES, float))):
            assert expected[action.motion_px] == action.name


def test_any_motions_give_the_four_mandatory_names_once_and_no_name_twice() -> None:
    rng = np.random.default_rng(1)
    for scale in (0.0, 0.01, 1.0, 5.0):
        for _ in range(20):
            names = [action.name for action in name_actions(rng.normal(0, scale, (8, 2)))]
            assert {"stay", "left", "right", "jump"} <= set(names)
            assert len(set(names)) == 8


def test_lopsided_worlds_get_the_best_there_is() -> None:
    """Most codes go right, one barely goes left while rising: it is still the best left."""
    motions = [(2.0, 0.1), (1.6, 0.2), (0.1, -2.8), (1.9, -2.0), (-0.6, 0.2), (0.05, 0.1), (1.2, 1.5), (0.1, 0.9)]
    names = [action.name for action in name_actions(np.array(motions))]
    assert names[0] == "right" and names[1] == "right_2"
    assert (names[2], names[3], names[4], names[5]) == ("jump", "jump_right", "left", "stay")


def test_running_and_falling_prompts_do_not_mislead() -> None:
    """As measured on CoinRun itself from prompts in the middle of its play: momentum to the right, gravity down."""
    measured = {
        "left": (-0.5, 0.78), "jump_left": (-0.19, -1.76), "stay_2": (0.15, 0.86), "stay": (0.15, 0.79),
        "jump": (0.21, -1.88), "right": (0.77, 0.8), "jump_right": (0.59, -1.9), "right_2": (0.73, 0.96),
    }  # fmt: skip
    assert [action.name for action in name_actions(np.array(list(measured.values())))] == list(measured)


def test_keys_belong_to_plain_names_only() -> None:
    actions = name_actions(np.array([(2, 0), (1.9, 0), (0, -3), (0, 0), (-2, 0), (0.05, 0), (2, -3), (0, 3)], float))
    for action in actions:
        assert action.keys == KEYS.get(action.name, ())
        assert not (action.name.endswith("_2") and action.keys)
    every_key = [key for action in actions for key in action.keys]
    assert len(set(every_key)) == len(every_key)
    assert {"right", "left", "up", "space", "up+right"} <= set(every_key)


def test_too_few_codes_keep_their_motions_without_names() -> None:
    actions = name_actions(np.array([(2, 0), (0, 0), (-2, 0)], float))
    assert [action.name for action in actions] == ["action_0", "action_1", "action_2"]
    assert [action.motion_px for action in actions] == [(2, 0), (0, 0), (-2, 0)] and not any(a.keys for a in actions)


def test_a_game_that_tells_no_motion_is_not_even_played(prompts: np.ndarray) -> None:
    def play(prompts: np.ndarray, actions: np.ndarray) -> np.ndarray:
        raise AssertionError("nothing can be measured in it")

    assert measure_actions(Game(), play, prompts, codes=3) is None
    assert [action.name for action in Game().name_actions(None, 3)] == ["action_0", "action_1", "action_2"]
    assert COINRUN.name_actions(None, 3) == Game().name_actions(None, 3)


def test_prompts_in_mid_air_do_not_name_the_codes() -> None:
    """There everything falls, the standing codes too, but for one that is stuck on something; and they are the most."""
    standing = np.array([(0, 0), (-1, 0), (1, 0), (0, -2), (0.4, 0)], float)
    falling = standing + np.array([(0, 4), (0, 4), (0, 4), (0, 4), (0, 0)], float)
    per_prompt = np.stack([standing] * 3 + [falling] * 7)
    motions = ActionMotions(per_prompt, 64)
    assert [action.name for action in COINRUN.name_actions(motions, 5)][:4] == ["stay", "left", "right", "jump"]
    assert np.array_equal(motions.typical, standing)
