"""Names follow motions: found by playing a world whose camera moves by known amounts, or given directly."""

from pathlib import Path

import numpy as np
import pytest
from conftest import world_config
from PIL import Image

from genie_core.actions.motion import Motion, picture_motion, player_motion
from genie_core.actions.naming import held_steps, measure_actions
from genie_core.config import Action
from genie_core.data import VideoDataset
from genie_core.games import ActionMotions, Game, Play, find
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


def name_actions(motions: np.ndarray, spread: float = 0.0, game: Game = COINRUN) -> tuple[Action, ...]:
    """Names from the motion (codes, 2) of each code, from 40 prompts between which it varies by `spread`."""
    noise = spread * np.random.default_rng(0).normal(size=(40, *np.shape(motions)))
    return game.name_actions(ActionMotions(np.asarray(motions) + noise, 64), len(motions))


def names_of(actions: tuple[Action, ...]) -> list[str]:
    return [action.name for action in actions]


def test_measured_motions_are_the_worlds_own(prompts: np.ndarray) -> None:
    motions = measure_actions(COINRUN, scroll, prompts, codes=8, hold=8)
    assert motions.per_prompt.shape == (len(prompts), 8, 2)
    np.testing.assert_allclose(motions.per_prompt.mean(axis=0), VELOCITIES, atol=0.25)
    assert motions.per_prompt.std(axis=0).max() < 0.5


def test_a_world_is_named_from_its_pictures(prompts: np.ndarray) -> None:
    actions = COINRUN.name_actions(measure_actions(COINRUN, scroll, prompts, codes=8), 8)
    assert names_of(actions) == ["right", "jump", "stay", "left", "jump_right", "jump_left", "down", "action_7"]
    assert world_config(num_actions=len(actions), actions=actions).actions == actions


def test_names_do_not_depend_on_the_order_of_codes() -> None:
    rng = np.random.default_rng(0)
    expected = {action.motion_px: action.name for action in name_actions(np.array(VELOCITIES, float))}
    for _ in range(20):
        for action in name_actions(rng.permutation(np.array(VELOCITIES, float))):
            told = expected[action.motion_px]
            assert action.name == (f"action_{action.id}" if told.startswith("action") else told)


# ---- evidence


FOUR = np.array([(0, 0), (-2, 0), (2, 0), (0, -3)], float)


def test_a_name_needs_a_motion_clear_of_its_own_spread() -> None:
    assert names_of(name_actions(FOUR, 0.2)) == ["stay", "left", "right", "jump"]
    assert names_of(name_actions(FOUR, 20.0)) == [f"action_{i}" for i in range(4)]


def test_one_code_that_varies_loses_its_name_and_no_other_does() -> None:
    noise = np.zeros((40, 4, 2))
    noise[:, 2, 0] = np.random.default_rng(0).normal(0, 4, 40)
    actions = COINRUN.name_actions(ActionMotions(FOUR + noise, 64), 4)
    assert names_of(actions) == ["stay", "left", "action_2", "jump"]
    assert "no motion clear of its spread" in actions[2].evidence and not actions[2].keys


def test_of_two_codes_with_one_effect_the_clearer_keeps_the_name() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (40, 5, 2)) * np.array([0.05, 0.1, 0.8, 0.1, 0.3])[:, None]
    motions = np.concatenate([FOUR, [(2, 0)]])
    actions = COINRUN.name_actions(ActionMotions(motions + noise, 64), 5)
    assert names_of(actions) == ["stay", "left", "action_2", "jump", "right"]
    assert actions[2].evidence.endswith(", like right") and actions[4].keys == KEYS["right"]


def test_of_two_codes_as_clear_the_straighter_has_the_name() -> None:
    """A jump that drifts is the higher one by a hair, and is not what a key for jumping should do."""
    motions = np.concatenate([FOUR, [(0.4, -3.02)], [(-1.3, -2.9)], [(-1.9, -3)]])
    actions = name_actions(motions, 0.02)
    assert names_of(actions)[:4] == ["stay", "left", "right", "jump"]
    assert names_of(actions)[4] == "action_4" and names_of(actions)[6] == "jump_left"


