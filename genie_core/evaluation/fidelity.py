"""How faithful a world is to real clips: tokenizer alone, teacher forcing, rollouts from one and four frames.

ΔPSNR, how much the actions matter to a rollout, is measured on the same clips.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from genie_core.data.scenes import Clips
from genie_core.evaluation import metrics
from genie_core.evaluation.buttons import best_mapping, code_histogram, mapping_accuracy, mutual_information
from genie_core.evaluation.distances import Filmstrips
from genie_core.figures import Samples, clip_means, curve, missing
from genie_core.games import Game
from genie_core.layers.quantize import codebook_usage
from genie_core.rollout import TOGETHER, rollout, teacher_forced
from genie_core.world import World

HORIZON = 10  # generated frames in a figure without a step, as in the published references
LONGEST = 64  # generated frames that curves go up to
FOUR = 4  # prompt frames
DELTA_STEP, DELTA_STEPS = 4, 16
RANDOM_DRAWS = range(3)
FILM = 16  # frames of the clips kept to look at, and for the FVD

Arrays = dict[str, np.ndarray]


def measure_fidelity(
    world: World, clips: Clips, game: Game, seed: int = 0, quiet: bool = False
) -> tuple[Samples, Filmstrips]:
    """All figures of `tokenizer`, `rollout`, `teacher_forced`, `delta_psnr` and `latent_action`."""
    parts: list[Arrays] = []
    strips: list[Filmstrips] = []
    bar = tqdm(total=len(clips), desc="fidelity", unit=" clips", disable=quiet)
    for first in range(0, len(clips), TOGETHER):
        batch = clips.part(slice(first, first + TOGETHER))
        part, strip = _measure_batch(world, batch, game, seed + first)
        parts.append(part)
        strips.append(strip)
        bar.update(len(batch))
    bar.close()
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    samples = _samples(found, world)
    samples.update(_about_buttons(found["actions"], clips.true_actions, game, len(world.config.actions)))
    return samples, Filmstrips(*(np.concatenate(rows) for rows in zip(*strips, strict=True)))


def _measure_batch(world: World, clips: Clips, game: Game, seed: int) -> tuple[Arrays, Filmstrips]:
    """Per-frame figures of clips played together, (b, t) each, NaN where the clip has ended."""
    truth, there = clips.frames, clips.there
    compare = partial(_compare, game)
    actions = world.infer_actions(torch.from_numpy(truth)).cpu().numpy()
    short, first = truth[:, : HORIZON + 1], truth[:, :1]
    tokens, seen = world.code(torch.from_numpy(short))
    played = rollout(world, truth[:, 0], actions, seed)
    still = np.broadcast_to(first, truth[:, 1:].shape)
    forced = teacher_forced(world, short, actions[:, :HORIZON], seed)
    result = {
        "actions": np.where(there[:, 1:], actions, -1),
        "tokens": tokens.cpu().numpy(),
        **compare("tokenizer", short, seen.cpu().numpy(), None, there[:, : HORIZON + 1]),
        **compare("rollout", truth[:, 1:], played[:, 1:], first, there[:, 1:]),
        **compare("rollout.repeat_prompt", truth[:, 1:], still, first, there[:, 1:]),
        **compare("teacher_forced", short[:, 1:], forced, short[:, :-1], there[:, 1 : HORIZON + 1]),
        **compare("teacher_forced.repeat_last", short[:, 1:], short[:, :-1], short[:, :-1], there[:, 1 : HORIZON + 1]),
    }
    if truth.shape[1] > FOUR:
        four = rollout(world, truth[:, :FOUR], actions, seed)[:, FOUR:]
        result |= compare("rollout.four_frames", truth[:, FOUR:], four, truth[:, FOUR - 1 : FOUR], there[:, FOUR:])
    shape = len(truth), min(DELTA_STEPS, truth.shape[1] - 1)
    drawn = (np.random.default_rng((seed, draw)).integers(0, len(world.config.actions), shape) for draw in RANDOM_DRAWS)
    randoms = [rollout(world, truth[:, 0], actions, seed) for actions in drawn]
    for key, values in _alone(truth, played, randoms, game).items():
        result[key] = np.where(there[:, 1 : 1 + values.shape[1]], values, np.nan)
    return result, Filmstrips(truth[:, :FILM], played[:, :FILM], randoms[0][:, :FILM])


def _alone(truth: np.ndarray, played: np.ndarray, randoms: list[np.ndarray], game: Game) -> Arrays:
    """Figures of generated frames that need no true frame beside them, and PSNR under random actions."""
    after = slice(1, randoms[0].shape[1])
    sharp = np.maximum(metrics.sharpness(truth[:, 1:]), 1e-9)
    random = np.mean([metrics.sharpness(frames[:, 1:]) for frames in randoms], axis=0)
    result = {
        "rollout.sharpness": metrics.sharpness(played[:, 1:]) / sharp,
        "random.psnr": np.mean([metrics.psnr(truth[:, after], frames[:, 1:]) for frames in randoms], axis=0),
        "random.sharpness": random / sharp[:, : random.shape[1]],
    }
    found = game.player_found(played[:, 1:])
    if found is not None:
        result["rollout.player"] = found.astype(float)
        result["random.player"] = np.mean([np.asarray(game.player_found(each[:, 1:])) for each in randoms], axis=0)
    return result


def _compare(
    game: Game, name: str, truth: np.ndarray, frames: np.ndarray, before: np.ndarray | None, there: np.ndarray
) -> Arrays:
    """PSNR, SSIM and PSNR around the player and, against the frames `before`, of changed pixels."""
    found = {"psnr": metrics.psnr(truth, frames), "ssim": metrics.ssim(truth, frames)}
    around = game.around_player(np.stack([truth, frames]))
    if around is not None:
        found["psnr_player"] = metrics.psnr(*around)
    if before is not None:
        found["psnr_changed_pixels"] = metrics.changed_pixel_psnr(truth, frames, before)
    return {f"{name}.{key}": np.where(there, values, np.nan) for key, values in found.items()}


def _samples(found: Arrays, world: World) -> Samples:
    """Means over the first HORIZON generated frames, one value a clip, and curves over all of them."""
    samples = Samples()
    for key, values in found.items():
        name, _, figure = key.rpartition(".")
        if not name or name == "random" or figure in ("sharpness", "player"):
            continue
        steps = HORIZON + 1 if name == "tokenizer" else HORIZON
        samples.values[key] = clip_means(values[:, :steps])
    last = min(HORIZON, found["rollout.psnr"].shape[1]) - 1
    samples.values["rollout.sharpness"] = found["rollout.sharpness"][:, last]
    delta = found["rollout.psnr"][:, : found["random.psnr"].shape[1]] - found["random.psnr"]
    samples.values["delta_psnr.value"] = delta[:, DELTA_STEP - 1]
    samples.values["delta_psnr.random_rollouts.sharpness"] = found["random.sharpness"][:, -1]
    samples.curves["delta_psnr.by_t"] = curve(delta)
    for name in ("rollout", "rollout.four_frames"):
        for figure in ("psnr", "ssim", "psnr_player"):
            if f"{name}.{figure}" in found:
                samples.curves[f"{name}.{figure}_by_step"] = curve(found[f"{name}.{figure}"])
    samples.curves["rollout.repeat_prompt.psnr_by_step"] = curve(found["rollout.repeat_prompt.psnr"])
    samples.curves["rollout.sharpness_by_step"] = curve(found["rollout.sharpness"])
    samples.facts["rollout.clips_by_step"] = (~np.isnan(found["rollout.psnr"])).sum(0).tolist()
    if "random.player" in found:
        samples.values["rollout.player_found"] = clip_means(found["rollout.player"][:, :HORIZON])
        samples.values["delta_psnr.random_rollouts.player_found"] = clip_means(found["random.player"])
    config = world.config.tokenizer
    usage = codebook_usage(torch.from_numpy(found["tokens"]), config.token_factors, config.factor_vocabulary)
    histogram = code_histogram(found["actions"][found["actions"] >= 0], len(world.config.actions))
    samples.facts |= {
        "rollout.horizon": HORIZON,
        "delta_psnr.t": DELTA_STEP,
        "delta_psnr.draws": len(RANDOM_DRAWS),
        "tokenizer.codebook_usage": usage,
        "latent_action.code_histogram": histogram,
        "latent_action.least_used": {"value": min(histogram), "n": int((found["actions"] >= 0).sum())},
    }
    return samples


def _about_buttons(actions: np.ndarray, true_actions: np.ndarray | None, game: Game, count: int) -> Samples:
    names = [f"latent_action.{name}" for name in ("nmi", "mapping_accuracy_200", "best_mapping")]
    if true_actions is None:
        return missing("the data set has no true actions", *names)
    known = (actions >= 0) & (true_actions >= 0)
    codes, pressed = actions[known], game.buttons(true_actions[known])
    accuracy, mapping = mapping_accuracy(codes, pressed), best_mapping(codes, pressed, count, game.button_names)
    return Samples(facts=dict(zip(names, (mutual_information(codes, pressed), accuracy, mapping), strict=True)))
