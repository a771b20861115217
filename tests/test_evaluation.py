"""Every measure on a world whose truth is known, and on the same world with one fault each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import known_game
import numpy as np
import pytest
import tiny
import torch
from conftest import shorten_benchmark

from genie_core.config import SamplingConfig, unnamed_actions
from genie_core.data import DatasetWriter, VideoDataset
from genie_core.data.scenes import apart, draw_clips
from genie_core.engine import WorldEngine
from genie_core.errors import DataError
from genie_core.evaluation.control import measure_control
from genie_core.evaluation.drift import measure_drift
from genie_core.evaluation.fidelity import HORIZON, measure_fidelity
from genie_core.evaluation.measure import EFFORTS, Effort, Evaluation, _game_of, evaluate
from genie_core.evaluation.report import figures_table
from genie_core.figures import Samples, at, table_of
from genie_core.games import Game, find
from genie_core.games.coinrun.scenes import PRESSED, WAY, free_scenes, on_its_way, standing_scenes, wall_scenes
from genie_core.models.dynamics import Prediction
from genie_core.noise import uniform
from genie_core.rollout import rollout, teacher_forced
from genie_core.world import World

EFFORT, COINRUN = known_game.EFFORT, find("coinrun")
FIGURES = table_of(COINRUN.figures)
WAY_PX = WAY * known_game.SIZE


@pytest.fixture(scope="module")
def data(planted_data: VideoDataset) -> VideoDataset:
    return planted_data


class SameScenes(type(COINRUN)):  # type: ignore[misc]
    """CoinRun, whose scenes of one data set are looked for once."""

    def __init__(self, data: VideoDataset) -> None:
        self.free = super().open_scenes(data, EFFORT.scenes)
        self.standing = standing_scenes(data, EFFORT.scenes)
        self.walls = wall_scenes(data, EFFORT.scenes, PRESSED)

    def open_scenes(self, dataset: VideoDataset, count: int) -> np.ndarray:
        return self.free

    def control(self, *arguments: Any) -> Samples:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("genie_core.games.coinrun.physics.standing_scenes", lambda *_: self.standing)
            patch.setattr("genie_core.games.coinrun.physics.wall_scenes", lambda *_: self.walls)
            return super().control(*arguments)


Figures = Callable[[known_game.Game | known_game.PlantedLatentActions, str], dict[str, float]]


@pytest.fixture(scope="module")
def figures(data: VideoDataset) -> Figures:
    """Means of all values of one part of the evaluation, for a world with a fault."""
    clips = draw_clips(data, EFFORT.clips, HORIZON + 1, EFFORT.longest + 1)
    game = SameScenes(data)

    @cache
    def measure(fault: type, part: str) -> dict[str, float]:
        is_game = issubclass(fault, known_game.Game)
        world = known_game.make_world(fault()) if is_game else known_game.make_world(latent_action=fault())
        if part == "fidelity":
            samples, _ = measure_fidelity(world, clips, game, quiet=True)
        elif part == "control":
            samples = measure_control(world, data, clips, game, EFFORT.scenes, quiet=True)
        else:
            samples, _ = measure_drift(world, clips.frames[[0, -1], 0], game, EFFORT.steps, quiet=True)
        return means(samples)

    return measure


def means(samples: Samples) -> dict[str, float]:
    found = {name: float(np.nanmean(values)) for name, values in samples.values.items()}
    told = {"nmi": "latent_action.nmi", "accuracy": "latent_action.mapping_accuracy_200"}
    facts = {name: samples.facts[key] for name, key in told.items() if key in samples.facts}
    return found | {name: fact["accuracy"] if isinstance(fact, dict) else fact for name, fact in facts.items()}


# ---- a perfect copy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("figure", "best"),
    {
        "tokenizer.psnr": 60,
        "tokenizer.ssim": 1,
        "tokenizer.psnr_player": 60,
        "rollout.psnr": 60,
        "rollout.ssim": 1,
        "rollout.psnr_changed_pixels": 60,
        "rollout.psnr_player": 60,
        "rollout.player_found": 1,
        "rollout.sharpness": 1,
        "rollout.four_frames.psnr": 60,
        "rollout.four_frames.psnr_changed_pixels": 60,
        "teacher_forced.psnr": 60,
        "teacher_forced.psnr_changed_pixels": 60,
        "delta_psnr.random_rollouts.player_found": 1,
        "delta_psnr.random_rollouts.sharpness": pytest.approx(1, abs=0.05),
        "latent_action.scene_cut_gain_db": pytest.approx(0, abs=0.05),
        "control.opposite_actions": 1,
        "control.transfer.along_x": 1,
        "control.transfer.along_y": 1,
        "control.rises": 1,
        "control.lands": 1,
        "control.walls": 1,
        "drift.player_alive_200": 1,
        "drift.alive_and_answers_200": 1,
        "drift.idle.player_alive_200": 1,
        "drift.held.player_alive_200": 1,
        "drift.frozen": 0,
        "drift.melted": 0,
        "drift.exploded": 0,
        "drift.idle_motion_px": 0,
        "drift.idle_changed_area": 0,
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_perfect_copy_has_the_best_value_of_each_figure(perfect: Evaluation, figure: str, best: float) -> None:
    mean = at(perfect.report, figure)
    assert mean["mean"] == (best if not isinstance(best, int) else pytest.approx(best, abs=1e-9))
    assert mean["n"] >= 2


@pytest.mark.slow
def test_a_perfect_copy_tells_actions_apart(perfect: Evaluation) -> None:
    report = perfect.report
    assert report["delta_psnr"]["value"]["mean"] > 20 and min(report["delta_psnr"]["by_t"][3:]) > 20
    assert report["latent_action"]["code_gain_db"]["mean"] > 20
    assert report["latent_action"]["nmi"] == pytest.approx(1)
    assert report["latent_action"]["mapping_accuracy_200"]["accuracy"] == 1
    names = report["latent_action"]["best_mapping"]
    assert all(name is None or name == known_game.NAMES[code] for code, name in enumerate(names))
    assert len(names) == 8 and set(names) == {"left", "right", "stay", "jump", None}
    assert report["rollout"]["psnr_by_step"] == [60] * EFFORT.longest
    assert report["rollout"]["repeat_prompt"]["psnr"]["mean"] < 30


@pytest.mark.slow
def test_asked_actions_are_found_but_for_those_that_do_nothing_of_their_own(perfect: Evaluation) -> None:
    """`down` and `stay_2` do what `stay` does, and a jump shows when it begins."""
    found, effects = (perfect.report["control"][name] for name in ("found_again", "effects"))
    codes = dict(zip(known_game.NAMES, found["by_code"], strict=True))
    assert codes["stay"] == 1 and codes["down"] == codes["stay_2"] == 0 and 0 < codes["jump"] < 0.3
    assert found["value"]["mean"] == pytest.approx(np.mean(found["by_code"]), abs=1e-4)
    assert (found["value"]["n"], found["chance"], len(found["by_step"])) == (EFFORT.scenes, 1 / 8, 8)
    stay, down = known_game.NAMES.index("stay"), known_game.NAMES.index("down")
    assert found["confusion"][down][stay] == 1
    assert effects["separation"][stay][down] == effects["least_clear"]["separation"] == 0
    least = perfect.report["latent_action"]["least_used"]
    assert least["value"] == min(perfect.report["latent_action"]["code_histogram"]) == 0 and least["n"] > 100


@pytest.mark.slow
def test_every_mean_has_its_interval(perfect: Evaluation) -> None:
    """Wilson's for shares, which is never 0; and none for what happens to be the same in all clips."""
    assert at(perfect.report, "control.walls")["ci95"] > 0.1
    assert at(perfect.report, "drift.idle_motion_px")["ci95"] == at(perfect.report, "tokenizer.psnr")["ci95"] == 0