def test_a_code_between_two_others_and_clear_of_neither_has_no_name() -> None:
    motions = np.array([(0, 0), (2, 0), (2, -3), (1.9, -1.6)], float)
    sure = name_actions(motions, 0.1)
    noise = np.random.default_rng(0).normal(0, 1, (40, 4, 2)) * np.array([0.1, 0.1, 0.1, 1.55])[:, None]
    unsure = COINRUN.name_actions(ActionMotions(motions + noise, 64), 4)
    assert names_of(sure)[:3] == names_of(unsure)[:3] == ["stay", "right", "jump_right"]
    assert names_of(unsure)[3] == "action_3" and "like" in unsure[3].evidence


def test_evidence_says_the_motion_and_its_spread() -> None:
    stay, left, _, jump = name_actions(FOUR, 0.2)
    size, spread = (float(part) for part in left.evidence.removesuffix(" px a step").split(" ± "))
    assert size == pytest.approx(2, abs=0.15) and spread == pytest.approx(0.2, abs=0.06)
    assert jump.evidence.startswith(("2.9", "3.0")) and float(stay.evidence.split()[0]) < 0.15


def test_any_motions_give_no_name_twice_and_noise_alone_gives_none() -> None:
    rng = np.random.default_rng(1)
    for scale in (0.0, 0.01, 1.0, 5.0):
        for _ in range(20):
            names = names_of(name_actions(rng.normal(0, scale, (8, 2)), 0.1))
            assert len(set(names)) == 8
            assert scale > 0.1 or names == [f"action_{i}" for i in range(8)]


def test_standing_still_is_a_name_only_beside_others_that_move() -> None:
    assert names_of(name_actions(np.zeros((3, 2)), 0.05)) == ["action_0", "action_1", "action_2"]
    two_ways = name_actions(np.array([(-2, 0), (2, 0)], float), 0.1)
    assert names_of(two_ways) == ["left", "right"], "the slower of two that move does not stand still"


def test_lopsided_worlds_get_what_there_is() -> None:
    """Most codes go right, and the one that barely goes left rises a little too."""
    motions = [(2.0, 0.1), (1.6, 0.2), (0.1, -2.8), (1.9, -2.0), (-0.6, 0.2), (0.05, 0.1), (1.2, 1.5), (0.1, 0.9)]
    actions = name_actions(np.array(motions), 0.1)
    assert names_of(actions)[:6] == ["right", "action_1", "jump", "jump_right", "left", "stay"]
    assert actions[1].evidence.endswith(", like right")


def test_running_and_falling_prompts_do_not_mislead() -> None:
    """As measured on CoinRun itself from prompts in the middle of its play: momentum to the right, gravity down."""
    measured = {
        "left": (-0.5, 0.78), "jump_left": (-0.19, -1.76), "action_2": (0.15, 0.86), "stay": (0.18, 0.79),
        "jump": (0.21, -1.88), "right": (0.77, 0.8), "jump_right": (0.59, -1.9), "action_7": (0.73, 0.96),
    }  # fmt: skip
    assert names_of(name_actions(np.array(list(measured.values())), 0.05)) == list(measured)


def test_keys_belong_to_names() -> None:
    actions = name_actions(np.array([(2, 0), (1.9, 0), (0, -3), (0, 0), (-2, 0), (0.05, 0), (2, -3), (0, 3)], float))
    for action in actions:
        assert action.keys == KEYS.get(action.name, ())
    every_key = [key for action in actions for key in action.keys]
    assert len(set(every_key)) == len(every_key)
    assert {"right", "left", "up", "space", "up+right"} <= set(every_key)


def test_prompts_in_mid_air_do_not_name_the_codes() -> None:
    """There everything falls, the standing codes too, but for one that is stuck on something; and they are the most."""
    standing = np.array([(0, 0), (-1, 0), (1, 0), (0, -2), (0.4, 0)], float)
    falling = standing + np.array([(0, 4), (0, 4), (0, 4), (0, 4), (0, 0)], float)
    per_prompt = np.stack([standing] * 3 + [falling] * 7)
    motions = ActionMotions(per_prompt, 64)
    assert names_of(COINRUN.name_actions(motions, 5))[:4] == ["stay", "left", "right", "jump"]
    assert np.array_equal(motions.typical, standing)


