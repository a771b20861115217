"""Training a tokenizer that is given the last picture, and the dynamics that sees what it shows."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from test_training import SETTINGS, record
from tiny import (
    CONFIG,
    changed_frames,
    make_reference_world,
    random_actions,
    random_frames,
    scrolled,
    shake,
    walking_squares,
)
from torch import Tensor

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.errors import ConfigError
from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.pixels import to_levels, to_model
from genie_core.training.chance import Chance
from genie_core.training.clips import split_starts
from genie_core.training.cost import cost, forward_flop
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.films import Films
from genie_core.training.learner import Learner
from genie_core.training.order import Rows
from genie_core.training.reference_stage import DEEP, SHALLOW, ReferenceTokenizerStage, weights_of_change
from genie_core.training.run import train
from genie_core.training.settings import STAGES, DynamicsSettings, TokenizerSettings, parse_settings
from genie_core.training.stage import Batch
from genie_core.training.tokens import TokenClips
from genie_core.world import World

ROWS, WINDOW = 4, 3
TOKENIZER = dataclasses.replace(CONFIG.tokenizer, reference=True)
REFERENCE = SETTINGS.replace("code_bits = 6\n", "code_bits = 6\nreference = true\n").replace(
    "clip_frames = 5\n", "clip_frames = 5\nfilm_frames = 6\n"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Episodes of 3 to 150 frames of scenery that moves, and of 8 frames of squares."""
    path = tmp_path_factory.mktemp("data") / "films"
    with DatasetWriter(path, source={}, frame_size=(16, 16), fps=12) as writer:
        for seed, length in enumerate((3, 10, 70, 150)):
            writer.add_episode(scrolled([1] * (length - 1), [0] * (length - 1), seed=seed)[0].numpy())
        for clip in walking_squares(60, 8).frames.numpy():
            writer.add_episode(clip)
    return path


def films(data: Path, window: int = WINDOW, rows: int = ROWS) -> Films:
    dataset = VideoDataset(data)
    return Films(dataset, split_starts(dataset, window, 50)[0], window, rows)