# ---- one fault each: what becomes worse, at least by how much, and what stays as it is

ROLLOUT = {
    "rollout.psnr": 15.0,
    "rollout.ssim": 0.15,
    "rollout.psnr_changed_pixels": 15.0,
    "rollout.psnr_player": 15.0,
    "rollout.four_frames.psnr": 15.0,
    "rollout.four_frames.ssim": 0.15,
    "rollout.four_frames.psnr_changed_pixels": 15.0,
    "teacher_forced.psnr": 15.0,
    "teacher_forced.ssim": 0.15,
    "teacher_forced.psnr_changed_pixels": 10.0,
}
TOKENIZER = ("tokenizer.psnr", "tokenizer.ssim", "tokenizer.psnr_player")
CODES = ("nmi", "accuracy")
GAINS = ("latent_action.code_gain_db", "latent_action.scene_cut_gain_db")
X, Y = "control.transfer.along_x", "control.transfer.along_y"
OPPOSITE, RISES, LANDS, WALLS = (f"control.{name}" for name in ("opposite_actions", "rises", "lands", "walls"))
POLICIES = ("", "idle.", "held.")
ALIVE, ANSWERS, BOTH = (
    tuple(f"drift.{policy}{name}_200" for policy in POLICIES)
    for name in ("player_alive", "answers", "alive_and_answers")
)
FROZEN, MELTED, EXPLODED = (f"drift.{name}" for name in ("frozen", "melted", "exploded"))
IDLE, AREA = "drift.idle_motion_px", "drift.idle_changed_area"
PLAYER = ("rollout.player_found", "delta_psnr.random_rollouts.player_found")
DELTA, SHARP, RANDOM_SHARP = "delta_psnr.value", "rollout.sharpness", "delta_psnr.random_rollouts.sharpness"