def test_who_hangs_in_the_air_does_not_stand_still() -> None:
    """Two codes leave the player standing, the first in mid-air too, where it falls under all others but the jump."""
    standing = np.array([(0, 0), (-1, 0), (1, 0), (0, -2), (0.02, 0.02)], float)
    falling = standing + np.array([(0, 0), (0, 4), (0, 4), (0, 0), (0, 4)], float)
    motions = ActionMotions(np.stack([standing] * 7 + [falling] * 3), 64)
    assert names_of(COINRUN.name_actions(motions, 5)) == ["action_0", "left", "right", "jump", "stay"]


def test_where_most_go_one_way_standing_still_is_still_standing_still() -> None:
    motions = np.array([(2, 0), (1.6, 0), (1.2, 0), (0.2, 0), (0, 0)], float)
    assert names_of(name_actions(motions, 0.02))[4] == "stay"


# ---- any video: directions, from what the pictures alone show


def ride(prompts: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """The same motions of a thing under a fixed camera, in front of the prompt; it turns back before the border."""
    return np.stack([_ride_one(prompt, clip) for prompt, clip in zip(prompts, actions, strict=True)])


def _ride_one(prompt: np.ndarray, actions: np.ndarray) -> np.ndarray:
    thing = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    x, y, frames = 26, 26, []
    for dx, dy in [(0, 0), *(VELOCITIES[action] for action in actions)]:
        x, y = (int(np.clip(at + by, 0, 52)) for at, by in ((x, dx), (y, dy)))
        frame = prompt.copy()
        frame[y : y + 12, x : x + 12] = thing
        frames.append(frame)
    return np.stack(frames)


def hop(prompts: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """A piece on a board goes from field to field, as far as motion is looked for; all fields look alike."""
    board = np.full((64, 64, 3), 200, np.uint8)
    board[::8], board[:, ::8] = 170, 170
    played = []
    for clip in actions:
        x, y, frames = 3, 3, []
        for dx, dy in [(0, 0), *(VELOCITIES[action] for action in clip)]:
            x, y = x + np.sign(dx), y + np.sign(dy)
            frame = board.copy()
            frame[8 * y + 2 : 8 * y + 6, 8 * x + 2 : 8 * x + 7] = 90
            frames.append(frame)
        played.append(np.stack(frames))
    return np.stack(played)


def test_a_field_that_is_left_is_no_piece_that_came(prompts: np.ndarray) -> None:
    motions = measure_actions(Game(), hop, prompts, codes=8, hold=2)
    np.testing.assert_allclose(motions.per_prompt[0], 8 * np.sign(VELOCITIES), atol=0.01)
    assert names_of(Game().name_actions(motions, 8))[:4] == ["right", "up", "stay", "left"]


@pytest.mark.parametrize("play", [scroll, ride])
def test_directions_of_any_video_are_the_players_whether_the_camera_follows_or_not(
    play: Play, prompts: np.ndarray
) -> None:
    """The scenery that goes to the left and the thing that goes to the right both mean right."""
    actions = Game().name_actions(measure_actions(Game(), play, prompts, codes=8), 8)
    assert names_of(actions) == ["right", "up", "stay", "left", "up_right", "up_left", "down", "action_7"]
    right, up = actions[0], actions[1]
    assert right.motion_px == pytest.approx((2, 0), abs=0.3) and up.motion_px == pytest.approx((0, -3), abs=0.3)
    assert right.keys == ("right", "d") and actions[4].keys == ("up+right", "w+d")


# A driver's turn in degrees and way in pixels a step, of each code: to the left, to the right, straight on, not at all.
TURNS, WAYS_ON = (-6.0, 6.0, 0.0, 0.0), (0.0, 0.0, 3.0, 0.0)


def drive(prompts: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Scenery that swings about a driver at the bottom of the picture, and comes towards him; Pillow turns it."""
    return np.stack([_drive_one(prompt, clip) for prompt, clip in zip(prompts, actions, strict=True)])


def _drive_one(prompt: np.ndarray, actions: np.ndarray) -> np.ndarray:
    scenery = Image.fromarray(np.pad(prompt, ((64, 64), (64, 64), (0, 0)), mode="reflect"))
    frames, turned, gone = [], 0.0, 0.0
    for turn, on in [(0.0, 0.0), *((TURNS[action], WAYS_ON[action]) for action in actions)]:
        turned, gone = turned + turn, gone + on
        about = scenery.rotate(turned, Image.Resampling.BILINEAR, center=(96, 120), translate=(0, gone))
        frames.append(np.asarray(about.crop((64, 64, 128, 128))))
    return np.stack(frames)


def test_a_driver_whose_camera_turns_goes_where_he_turns(prompts: np.ndarray) -> None:
    motions = measure_actions(Game(), drive, prompts, codes=4)
    actions = Game().name_actions(motions, 4)
    assert names_of(actions) == ["left", "right", "up", "stay"]
    assert actions[2].motion_px == pytest.approx((0, -3), abs=0.3)
    at_the_middle = 24.5 * np.deg2rad(6)  # from the driver
    assert actions[1].motion_px == pytest.approx((at_the_middle, 0), abs=0.4)


@pytest.mark.parametrize(("others", "keys"), [([], ("right", "d", "up+right", "w+d")), ([(2, 0)], ("up+right", "w+d"))])
def test_who_goes_to_the_right_only_aslant_has_the_key_for_the_right(
    others: list[tuple[float, float]], keys: tuple[str, ...]
) -> None:
    """Not that for up, which another way up has too."""
    motions = np.array([(0, 0), (-2, -2), (2, -2), (0, -2), *others], float)
    actions = name_actions(motions, 0.05, Game())
    assert names_of(actions)[:4] == ["stay", "up_left", "up_right", "up"]
    assert actions[2].keys == keys and actions[3].keys == ("up", "w")
    assert actions[1].keys == ("left", "a", "up+left", "w+a")


def test_a_camera_that_follows_half_of_the_time_tells_nothing() -> None:
    """Then nobody knows whether what moves to the left is the player, or the scenery of one who goes to the right."""
    shift, changed = np.full((4, 6, 2), 2.0), np.ones((4, 6))
    follows = np.arange(24).reshape(4, 6) % 2 == 0
    assert np.isnan(player_motion(Motion(shift, shift, follows, changed, shift))).all()
    assert (player_motion(Motion(shift, shift, np.ones_like(follows), changed, shift)) == -2).all()
    assert (player_motion(Motion(shift, shift, np.zeros_like(follows), changed, shift)) == 2).all()


def test_a_code_whose_motion_is_not_told_has_no_name() -> None:
    per_prompt = np.repeat(FOUR[None], 10, 0)
    per_prompt[:6, 2] = np.nan
    actions = Game().name_actions(ActionMotions(per_prompt, 64), 4)
    assert names_of(actions) == ["stay", "left", "action_2", "up"]
    assert actions[2].evidence == "its motion could not be told"


def test_a_larger_picture_is_told_the_same_way(prompts: np.ndarray) -> None:
    large = picture_motion(scroll(prompts, np.zeros((len(prompts), 3), int)).repeat(2, 2).repeat(2, 3))
    assert np.nanmedian(player_motion(large), (0, 1)) == pytest.approx((4, 0), abs=0.3)


def test_a_game_nobody_looked_at_has_numbers() -> None:
    assert names_of(Game().name_actions(None, 3)) == ["action_0", "action_1", "action_2"]
    assert COINRUN.name_actions(None, 3) == Game().name_actions(None, 3)


@pytest.mark.parametrize(("fps", "steps"), [(15, 8), (17.5, 8), (60, 8), (10, 5), (4, 2), (1, 2)])
def test_a_slow_game_holds_an_action_for_fewer_steps(fps: float, steps: int) -> None:
    assert held_steps(fps) == steps


def test_a_code_is_named_by_what_it_does_where_nothing_is_in_its_way() -> None:
    """In a maze a wall stops every way from many places; few places, or ways that differ, are no evidence."""
    per_prompt = np.zeros((20, 6, 2))
    per_prompt[:8, 0] = (-8, 0)
    per_prompt[6:14, 1] = (8, 0)
    per_prompt[10:, 2] = (0, -8)
    per_prompt[:5, 3] = (0, 8)  # from a quarter of the pictures
    per_prompt[::2, 4] = (0, 8)
    per_prompt[::4, 4] = (0, -8)  # up and down alike
    actions = Game().name_actions(ActionMotions(per_prompt, 64), 6)
    assert names_of(actions) == ["left", "right", "up", "action_3", "action_4", "stay"]
    assert actions[0].evidence == "8.00 ± 0.10 px a step from 40% of the pictures"