def starts_of(sample: Films, step: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The first frames of the windows of a step, and which begin a film."""
    number, within = sample._place(step)
    steps, walk = sample.pass_steps[number % len(sample.pass_steps)], sample._walk_of(seed, number)
    windows = (np.arange(sample.batch_size) * steps + within) % len(walk.starts)
    return walk.starts[windows], sample(Rows(seed, step, 0, sample.batch_size))["begins"].numpy()


# ---- films


@pytest.mark.parametrize("window", [2, 3, 4])
def test_a_row_walks_through_films_in_windows_that_overlap_by_a_frame(data: Path, window: int) -> None:
    sample = films(data, window)
    dataset, allowed = sample.dataset, set(split_starts(sample.dataset, window, 50)[0].tolist())
    since, longest = np.zeros(ROWS, int), 0
    before, _ = starts_of(sample, 0)
    for step in range(sum(sample.pass_steps)):
        starts, begins = starts_of(sample, step)
        batch = sample(Rows(0, step, 0, ROWS))["frames"].numpy()
        assert allowed.issuperset(starts.tolist())
        assert all(np.array_equal(batch[row], dataset.clip(int(start), window)) for row, start in enumerate(starts))
        assert begins.all() if step == 0 else np.array_equal(starts[~begins], before[~begins] + window - 1)
        since = np.where(begins, 0, since + window - 1)
        longest, before = max(longest, int(since.max()) + window), starts
    assert 60 <= longest <= 64, "frames of a film"


def test_a_pass_sees_each_window_once_and_the_next_one_begins_a_frame_later(data: Path) -> None:
    sample = films(data)
    known: list[int] = []
    for number, steps in enumerate(sample.pass_steps):
        first = sum(sample.pass_steps[:number])
        seen = [int(start) for step in range(first, first + steps) for start in starts_of(sample, step)[0]]
        assert len(seen) - len(set(seen)) < ROWS, "the last step may fill up"
        known += set(seen)
    assert sorted(known) == split_starts(sample.dataset, WINDOW, 50)[0].tolist()


def test_films_are_a_function_of_seed_and_step_however_they_are_shared_out(data: Path) -> None:
    sample, other = films(data), films(data)
    for step in (0, 7, 200, 1000):
        whole = sample(Rows(3, step, 0, ROWS))
        parts = [other(Rows(3, step, first, first + 2)) for first in (0, 2)]
        assert all(torch.equal(whole[name], torch.cat([part[name] for part in parts])) for name in whole)
    assert not torch.equal(sample(Rows(3, 0, 0, ROWS))["frames"], sample(Rows(4, 0, 0, ROWS))["frames"])


# ---- the tokenizer's stage


class Heard:
    """What a stage gave its network, and what the network made of it."""

    def __init__(self, stage: ReferenceTokenizerStage) -> None:
        self.references: list[Tensor] = []
        self.lasts: list[Tensor] = []
        stage.network.register_forward_hook(self._hear)

    def _hear(self, network: object, inputs: tuple[Tensor, Tensor], walk: object) -> None:
        self.references.append(inputs[0])
        self.lasts.append(to_levels(walk.pixels[:, :, -1].detach()))  # type: ignore[attr-defined]


def make_stage(progress: float = 1.0, seed: int = 0, shaken: bool = True, **settings: float) -> ReferenceTokenizerStage:
    torch.manual_seed(seed)
    network = ReferenceTokenizer(TOKENIZER)
    own = TokenizerSettings(minutes=1e6, batch_size=ROWS, clip_frames=WINDOW, **settings)  # type: ignore[arg-type]
    stage = ReferenceTokenizerStage(shake(network) if shaken else network, own)
    stage.trained_seconds.fill_(60e6 * progress)
    return stage


def make_learner(folder: Path, **options: float) -> Learner:
    return Learner(make_stage(**options), Fabric(accelerator="cpu", devices=1), folder, seed=3)  # type: ignore[arg-type]


def parts_of(batch: Batch, parts: int) -> list[tuple[Batch, int, int]]:
    here = ROWS // parts
    return [({n: v[first : first + here] for n, v in batch.items()}, first, ROWS) for first in range(0, ROWS, here)]


def step(learner: Learner, sample: Films, parts: int = 1) -> dict[str, Tensor]:
    batch = sample(Rows(learner.seed, learner.stage.step, 0, ROWS))
    return learner.step(parts_of(batch, parts), stop_asked=False).losses


def test_a_window_goes_on_from_the_picture_that_the_last_one_ended_with(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounded to the levels that play shows, not from the truth; where a film begins, from its first frame."""
    monkeypatch.setattr("genie_core.training.reference_stage.LOST", 0.0)
    sample, learner = films(data), make_learner(tmp_path)
    heard, went_on, began = Heard(learner.stage), 0, 0  # type: ignore[arg-type]
    for number in range(15):
        batch = sample(Rows(learner.seed, learner.stage.step, 0, ROWS))
        spent = learner.stage.worn["depths"] >= learner.stage.worn["limits"]  # type: ignore[union-attr,operator,index]
        step(learner, sample)
        truth, fresh = to_model(batch["frames"])[:, :, 0], batch["begins"] | spent
        expected = torch.where(fresh[:, None, None, None], truth, heard.lasts[number - 1] if number else truth)
        assert torch.equal(heard.references[-1], expected)
        assert not torch.equal(heard.references[-1][~fresh], truth[~fresh]) or fresh.all()
        went_on, began = went_on + int((~fresh).sum()), began + int(fresh.sum())
    assert went_on > 10 and began > 5


def test_films_go_deeper_as_the_stage_goes_on() -> None:
    for progress, deepest in ((0.0, SHALLOW), (0.1, SHALLOW), (0.25, 33), (0.4, DEEP), (1.0, DEEP)):
        assert make_stage(progress).deepest == pytest.approx(deepest)


def walked(stage: ReferenceTokenizerStage, steps: int, limits: float | None = None) -> dict[str, Tensor]:
    """Depths and limits after each of some steps on noise, in which no film ends by itself: (steps, rows).

    `limits`, if given, are set before each step.
    """
    stage.train()
    batch = {"frames": random_frames(ROWS, WINDOW), "begins": torch.zeros(ROWS, dtype=torch.bool)}
    heard: dict[str, list[Tensor]] = {"depths": [], "limits": []}
    for number in range(steps):
        stage.chance = Chance(0, number)
        if limits is not None:
            stage.worn["limits"].fill_(limits)
        with torch.no_grad():
            stage.losses(batch)
        for name, values in heard.items():
            values.append(stage.worn[name].clone())
    return {name: torch.stack(values) for name, values in heard.items()}


@pytest.mark.parametrize("progress", [0.0, 0.2])
def test_no_film_goes_deeper_than_it_may(progress: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goes up to a length drawn anew for it."""
    monkeypatch.setattr("genie_core.training.reference_stage.LOST", 0.0)
    stage = make_stage(progress)
    depths = walked(stage, 40)["depths"]
    assert 0.8 * stage.deepest < depths.max() <= stage.deepest + WINDOW - 1
    assert progress == 0 or len(depths.unique()) > 3


def test_a_film_that_is_lost_is_mostly_set_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained network makes other noise of noise."""
    went_on = {}
    for lost in (0.0, 90.0):
        monkeypatch.setattr("genie_core.training.reference_stage.LOST", lost)
        went_on[lost] = float((walked(make_stage(), 25, limits=1e6)["limits"] > 0).float().mean())
    assert went_on == {0.0: 1.0, 90.0: pytest.approx(0.3, abs=0.12)}


@pytest.mark.parametrize("parts", [2, 4])
def test_films_are_carried_alike_however_a_batch_is_shared_out(data: Path, tmp_path: Path, parts: int) -> None:
    """The codebook's entropy is of a part, so it is left out; the rest differs by rounding alone."""
    slow = {"codebook_entropy": 0.0, "muon_learning_rate": 1e-9, "learning_rate": 1e-9}
    whole, cut = (make_learner(tmp_path, **slow) for _ in range(2))
    for _ in range(6):
        step(whole, films(data))
        step(cut, films(data), parts)
    ours, theirs = (learner.stage.worn for learner in (whole, cut))
    for name in ("depths", "limits"):
        assert torch.equal(ours[name], theirs[name])  # type: ignore[index]
    torch.testing.assert_close(theirs["pictures"], ours["pictures"], atol=2 / 127.5, rtol=0)  # type: ignore[index]


def test_a_resumed_stage_goes_on_with_its_pictures(data: Path, tmp_path: Path) -> None:
    sample, unbroken, first = films(data), make_learner(tmp_path), make_learner(tmp_path)
    for _ in range(4):
        step(unbroken, sample)
        step(first, sample)
    torch.save(first.state(), tmp_path / "state")
    second = make_learner(tmp_path, seed=9, progress=0.0)
    second.load(torch.load(tmp_path / "state", weights_only=True))
    went_on = 0
    for _ in range(4):
        ours, theirs = step(unbroken, sample), step(second, sample)
        went_on += float(ours["depth"]) > 0
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert went_on
    assert all(torch.equal(value, second.stage.worn[name]) for name, value in unbroken.stage.worn.items())  # type: ignore[union-attr,index,operator]


def test_a_saved_state_is_not_changed_by_going_on(data: Path, tmp_path: Path) -> None:
    """So that a loss that explodes can be gone back from."""
    sample, learner = films(data), make_learner(tmp_path)
    step(learner, sample)
    saved = copy.deepcopy(learner.state())
    learner.load(saved)
    before = copy.deepcopy(saved["state_dict"]["_extra_state"])
    step(learner, sample)
    assert all(torch.equal(value, before[name]) for name, value in saved["state_dict"]["_extra_state"].items())


def test_films_begin_anew_in_a_batch_of_another_size(data: Path, tmp_path: Path) -> None:
    stage = make_stage()
    stage.set_extra_state({name: value[:2] for name, value in make_stage().worn.items()})
    assert not stage.worn["limits"].any() and len(stage.worn["limits"]) == ROWS


def test_held_out_clips_are_coded_from_their_first_frame_and_carry_nothing() -> None:
    stage = make_stage().eval()
    heard, before = Heard(stage), copy.deepcopy(stage.worn)
    frames = random_frames(3, 7)
    with torch.no_grad():
        figures = stage.losses({"frames": frames})
        film = stage.picture({"frames": frames})
    assert torch.equal(heard.references[0], to_model(frames)[:, :, 0]) and "depth" not in figures
    assert all(torch.equal(value, before[name]) for name, value in stage.worn.items())
    assert torch.equal(film[::2], frames) and torch.equal(film[1::2, 0], frames[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize(("moving", "counts"), [(8, 0.5), (64, 0.5), (1, 0.5 * 3 / 1024 / 0.02)])
def test_all_that_changes_counts_as_much_as_all_that_does_not(moving: int, counts: float) -> None:
    """But less where it is less than a fiftieth of the picture: noise is no motion."""
    clip = torch.zeros(2, 3, 3, 8, 64)
    clip[:, 0, 1, 0, :moving] = clip[:, 2, 2, 7, :moving] = 1.0  # one thing comes, then goes as another comes
    clip[:, :, :, 4] += 0.02 * torch.arange(3)[:, None]  # too little to be a change
    weights = weights_of_change(clip)
    changed = torch.zeros_like(weights, dtype=torch.bool)
    changed[:, :, 0, 0, :moving] = changed[:, :, 1, [0, 7], :moving] = True
    assert weights[changed].sum() / weights.numel() == pytest.approx(counts)
    assert (weights[changed] == weights[changed][0]).all() and (weights[~changed] == weights[~changed][0]).all()


def test_it_learns_to_foretell_more_than_the_last_picture(tmp_path: Path) -> None:
    """Soft scenery that goes by, new at its edge in each frame, after 100 steps."""
    across = torch.randint(-3, 4, (4, 9), generator=torch.Generator().manual_seed(0)).tolist()
    rough = torch.cat([scrolled(way, way[::-1], seed=seed) for seed, way in enumerate(across)])
    soft = F.avg_pool2d(rough.flatten(0, 1).permute(0, 3, 1, 2).float(), 3, 1, 1)
    clips = soft.permute(0, 2, 3, 1).view(rough.shape).round().byte()
    torch.manual_seed(0)
    network = ReferenceTokenizer(dataclasses.replace(TOKENIZER, channels=(16, 16)))
    own = TokenizerSettings(steps=100, batch_size=4, clip_frames=4, learning_rate=4e-3, warmup_steps=10)
    learner = Learner(ReferenceTokenizerStage(network, own), Fabric(accelerator="cpu", devices=1), tmp_path, seed=0)
    for number in range(100):
        first = number % 3 * 3
        batch = {"frames": clips[:, first : first + 4], "begins": torch.full((4,), first == 0)}
        learner.step([(batch, 0, 4)], stop_asked=False)
    pixels = to_model(clips)
    with torch.no_grad():
        coded = network.eval().code(pixels).pixels
    wrong, still = ((x - pixels[:, :, 1:]).square().mean() for x in (coded[:, :, 1:], pixels[:, :, :-1]))
    assert wrong < 0.5 * still


# ---- what the dynamics learns from


def make_dynamics_stage(**settings: float) -> DynamicsStage:
    world = make_reference_world()
    return DynamicsStage(world.dynamics, DynamicsSettings(**settings), world.tokenizer)  # type: ignore[arg-type]


def given(stage: DynamicsStage, batch: Batch) -> list[Tensor]:
    """The features that the network was given in each of its calls."""
    seen: list[Tensor] = []
    stage.network.register_forward_pre_hook(lambda network, inputs: seen.append(inputs[3]))
    with torch.no_grad():
        stage.losses(batch)
    return seen


def coded_batch(b: int = 3, t: int = 5) -> Batch:
    tokens, pictures = make_reference_world().code(random_frames(b, t))
    return {"tokens": tokens, "actions": random_actions(b, t), "pictures": pictures}


@pytest.mark.parametrize("train", [False, True])
def test_the_dynamics_is_given_the_features_of_coded_pictures(train: bool) -> None:
    """Also when codes are drawn anew by how well they explain the next frame."""
    settings = DynamicsSettings(minutes=1, redrawn=1.0, own_context=0.0, own_context_after=0.0)
    stage, batch = make_dynamics_stage(**dataclasses.asdict(settings)), coded_batch()
    stage.trained_seconds.fill_(30.0)
    expected = stage.tokenizer.features(to_model(batch["pictures"]))
    seen = given(stage.train(train), batch)
    assert len(seen) == (3 if train else 1) and all(torch.equal(each, expected) for each in seen)


def test_a_frame_is_foretold_from_the_pictures_before_it() -> None:
    stage, batch = make_dynamics_stage(), coded_batch()
    pixels = to_model(batch["pictures"])
    other = pixels.clone()
    other[:, :, 2] = -other[:, :, 2]
    before, after = (
        stage.log_likelihoods(batch["tokens"], batch["actions"], stage.features(each)) for each in (pixels, other)
    )
    assert changed_frames(before, after) == [2, 3], "the steps to frames 3 and 4"


def test_own_guesses_change_the_pictures_after_them() -> None:
    """What the network is given at last is what the tokenizer shows of the context, not of the recording."""
    stage, batch = (
        make_dynamics_stage(minutes=1, own_context=1.0, own_context_after=0.0, flipped_bits=0.0),
        coded_batch(),
    )
    stage.trained_seconds.fill_(30.0)
    at_first, at_last = given(stage.train(), batch)
    changed = (at_first - at_last).abs().amax((2, 3)) > 0
    assert changed[:, 1:].any() and not changed[:, 0].any()


def test_the_tokenizer_is_neither_trained_nor_saved_by_the_dynamics() -> None:
    stage = make_dynamics_stage()
    assert not [name for name in stage.state_dict() if not name.startswith("network.")]
    assert len(list(stage.parameters())) == len(list(stage.network.parameters()))


def test_the_pictures_of_a_look_are_those_of_its_tokens_and_one_step_ahead() -> None:
    stage, batch = make_dynamics_stage().eval(), coded_batch()
    with torch.no_grad():
        film = stage.picture(batch)
    assert torch.equal(film[::2], batch["pictures"]) and torch.equal(film[1::2, 0], batch["pictures"][:, 0])
    assert not torch.equal(film[1::2], film[::2])


# ---- settings, cost and a whole run


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("clip_frames = 3\n", "clip_frames = 3\ntexture = 1.0\n", "texture 1 .*reference = true.*raise gradients"),
        (
            "clip_frames = 3\n",
            "clip_frames = 3\ndecoder_only = true\n",
            "decoder_only .*reference = true; leave it out",
        ),
        ("clip_frames = 3\n", "clip_frames = 1\n", "clip_frames 1 .*expected 2 or more"),
        ("film_frames = 6\n", "film_frames = 4\n", "film_frames 4 is less than clip_frames 5; raise it"),
        ("film_frames = 6\n", "film_frames = 0\n", "film_frames 0 is not positive"),
        ("channels = [8, 16]", "channels = [8]", "channels .*reference needs two or more"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(old: str, new: str, words: str) -> None:
    assert old in REFERENCE
    with pytest.raises(ConfigError, match=words):
        parse_settings(REFERENCE.replace(old, new, 1), "own.toml")


def test_what_a_step_costs_is_counted_without_memory() -> None:
    own, plain = parse_settings(REFERENCE, "own"), parse_settings(SETTINGS, "plain")
    weights = sum(p.numel() for p in ReferenceTokenizer(own.networks.tokenizer).parameters())
    assert cost("tokenizer", own).parameters == weights
    longer = parse_settings(REFERENCE.replace("clip_frames = 3", "clip_frames = 5"), "longer")
    assert cost("tokenizer", longer).step_flop > 1.8 * cost("tokenizer", own).step_flop > 0
    assert cost("dynamics", own).step_flop > cost("dynamics", plain).step_flop
    assert forward_flop(own) > forward_flop(parse_settings(REFERENCE.replace("film_frames = 6", ""), "short")) > 0


@pytest.mark.slow
def test_all_three_stages_learn_and_make_a_world(tmp_path: Path) -> None:
    """The dynamics from a tokenizer with reference, with every way in which its context is made worse."""
    data = record(tmp_path / "squares")
    hard = "[train.dynamics]\nown_context_after = 0.0\nown_context = 1.0\nredrawn = 0.5\n"
    (tmp_path / "own.toml").write_text(
        REFERENCE.replace("batch_size = 4\n", "batch_size = 4\nsteps = 3\n").replace("[train.dynamics]\n", hard)
    )
    train([data], tmp_path / "run", tmp_path / "own.toml", device="cpu", quiet=True)
    for stage in STAGES:
        (metrics,) = (tmp_path / "run" / stage / "metrics").glob("*/metrics.csv")
        assert "val/loss" in metrics.read_text() and "nan" not in metrics.read_text().lower()
        assert list((tmp_path / "run" / stage / "pictures").glob("step-*.png"))
    world = World.from_pretrained(tmp_path / "run" / "world")
    assert isinstance(world.tokenizer, ReferenceTokenizer) and world.config.dynamics.seen_width == 16
    clips = TokenClips(tmp_path / "run" / "tokens" / "held_out", 2, 5)
    assert clips.pictures is not None and clips.pictures.shape[1:] == (6, 16, 16, 3)
    assert clips(Rows(0, 0, 0, 2))["pictures"].shape == (2, 5, 16, 16, 3)
