"""`--evaluate`: how faithful a world is to real clips, and how well it obeys, as one JSON file.

Every figure is at the world's own sampling settings. `n` counts clips, drawn evenly from the data set.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from genie_core.data.dataset import VideoDataset
from genie_core.errors import DataError
from genie_core.evaluation import metrics
from genie_core.evaluation.actions import code_histogram, mapping_accuracy, mutual_information
from genie_core.evaluation.rollout import rollout
from genie_core.layers.quantize import codebook_usage
from genie_core.world import World

HORIZON = 10
DELTA_STEP = 4
RANDOM_DRAWS = 3
CLIPS, QUICK_CLIPS, BATCH = 256, 32, 32

Arrays = dict[str, np.ndarray]


def evaluate(
    world: World, data: Path, json_path: Path | None, quick: bool = False, seed: int = 0, quiet: bool = False
) -> dict[str, Any]:
    """Measures `world` on clips of the data set `data` and writes what it found to `json_path`."""
    if json_path is not None and not json_path.parent.is_dir():
        raise DataError(f"cannot write {json_path}: there is no folder {json_path.parent}; make it first")
    dataset = VideoDataset(data)
    starts = dataset.clip_starts(HORIZON + 1)
    clips = min(QUICK_CLIPS if quick else CLIPS, len(starts))
    chosen = starts[np.linspace(0, len(starts) - 1, clips).astype(int)]
    parts = []
    for first in tqdm(range(0, len(chosen), BATCH), desc="evaluate", disable=quiet):
        parts.append(_measure(world, dataset, chosen[first : first + BATCH], seed + first))
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    report = _report(found, world, dataset) | {
        "clips": len(chosen),
        "settings": dataclasses.asdict(world.config.sampling) | {"seed": seed},
        "world": world.name,
        "data": dataset.info.name,
    }
    if json_path is not None:
        part = json_path.with_name(json_path.name + ".part")
        part.write_text(json.dumps(report, indent=2) + "\n")
        part.replace(json_path)
    return report


def _measure(world: World, dataset: VideoDataset, starts: np.ndarray, seed: int) -> Arrays:
    """Per-clip and per-frame figures of one batch of clips."""
    truth = np.stack([dataset.clip(int(start), HORIZON + 1) for start in starts])
    tokens = world.encode(torch.from_numpy(truth))
    rebuilt = world.decode(tokens).cpu().numpy()
    actions = world.infer_actions(torch.from_numpy(truth)).cpu().numpy()
    played = rollout(world, truth[:, 0], actions, seed)
    prompt = truth[:, :1]
    repeated = np.broadcast_to(prompt, truth.shape)[:, 1:]
    random_psnr = []
    for draw in range(RANDOM_DRAWS):
        random = np.random.default_rng((seed, draw)).integers(0, len(world.config.actions), actions.shape)
        random_psnr.append(metrics.psnr(truth[:, 1:], rollout(world, truth[:, 0], random, seed)[:, 1:]))
    true_actions = [dataset.true_actions(int(s), HORIZON + 1) for s in starts] if dataset.has_true_actions else []
    return {
        "tokens": tokens.cpu().numpy(),
        "tokenizer_psnr": metrics.psnr(truth, rebuilt),
        "tokenizer_ssim": metrics.ssim(truth, rebuilt),
        "actions": actions,
        "true_actions": np.array(true_actions).reshape(len(true_actions), HORIZON),
        "psnr": metrics.psnr(truth[:, 1:], played[:, 1:]),
        "ssim": metrics.ssim(truth[:, 1:], played[:, 1:]),
        "repeat_psnr": metrics.psnr(truth[:, 1:], repeated),
        "changed": metrics.changed_pixel_psnr(truth[:, 1:], played[:, 1:], prompt),
        "repeat_changed": metrics.changed_pixel_psnr(truth[:, 1:], repeated, prompt),
        "sharpness": metrics.sharpness(played[:, 1:]) / np.maximum(metrics.sharpness(truth[:, 1:]), 1e-9),
        "random_psnr": np.mean(random_psnr, axis=0),
    }


def _report(found: Arrays, world: World, dataset: VideoDataset) -> dict[str, Any]:
    def mean(values: np.ndarray) -> dict[str, Any]:
        return metrics.mean_ci95(clip_means(values))._asdict()

    tokenizer = world.config.tokenizer
    delta = found["psnr"] - found["random_psnr"]
    report: dict[str, Any] = {
        "tokenizer": {
            "psnr": mean(found["tokenizer_psnr"]),
            "ssim": mean(found["tokenizer_ssim"]),
            "codebook_usage": codebook_usage(
                torch.from_numpy(found["tokens"]), tokenizer.token_factors, tokenizer.factor_vocabulary
            ),
        },
        "latent_action": {"code_histogram": code_histogram(found["actions"])},
        "rollout": {
            "horizon": HORIZON,
            "psnr": mean(found["psnr"]),
            "ssim": mean(found["ssim"]),
            "psnr_by_step": [round(float(v), 3) for v in found["psnr"].mean(0)],
            "psnr_changed_pixels": mean(found["changed"]),
            "sharpness": mean(found["sharpness"][:, -1:]),
            "repeat_prompt": {"psnr": mean(found["repeat_psnr"]), "psnr_changed_pixels": mean(found["repeat_changed"])},
        },
        "delta_psnr": {
            "t": DELTA_STEP,
            "value": mean(delta[:, DELTA_STEP - 1 : DELTA_STEP]),
            "by_t": [round(float(v), 3) for v in delta.mean(0)],
        },
    }
    if dataset.has_true_actions:
        report["latent_action"] |= {
            "nmi": mutual_information(found["actions"], found["true_actions"]),
            "mapping_accuracy_200": mapping_accuracy(found["actions"], found["true_actions"]),
        }
    return report


def clip_means(values: np.ndarray) -> np.ndarray:
    """One value a clip from (clips, frames), which may hold NaN where a figure does not apply."""
    known = ~np.isnan(values)
    return np.where(known.any(1), np.where(known, values, 0).sum(1) / np.maximum(known.sum(1), 1), np.nan)
