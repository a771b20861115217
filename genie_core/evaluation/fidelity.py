"""How faithful a world is to real clips: the tokenizer alone, one true step, and rollouts from one and four frames.

Also how much the actions matter to a rollout, ΔPSNR, which is measured on the same clips.
"""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from genie_core.evaluation import metrics
from genie_core.evaluation.buttons import best_mapping, code_histogram, keys_last, mapping_accuracy, mutual_information
from genie_core.evaluation.distances import Filmstrips
from genie_core.evaluation.samples import Clips, Samples
from genie_core.games.coinrun.detector import middle, player_found
from genie_core.layers.quantize import codebook_usage
from genie_core.rollout import TOGETHER, rollout, teacher_forced
from genie_core.world import World

HORIZON = 10  # generated frames in a figure without a step, as in the published references
LONGEST = 64  # generated frames that curves go up to
FOUR = 4  # prompt frames
DELTA_STEP, DELTA_STEPS = 4, 16
RANDOM_DRAWS = 3
FILM = 16  # frames of the clips kept to look at, and for the FVD
AROUND_PLAYER = 24  # pixels, the side of the square around the player

Arrays = dict[str, np.ndarray]


def measure_fidelity(
    world: World, clips: Clips, seed: int, has_player: bool, quiet: bool
) -> tuple[Samples, Filmstrips]:
    """All figures of `tokenizer`, `rollout`, `teacher_forced`, `delta_psnr` and `latent_action`.

    `has_player` says that the clips are of CoinRun, whose player can be looked for.
    """
    parts: list[Arrays] = []
    strips: list[Filmstrips] = []
    last = keys_last(world, clips)
    bar = tqdm(total=len(clips), desc="fidelity", unit=" clips", disable=quiet)
    for first in range(0, len(clips), TOGETHER):
        batch = clips.part(slice(first, first + TOGETHER))
        part, strip = _measure_batch(world, batch, last[first : first + TOGETHER], seed + first, has_player)
        parts.append(part)
        strips.append(strip)
        bar.update(len(batch))
    bar.close()
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    samples = _samples(found, world)
    samples.facts["latent_action.keys_last"] = float(last.float().mean())
    if clips.true_actions is not None:
        samples.facts |= _about_buttons(found["actions"], clips.true_actions, len(world.config.actions))
    return samples, Filmstrips(*(np.concatenate(rows) for rows in zip(*strips, strict=True)))


def _measure_batch(
    world: World, clips: Clips, last: torch.Tensor, seed: int, has_player: bool
) -> tuple[Arrays, Filmstrips]:
    """Per-frame figures of clips played together, (b, t) each, NaN where the clip has ended."""
    truth, there = clips.frames, clips.there
    actions = world.infer_actions(torch.from_numpy(truth), last).cpu().numpy()
    short = truth[:, : HORIZON + 1]
    tokens = world.encode(torch.from_numpy(short))
    played = rollout(world, truth[:, 0], actions, seed)
    result = {
        "actions": np.where(there[:, 1:], actions, -1),
        "tokens": tokens.cpu().numpy(),
        **_compare("tokenizer", short, world.decode(tokens).cpu().numpy(), None, there[:, : HORIZON + 1]),
        **_compare("rollout", truth[:, 1:], played[:, 1:], truth[:, :1], there[:, 1:]),
        **_compare(
            "repeat", truth[:, 1:], np.broadcast_to(truth[:, :1], truth[:, 1:].shape), truth[:, :1], there[:, 1:]
        ),
    }
    forced = teacher_forced(world, short, actions[:, :HORIZON], seed)
    result |= _compare("teacher_forced", short[:, 1:], forced, short[:, :-1], there[:, 1 : HORIZON + 1])
    result |= _compare("repeat_last", short[:, 1:], short[:, :-1], short[:, :-1], there[:, 1 : HORIZON + 1])
    if truth.shape[1] > FOUR:
        four = rollout(world, truth[:, :FOUR], actions, seed)[:, FOUR:]
        result |= _compare("four_frames", truth[:, FOUR:], four, truth[:, FOUR - 1 : FOUR], there[:, FOUR:])
    result["rollout.sharpness"] = metrics.sharpness(played[:, 1:]) / np.maximum(metrics.sharpness(truth[:, 1:]), 1e-9)
    randoms = [_play_random(world, truth[:, 0], (seed, draw), truth.shape[1] - 1) for draw in range(RANDOM_DRAWS)]
    after = slice(1, randoms[0].shape[1])
    result["random.psnr"] = np.mean([metrics.psnr(truth[:, after], random[:, 1:]) for random in randoms], axis=0)
    sharp = np.mean([metrics.sharpness(random[:, 1:]) for random in randoms], axis=0)
    result["random.sharpness"] = sharp / np.maximum(metrics.sharpness(truth[:, after]), 1e-9)
    if has_player:
        result["random.player"] = np.mean([player_found(random[:, 1:]) for random in randoms], axis=0)
        result["rollout.player"] = player_found(played[:, 1:]).astype(float)
    for key, values in result.items():
        if key.startswith(("random.", "rollout.")):
            result[key] = np.where(there[:, 1 : 1 + values.shape[1]], values, np.nan)
    return result, Filmstrips(truth[:, :FILM], played[:, :FILM], randoms[0][:, :FILM])


