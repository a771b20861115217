"""The world that ships, with its real weights, on real frames of levels that no training saw."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import unmask

from genie_core.config import SamplingConfig
from genie_core.data.dataset import VideoDataset
from genie_core.engine import WorldEngine
from genie_core.evaluation.metrics import psnr
from genie_core.games.coinrun.camera import player_motion
from genie_core.games.coinrun.record import ACTIONS
from genie_core.models.dynamics import Prediction
from genie_core.pictures import load_picture
from genie_core.pixels import to_model
from genie_core.rollout import rollout
from genie_core.runtimes.base import RUNTIMES
from genie_core.world import World

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(file.parent for file in (ROOT / "checkpoints").glob("*/config.json"))
HOLD = 8
MOVED = 2.0  # pixels over HOLD steps: less is standing


@pytest.fixture(scope="module")
def world() -> World:
    return World.from_pretrained(ROOT / "checkpoints" / "coinrun")


@pytest.fixture(scope="module")
def clips() -> VideoDataset:
    return VideoDataset(ROOT / "tests" / "data" / "coinrun-easy-test")


@pytest.fixture(scope="module")
def frames(clips: VideoDataset) -> np.ndarray:
    """uint8 (60, 12, 64, 64, 3): every clip whole."""
    return np.stack([clips.clip(int(start), int(length)) for start, length, _ in clips.episodes])


@pytest.fixture(scope="module")
def codes(world: World, frames: np.ndarray) -> np.ndarray:
    """The latent actions that the world finds in each clip, (60, 11)."""
    return world.infer_actions(torch.from_numpy(frames)).numpy()


def held(clips: VideoDataset, move: str) -> np.ndarray:
    """Which clips hold one true action throughout."""
    actions = [clips.true_actions(int(start), int(length)) for start, length, _ in clips.episodes]
    return np.array([(clip == ACTIONS[move]).all() for clip in actions])


def travelled(frames: np.ndarray) -> np.ndarray:
    """How far the player of each rollout got, pixels (b, 2), x to the right, y down."""
    return player_motion(frames).sum(axis=-2)


def play_held(world: World, prompts: np.ndarray, name: str) -> np.ndarray:
    code = next(action.id for action in world.config.actions if action.name == name)
    return travelled(rollout(world, prompts, np.full((len(prompts), HOLD), code)))


def test_it_has_the_four_named_actions_and_their_keys(world: World) -> None:
    keys = {action.name: action.keys for action in world.config.actions}
    assert {"stay", "left", "right", "jump"} <= set(keys)
    assert "left" in keys["left"] and "right" in keys["right"] and "up" in keys["jump"] and not keys["stay"]


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_each_world_plays_by_its_own_graphs_and_stays_small(folder: Path) -> None:
    """Below 40 MB; a world without rules, 12 MB, brings pictures to start from."""
    world = World.from_pretrained(folder)
    engine = WorldEngine(world)
    assert engine.runtime.name == "onnx", "the graphs that ship are those of these weights"
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    starts = sorted((folder / "starts").glob("*.png"))
    if world.config.training.get("rules"):
        assert 0 < size < 40e6
    else:
        assert 0 < size < 12e6 and len(starts) == 6
    for picture in starts:
        first = engine.reset(load_picture(picture))
        moved = [engine.step(action) for action in (0, 1, 2, 3)]
        assert first.shape == (*world.config.frame_size, 3) and any((frame != first).any() for frame in moved)


def test_right_and_left_scroll_opposite_ways_and_more_than_stay(world: World, frames: np.ndarray) -> None:
    # the mixed clips start in the middle of play; held ones too, so all sixty are fair prompts; a third will do
    right, left, stay = (play_held(world, frames[::3, 0], name)[:, 0] for name in ("right", "left", "stay"))
    opposite = (right > 0) & (left < 0)
    further = (np.abs(right) > np.abs(stay)) & (np.abs(left) > np.abs(stay))
    assert (opposite & further).mean() >= 0.9, f"opposite {opposite.mean():.2f}, further {further.mean():.2f}"


def test_jump_rises_above_stay(world: World, frames: np.ndarray) -> None:
    standing = (np.abs(player_motion(frames[:, :3])[..., 1]) < 0.5).all(
        -1
    )  # of the real player: nobody jumps in mid-air
    assert standing.sum() >= 20
    prompts = frames[standing, 0][:12]
    jump, stay = (play_held(world, prompts, name)[:, 1] for name in ("jump", "stay"))
    assert (jump < stay - MOVED).mean() >= 0.9


# One picture does not tell how fast it went before, and what named actions do from one is tested above.
@pytest.mark.parametrize(("prompt", "share"), [pytest.param(1, 0.7, marks=pytest.mark.long), (4, 0.9)])
@pytest.mark.parametrize(("move", "sign"), [("right", 1), ("left", -1)])
def test_codes_inferred_from_real_moves_move_the_player_that_way(
    world: World,
    clips: VideoDataset,
    frames: np.ndarray,
    codes: np.ndarray,
    move: str,
    sign: int,
    prompt: int,
    share: float,
) -> None:
    holding = held(clips, move)
    real = frames[holding]
    assert len(real) >= 15
    played = rollout(world, real[:, :prompt], codes[holding])
    distance, truly = (sign * travelled(f[:, prompt - 1 :])[:, 0] for f in (played, real))
    free = truly > MOVED  # the others stand against a wall, or still slide the other way
    assert free.sum() >= 12
    assert (distance[free] > MOVED).mean() >= share, distance.round(1)


def test_the_codes_are_worth_more_than_random_ones(world: World, frames: np.ndarray, codes: np.ndarray) -> None:
    frames, codes = frames[::3], codes[::3]
    random = np.random.default_rng(0).integers(0, len(world.config.actions), codes.shape)
    inferred, drawn = (psnr(frames[:, 4], rollout(world, frames[:, 0], a[:, :4])[:, 4]) for a in (codes, random))
    assert inferred.mean() - drawn.mean() > 4


def test_tokenizer_reconstructs_unseen_levels(world: World, frames: np.ndarray) -> None:
    frames = frames[::5]
    rebuilt = world.decode(world.encode(torch.from_numpy(frames))).numpy()
    assert psnr(frames, rebuilt).mean() > 32


@pytest.mark.parametrize("ago", [1, 2])
def test_tokenizer_uses_the_frames_before(world: World, frames: np.ndarray, ago: int) -> None:
    clip = torch.from_numpy(frames[40:41, :6])
    other = clip.clone()
    other[:, 5 - ago] = torch.from_numpy(frames[50, 5 - ago])
    with torch.inference_mode():
        codes, changed = (world.tokenizer.encoder(to_model(x))[:, :, 5] for x in (clip, other))
        tokens = world.tokenizer.encode(to_model(clip))
        swapped = tokens.clone()
        swapped[:, 5 - ago] = world.tokenizer.encode(to_model(other))[:, 5 - ago]
        pixels, mixed = (world.tokenizer.decode(t)[:, :, 5] for t in (tokens, swapped))
    assert not torch.allclose(codes, changed, atol=1e-3)
    assert not torch.allclose(pixels, mixed, atol=1e-3)


def test_latent_action_uses_frames_before_the_last_two(world: World, frames: np.ndarray, codes: np.ndarray) -> None:
    swapped = frames[::3].copy()
    swapped[:, :-2] = frames[::-3, :-2]  # another clip's past; the last two frames stay
    other = world.infer_actions(torch.from_numpy(swapped)).numpy()
    assert (codes[::3, -1] != other[:, -1]).any()


def test_the_hard_world_tells_a_mirrored_move_by_the_mirrored_code(frames: np.ndarray) -> None:
    """Left is to right as right is to left, and a jump has no side."""
    frames = frames[::3]
    hard = World.from_pretrained(ROOT / "checkpoints" / "coinrun-hard")
    codebook = hard.latent_action.quantizer.codebook
    mirrored = (codebook * torch.tensor([-1, 1, 1]) @ codebook.T).argmax(-1).numpy()
    assert sorted(mirrored) == list(range(8)) and (mirrored == np.arange(8)).sum() == 4
    seen, reflected = (hard.infer_actions(torch.from_numpy(clips)).numpy() for clips in (frames, flip(frames)))
    assert (mirrored[seen] == reflected).mean() > 0.9


def flip(frames: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frames[..., ::-1, :])


# ---- play is the same however it is computed


WARM = SamplingConfig(unmask_steps=2, temperature=0.7)


def test_play_on_the_ring_shows_what_recomputing_everything_shows(world: World, frames: np.ndarray) -> None:
    """Twice the context, in two passes a frame: the same tokens, by either runtime."""
    dynamics, actions = world.dynamics, torch.arange(16)[None] * 5 % 8
    engines = [WorldEngine(world, runtime=name) for name in RUNTIMES]
    for engine in engines:
        engine.reset(frames[0, 0])
    tokens = torch.from_numpy(engines[0].snapshot().frames[-1].tokens)[None, None].long()
    for step in range(16):

        def predict(draft: torch.Tensor, tokens: torch.Tensor = tokens, step: int = step) -> Prediction:
            longer = torch.cat([tokens, draft[:, None]], 1)
            return dynamics(longer, longer, actions[:, : step + 1]).frame(-1)

        expected = unmask(predict, torch.full((1, 8, 8), dynamics.config.mask_id), engines[0].sampling)
        for engine in engines:
            engine.step(int(actions[0, step]))
            assert np.array_equal(engine.snapshot().frames[-1].tokens, expected[0].numpy()), (step, engine.runtime.name)
        tokens = torch.cat([tokens, expected[:, None]], 1)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_frames_in_another_process(tmp_path: Path) -> None:
    played = []
    for run in ("one", "two"):
        file = tmp_path / f"{run}.npz"
        script = ["--actions", "right*15,jump*6,left*9", "--save", str(file), "--temperature", "0.7", "--seed", "4"]
        command = [sys.executable, "launch.py", "--play", "assets/coinrun.png", *script]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        played.append(np.load(file)["frames"])
    assert np.array_equal(*played)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("steps", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_four_players_of_a_batch_see_the_tokens_they_would_see_alone(
    world: World, frames: np.ndarray, steps: int, runtime: str
) -> None:
    """With noise, from seeds 0 to 3 and four pictures. The context has slid after ten steps."""
    players = 4
    actions = np.random.default_rng(0).integers(0, 8, (steps, players))
    together = WorldEngine(world, sampling=WARM, players=players, runtime=runtime)
    alone = [WorldEngine(world, player, WARM, runtime=runtime) for player in range(players)]
    for player, engine in enumerate(alone):
        together.reset(frames[13 * player, 0], player, seed=player)
        engine.reset(frames[13 * player, 0])
    for step, row in enumerate(actions):
        together.step(dict(enumerate(row.tolist())))
        for player, engine in enumerate(alone):
            engine.step(int(row[player]))
            mine, own = (e.snapshot(p).frames[-1].tokens for e, p in ((together, player), (engine, 0)))
            assert np.array_equal(mine, own), (step, player)


def test_the_start_images_are_pictures_of_its_size(world: World) -> None:
    pictures = sorted((ROOT / "assets").glob("coinrun*.png"))
    assert len(pictures) >= 4
    assert all(load_picture(file).shape == (64, 64, 3) for file in pictures)