def all_by(least: float, *names: str) -> dict[str, float]:
    return dict.fromkeys(names, least)


FAULTS: list[tuple[type, str, dict[str, float], tuple[str, ...]]] = [
    (known_game.Frozen, "fidelity", {**ROLLOUT, DELTA: 30}, (*TOKENIZER, *CODES, *PLAYER)),
    (known_game.Frozen, "control", {**all_by(1, OPPOSITE, RISES, LANDS, X), Y: 0.5}, (WALLS, *GAINS)),
    (known_game.Frozen, "drift", all_by(1, FROZEN, *ANSWERS, *BOTH), (*ALIVE, MELTED, EXPLODED, IDLE, AREA)),
    (known_game.Shuffled, "fidelity", {**ROLLOUT, DELTA: 35}, (*TOKENIZER, *CODES, *PLAYER, SHARP)),
    (known_game.Shuffled, "control", {**all_by(1, OPPOSITE, RISES, LANDS), X: 0.3, Y: 0.3, WALLS: 0.3}, GAINS),
    (known_game.Deaf, "fidelity", {**ROLLOUT, DELTA: 30}, (*TOKENIZER, *CODES, *PLAYER)),
    (known_game.Deaf, "control", {**all_by(1, OPPOSITE, RISES, LANDS), X: 0.3, Y: 0.5, WALLS: 0.5}, GAINS),
    (known_game.Deaf, "drift", {**all_by(1, *ANSWERS, *BOTH), IDLE: 0}, (*ALIVE, MELTED, EXPLODED)),
    (known_game.Bouncing, "control", {OPPOSITE: 1, X: 0.5, Y: 0.5}, (RISES, *GAINS)),
    (known_game.Lost, "fidelity", {}, (*ROLLOUT, *TOKENIZER, *PLAYER, DELTA)),
    (known_game.Lost, "drift", all_by(1, *ALIVE, *BOTH), (*ANSWERS, FROZEN, MELTED, EXPLODED, IDLE)),
    (known_game.Blurred, "fidelity", {**ROLLOUT, **all_by(0.2, *TOKENIZER), SHARP: 0.5, RANDOM_SHARP: 0.5}, CODES),
    (known_game.Blurred, "control", {}, (OPPOSITE, RISES, LANDS, WALLS, X, Y, *GAINS)),
    (known_game.Blurred, "drift", {MELTED: 1}, (*ALIVE, *ANSWERS, FROZEN, EXPLODED, IDLE)),
    (
        known_game.Hovering,
        "fidelity",
        {"rollout.psnr": 5, "rollout.ssim": 0.1, DELTA: 1},
        (*TOKENIZER, *CODES, *PLAYER),
    ),
    (known_game.Hovering, "control", {LANDS: 1}, (OPPOSITE, RISES, WALLS, X, Y, *GAINS)),
    (known_game.Ghost, "fidelity", {}, (*ROLLOUT, *TOKENIZER, DELTA)),
    (known_game.Ghost, "control", {WALLS: 1}, (OPPOSITE, RISES, LANDS, X, Y, *GAINS)),
    (known_game.Creeping, "drift", {IDLE: 25, AREA: 0.3}, (*ALIVE, *ANSWERS, FROZEN, MELTED, EXPLODED)),
    (known_game.Running, "drift", {IDLE: 160, AREA: 0.3}, (*ALIVE, *ANSWERS, FROZEN, MELTED, EXPLODED)),
    (known_game.Exploding, "drift", {EXPLODED: 1, AREA: 0.3}, (*ANSWERS, FROZEN, MELTED, IDLE)),
    (known_game.Melting, "drift", {MELTED: 1}, (*ANSWERS, FROZEN, EXPLODED, IDLE)),
    (known_game.LeakyLatentActions, "fidelity", {**ROLLOUT, DELTA: 20, "nmi": 0.8, "accuracy": 0.3}, TOKENIZER),
    (known_game.LeakyLatentActions, "control", {GAINS[1]: 1}, (OPPOSITE, RISES, LANDS, WALLS)),
    (known_game.WrongLatentActions, "fidelity", {**ROLLOUT, DELTA: 30}, (*TOKENIZER, *CODES)),
    (known_game.WrongLatentActions, "control", {GAINS[0]: 20, X: 0.3, Y: 0.3}, (OPPOSITE, RISES, LANDS, WALLS)),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "part", "worse", "same"), FAULTS, ids=[f"{fault.__name__}-{part}" for fault, part, *_ in FAULTS]
)
def test_a_fault_shows_in_the_figures_it_should_and_in_no_others(
    perfect: Evaluation, figures: Figures, fault: type, part: str, worse: dict[str, float], same: tuple[str, ...]
) -> None:
    best, found = means(perfect.samples), figures(fault, part)
    for name, least in worse.items():
        assert loss(name, best[name], found[name]) >= least, (name, best[name], found[name])
    for name in same:
        assert found[name] == pytest.approx(best[name], abs=0.05), (name, best[name], found[name])