def _play_random(world: World, prompts: np.ndarray, seed: tuple[int, int], most: int) -> np.ndarray:
    steps = min(DELTA_STEPS, most)
    actions = np.random.default_rng(seed).integers(0, len(world.config.actions), (len(prompts), steps))
    return rollout(world, prompts, actions, seed[0])


def _compare(name: str, truth: np.ndarray, frames: np.ndarray, before: np.ndarray | None, there: np.ndarray) -> Arrays:
    """PSNR, SSIM and PSNR around the player and, against the frames `before`, of changed pixels."""
    found = {
        "psnr": metrics.psnr(truth, frames),
        "ssim": metrics.ssim(truth, frames),
        "psnr_player": metrics.psnr(middle(truth, AROUND_PLAYER), middle(frames, AROUND_PLAYER)),
    }
    if before is not None:
        found["psnr_changed_pixels"] = metrics.changed_pixel_psnr(truth, frames, before)
    return {f"{name}.{key}": np.where(there, values, np.nan) for key, values in found.items()}


def _samples(found: Arrays, world: World) -> Samples:
    """Means over the first HORIZON generated frames, one value a clip, and curves over all of them."""
    samples = Samples()
    kinds = {
        "repeat": "rollout.repeat_prompt",
        "repeat_last": "teacher_forced.repeat_last",
        "four_frames": "rollout.four_frames",
    }
    for key, values in found.items():
        name, _, figure = key.partition(".")
        if not figure or name == "random" or figure in ("sharpness", "player"):
            continue
        steps = HORIZON + 1 if name == "tokenizer" else HORIZON
        samples.values[f"{kinds.get(name, name)}.{figure}"] = clip_means(values[:, :steps])
    last = min(HORIZON, found["rollout.psnr"].shape[1]) - 1
    samples.values["rollout.sharpness"] = found["rollout.sharpness"][:, last]
    delta = found["rollout.psnr"][:, : found["random.psnr"].shape[1]] - found["random.psnr"]
    samples.values["delta_psnr.value"] = delta[:, DELTA_STEP - 1]
    samples.values["delta_psnr.random_rollouts.sharpness"] = found["random.sharpness"][:, -1]
    samples.curves["delta_psnr.by_t"] = curve(delta)
    for name in ("rollout", "four_frames"):
        for figure in ("psnr", "ssim", "psnr_player"):
            if f"{name}.{figure}" in found:
                samples.curves[f"{kinds.get(name, name)}.{figure}_by_step"] = curve(found[f"{name}.{figure}"])
    samples.curves["rollout.repeat_prompt.psnr_by_step"] = curve(found["repeat.psnr"])
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
        "delta_psnr.draws": RANDOM_DRAWS,
        "tokenizer.codebook_usage": usage,
        "latent_action.code_histogram": histogram,
    }
    return samples


def _about_buttons(actions: np.ndarray, true_actions: np.ndarray, count: int) -> dict[str, object]:
    known = (actions >= 0) & (true_actions >= 0)
    codes, truth = actions[known], true_actions[known]
    return {
        "latent_action.nmi": mutual_information(codes, truth),
        "latent_action.mapping_accuracy_200": mapping_accuracy(codes, truth),
        "latent_action.best_mapping": best_mapping(codes, truth, count),
    }


def clip_means(values: np.ndarray) -> np.ndarray:
    """One value a clip from (clips, frames), which may hold NaN where a figure does not apply."""
    known = ~np.isnan(values)
    return np.where(known.any(1), np.where(known, values, 0).sum(1) / np.maximum(known.sum(1), 1), np.nan)


def curve(values: np.ndarray) -> list[float | None]:
    """Mean over clips at each step of (clips, steps), None where no clip goes so far."""
    means = clip_means(values.T)
    return [None if np.isnan(mean) else round(float(mean), 4) for mean in means]