@pytest.mark.slow
def test_blur_is_told_as_less_gradient_energy_than_real_and_noise_as_more(figures: Figures) -> None:
    assert figures(known_game.Blurred, "fidelity")[SHARP] < 0.5 < 1.1 < figures(known_game.Exploding, "fidelity")[SHARP]


@pytest.mark.slow
def test_a_still_picture_is_nearer_to_what_follows_four_frames_than_to_what_follows_one(figures: Figures) -> None:
    """The player of most clips has come to rest, or back to the ground, by frame 4 and not by frame 0."""
    frozen = figures(known_game.Frozen, "fidelity")
    assert frozen["rollout.four_frames.psnr"] > frozen["rollout.psnr"] + 2


def loss(name: str, best: float, found: float) -> float:
    """By how much `found` is worse than `best`."""
    better = FIGURES[name].better if name in FIGURES else "higher"
    if better == "one":
        return abs(found - 1) - abs(best - 1)
    return best - found if better == "higher" else found - best


# ---- long play


@pytest.mark.slow
def test_long_play_is_a_rollout_of_each_policy_whatever_is_asked_in_between(perfect: Evaluation) -> None:
    """The player was asked to go left and right at the start and at step 200, and put back."""
    _, idle, held = perfect.long_play  # the first playthrough of each, from the first clip
    for name, shown in (("stay", idle), ("right", held)):
        actions = np.full((1, EFFORT.steps), known_game.NAMES.index(name))
        played = rollout(known_game.make_world(), perfect.strips.truth[:1, 0], actions)[0]
        np.testing.assert_array_equal(shown, played[:: EFFORT.steps // 10], name)


# ---- the clips and scenes that are measured


def test_clips_come_from_all_over_the_set_and_end_with_their_episode(data: VideoDataset) -> None:
    clips = draw_clips(data, 12, 11, 17)
    assert clips.frames.shape == (12, 17, 64, 64, 3) and clips.there.shape == (12, 17)
    lengths = clips.there.sum(1)
    assert set(lengths) > {17} and lengths.min() >= 11, "some end early"
    states = known_game.look_up(clips.frames)
    assert len(set(states.level[:, 0])) == known_game.LEVELS
    assert (states.level == states.level[:, :1]).all(), "no clip goes on in another episode"
    for frames, there, actions, length in zip(clips.frames, clips.there, clips.true_actions, lengths, strict=True):
        assert there[:length].all() and not there[length:].any()
        assert (frames[length:] == frames[length - 1]).all()
        assert (actions[: length - 1] >= 0).all() and (actions[length - 1 :] == -1).all()
    for button, name in ((7, "right"), (1, "left")):
        moved = np.diff(states.x, axis=1)[clips.true_actions == button]
        assert len(moved) > 5 and (moved == known_game.PACE * known_game.ALONG[known_game.NAMES.index(name)]).all()


def test_two_clips_of_the_same_moment_count_as_one(data: VideoDataset) -> None:
    """Else intervals of few data are too narrow: 120 clips of 60 episodes are 60 values."""
    whole = [int(length) // 11 for length in data.episodes[:, 1]]  # clips of 11 frames that do not overlap
    assert len(data.clip_starts(11)) > 5 * sum(whole)
    assert len(draw_clips(data, 10_000, 11, 17)) <= sum(whole)
    fit = len(draw_clips(data, 10_000, 11, 17))
    assert len(draw_clips(data, fit - 1, 11, 17)) == fit - 1, "no more are left out than must be"
    assert apart(np.array([0, 3, 11, 12, 22, 40, 50]), 11).tolist() == [0, 11, 22, 40]


def test_clips_without_true_actions(tmp_path: Path) -> None:
    assert draw_clips(squares(tmp_path), 3, 6, 8).true_actions is None


def test_standing_scenes_show_a_player_that_has_stood(data: VideoDataset) -> None:
    stood = {
        clip[-1].tobytes()
        for clip in (data.clip(int(start), 4) for start in data.clip_starts(4))
        if (clip == clip[-1]).all()
    }
    scenes = standing_scenes(data, 40)
    assert len(scenes) == 40 and all(scene.tobytes() in stood for scene in scenes)
    states = known_game.look_up(scenes)
    assert (states.jump == 0).all() and len(set(states.level)) >= 4


def test_free_scenes_are_on_the_way_from_one_side_to_the_other(data: VideoDataset) -> None:
    clips = np.stack([data.clip(int(start), 17) for start in data.clip_starts(17)])
    x = known_game.look_up(clips[:, [0, 8, 16]]).x
    steps = np.diff(x, axis=1)
    through = {clip[8].tobytes() for clip in clips[(np.abs(steps) >= WAY_PX).all(1) & (np.prod(steps, axis=1) > 0)]}
    scenes = free_scenes(data, 20)
    assert all(scene.tobytes() in through for scene in scenes)
    states = known_game.look_up(scenes)
    assert len(scenes) == 20 and len(set(states.level)) >= 4
    assert ((states.x >= WAY_PX) & (states.x <= known_game.WALL - WAY_PX)).all()


def test_episodes_too_short_for_a_free_scene_leave_out_what_is_asked_there(data: VideoDataset, tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "short", source={}, frame_size=(64, 64)) as writer:
        for start in data.clip_starts(14)[::40]:
            writer.add_episode(data.clip(int(start), 14))
    short = VideoDataset(tmp_path / "short")
    assert not len(free_scenes(short, 4))
    found = measure_control(known_game.make_world(), short, draw_clips(short, 12, 11, 14), COINRUN, 4, quiet=True)
    assert "go either way" in found.missing[OPPOSITE] and not len(found.values[X])
    assert found.values[RISES].mean() == 1


def test_who_turns_round_or_has_stood_is_not_on_its_way() -> None:
    """Nor who comes to a wall."""
    along = {
        "right": [1] * 16,
        "left": [-1] * 16,
        "turned": [1] * 8 + [-1] * 8,
        "set off": [0] * 8 + [1] * 8,
        "stopped": [1] * 8 + [0] * 8,
    }
    x = 40 + known_game.PACE * np.cumsum([[0, *steps] for steps in along.values()], axis=1)
    x = np.concatenate([x, x[3:] + (np.arange(17) > 4) * [[1], [0]] + (np.arange(17) > 12) * [[0], [1]]])  # and crept
    still = np.zeros_like(x)
    clips = known_game.scenery(known_game.State(still, still, x, still))
    assert on_its_way(clips).tolist() == [True, True] + [False] * 5


def test_wall_scenes_are_before_walls(data: VideoDataset) -> None:
    scenes, names = wall_scenes(data, 8, {"left": (0, 1), "right": (6, 7)})
    assert names == ["left"] * 4 + ["right"] * 4
    assert known_game.look_up(scenes).x.tolist() == [0] * 4 + [known_game.WALL] * 4
    assert len(wall_scenes(data, 8, {"left": (5,)})[0]) == 0, "nobody jumped against a wall"


# ---- rollouts and single true steps, on networks that depend on all they may depend on


WARM = SamplingConfig(unmask_steps=3, temperature=1.0)


@pytest.fixture(params=["cold", "warm"])
def world(request: pytest.FixtureRequest) -> World:
    return tiny.make_world(sampling=WARM) if request.param == "warm" else tiny.make_world()


@pytest.mark.parametrize("k", [1, 2, 4])
def test_a_rollout_goes_on_from_its_frames_as_recomputing_everything_does(world: World, k: int) -> None:
    """By the dynamics' pass over whole clips and the tokenizer's decoding of them, which no engine knows."""
    clips, actions = tiny.random_frames(3, k), tiny.random_actions(3, 8)
    played = rollout(world, clips.numpy(), actions.numpy(), seed=5)
    tokens = world.encode(clips)
    for index in range(k, 8):
        blank = torch.full((3, 4, 4), world.dynamics.config.mask_id)

        def predict(draft: torch.Tensor, tokens: torch.Tensor = tokens, index: int = index) -> Prediction:
            longer = torch.cat([tokens, draft[:, None]], 1)
            return world.dynamics(longer, longer, actions[:, :index]).frame(-1)

        noise = [torch.from_numpy(uniform(5, index, (3, 16, 2, 8)))] * 3
        following = tiny.unmask(predict, blank, world.config.sampling, noise)
        tokens = torch.cat([tokens, following[:, None]], 1)
    expected = world.decode(tokens).numpy()
    assert played.shape == (3, 8, 16, 16, 3)
    assert np.abs(played.astype(int) - expected).max() <= 1  # rounding
    assert (played[:, -1] != played[:, -2]).any()


def test_a_rollout_is_what_an_engine_plays_step_by_step(world: World) -> None:
    prompts, actions = tiny.random_frames(2, 1)[:, 0].numpy(), tiny.random_actions(2, 8).numpy()
    played = rollout(world, prompts, actions, seed=5)
    for row in range(2):
        engine = WorldEngine(world, seed=5)
        alone = [engine.reset(prompts[row]), *(engine.step(int(action)) for action in actions[row])]
        np.testing.assert_array_equal(played[row], alone)


def test_teacher_forced_frames_are_one_step_from_the_true_past(world: World) -> None:
    clips, actions = tiny.random_frames(3, 7).numpy(), tiny.random_actions(3, 7).numpy()
    forced = teacher_forced(world, clips, actions, seed=5)
    assert forced.shape == (3, 6, 16, 16, 3)
    for k in range(1, 7):
        stepped = rollout(world, clips[:, :k], actions[:, :k], seed=5)[:, k]
        assert np.abs(stepped.astype(int) - forced[:, k - 1]).max() <= 1, k  # rounding
    other = teacher_forced(world, clips, (actions + 1) % 4, seed=5)
    assert (other != forced).any((2, 3, 4)).all(), "the action counts at each step"


# ---- whole evaluations of other worlds


WIDE = (16, 22)


def squares(folder: Path, size: tuple[int, int] = tiny.SIZE) -> VideoDataset:
    """A video without true actions or a player."""
    with DatasetWriter(folder / "squares", source={"kind": "squares"}, frame_size=size) as writer:
        for clip in tiny.walking_squares(6, 14).frames.numpy():
            writer.add_episode(np.pad(clip, ((0, 0), (0, 0), (0, size[1] - clip.shape[2]), (0, 0)), mode="edge"))
    return VideoDataset(folder / "squares")


TINY_EFFORT = Effort(clips=4, longest=12, scenes=2, rollouts=2, steps=60)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    return squares(tmp_path_factory.mktemp("data"), WIDE)


def wide_world() -> World:
    """A world of no known game, whose frames are not square, with noise in every frame."""
    world = tiny.make_sized_world(WIDE)
    world.config = dataclasses.replace(world.config, sampling=WARM)
    return world


def evaluated(data: VideoDataset) -> dict[str, Any]:
    """The report of `wide_world`, whose speed is measured in no time."""
    with pytest.MonkeyPatch.context() as patch:
        shorten_benchmark(patch)
        return evaluate(wide_world(), data, TINY_EFFORT, seed=3, quiet=True).report


@pytest.fixture(scope="module")
def unknown(video: VideoDataset) -> dict[str, Any]:
    return evaluated(video)


@pytest.mark.slow
def test_the_same_command_gives_the_same_figures_but_for_speed(unknown: dict[str, Any], video: VideoDataset) -> None:
    """With noise in every frame; another seed gives others."""
    again = evaluated(video)
    assert unknown["speed"]["fps"] > 0 and again["speed"]["fps"] > 0
    assert json.dumps(again | {"speed": None}) == json.dumps(unknown | {"speed": None})
    clips = draw_clips(video, TINY_EFFORT.clips, 11, TINY_EFFORT.longest + 1)
    world = wide_world()
    mine, other = (measure_fidelity(world, clips, Game(), seed, quiet=True)[0].values for seed in (3, 4))
    assert mine["rollout.psnr"].mean() == at(unknown, "rollout.psnr")["mean"] != other["rollout.psnr"].mean()
    assert (mine["tokenizer.psnr"] == other["tokenizer.psnr"]).all(), "nothing is drawn there"
    assert "NaN" not in json.dumps(unknown) and "Infinity" not in json.dumps(unknown)
    assert unknown["settings"]["temperature"] == WARM.temperature


@pytest.mark.slow
def test_a_world_of_no_known_game_is_measured_in_all_that_is_general(unknown: dict[str, Any]) -> None:
    """The report says of every general figure it lacks why, and nothing of what one game alone has."""
    reasons = unknown["not_measured"]
    missing = [name for name in table_of() if not at(unknown, name)]
    assert unknown["game"] == "unknown" and all(name.startswith(tuple(reasons)) for name in missing)
    assert "opposites" in reasons["control.opposite_actions"] and "nothing" in reasons["drift.idle"]
    assert "true actions" in reasons["latent_action.nmi"] and "--full" in reasons["fvd"]
    assert at(unknown, "rollout.psnr")["n"] == TINY_EFFORT.clips
    assert at(unknown, "drift.frozen")["n"] == TINY_EFFORT.rollouts and "held" in unknown["drift"]
    assert not any(at(unknown, name) for name in COINRUN.figures if name not in table_of())
    assert not set(reasons) & (set(COINRUN.figures) - set(table_of())), "what nobody expects needs no reason"


@pytest.mark.slow
def test_a_report_of_no_known_game_can_be_read(unknown: dict[str, Any]) -> None:
    table = figures_table(unknown)
    assert table.startswith("| figure | value | n |\n") and FIGURES["rollout.psnr"].label in table
    assert "GenieRedux" not in table and "player" not in table
    assert FIGURES["control.opposite_actions"].label not in table


def test_a_game_is_measured_though_the_world_lacks_the_names_it_asks_for(data: VideoDataset) -> None:
    world = known_game.make_world()
    world.config = dataclasses.replace(world.config, actions=unnamed_actions(len(known_game.NAMES)))
    clips = draw_clips(data, 4, 11, 11)
    found = measure_control(world, data, clips, COINRUN, 2, quiet=True)
    assert {OPPOSITE, RISES, LANDS, WALLS} == set(found.missing) - {"control.effects"} and X in found.values
    drift, strips = measure_drift(world, clips.frames[:2, 0], COINRUN, 20, quiet=True)
    assert "drift.idle" in drift.missing and len(strips) == 2
    assert np.isnan(drift.values["drift.answers_0"]).all()


def test_data_of_another_game_is_measured_as_any_video(tmp_path: Path) -> None:
    """Its buttons are its own: CoinRun's table ends at 14."""
    for name, told in (("other", {"game": "other"}), ("untold", {})):
        with DatasetWriter(tmp_path / name, source=told, frame_size=tiny.SIZE) as writer:
            writer.add_episode(tiny.random_frames(1, 12)[0].numpy(), np.full(11, 99))
    world = known_game.make_world()
    assert type(_game_of(world, VideoDataset(tmp_path / "other"))) is Game
    assert _game_of(world, VideoDataset(tmp_path / "untold")).name == "coinrun"


def test_a_data_set_of_short_episodes_is_refused_in_words(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "short", source={}, frame_size=(16, 16)) as writer:
        writer.add_episode(tiny.random_frames(1, 10)[0].numpy())
    with pytest.raises(DataError, match="no clip of 11 frames: its longest episode has 10"):
        evaluate(tiny.make_world(), VideoDataset(tmp_path / "short"), TINY_EFFORT, quiet=True)


def test_efforts_are_those_promised() -> None:
    assert EFFORTS["default"] == Effort(clips=128, rollouts=8, steps=500, fvd_clips=0)
    assert EFFORTS["full"] == Effort(clips=512, scenes=128, rollouts=64, steps=500, fvd_clips=256)
    assert EFFORTS["quick"].clips <= 32 and not EFFORTS["quick"].fvd_clips
