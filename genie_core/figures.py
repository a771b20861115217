"""The table of figures of an evaluation, and the values behind them. Report, model card and README derive from it.

This file knows neither networks nor games: a game brings its own figures and may give a general one its own label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


class Figure(NamedTuple):
    """How a figure is shown. `better` is "higher", "lower", "one" (nearer to 1) or "none".

    `card` is its key on the model card, if it stands there, and `metric` the Hub's name for its kind. `shown` puts it
    into the README. `published` are values of others, in the order of the game's `references`.
    """

    label: str
    better: str
    digits: int = 2
    card: str = ""
    metric: str = "accuracy"
    shown: bool = False
    published: tuple[str, ...] = ()


FIGURES: dict[str, Figure] = {
    "tokenizer.psnr": Figure("tokenizer PSNR, dB", "higher", 2, "tokenizer_psnr", "psnr", True),
    "tokenizer.ssim": Figure("tokenizer SSIM", "higher", 3, "tokenizer_ssim", "ssim", True),
    "rollout.psnr": Figure("10 frames from one, PSNR, dB", "higher", 2, "rollout_psnr", "psnr", True),
    "rollout.ssim": Figure("10 frames from one, SSIM", "higher", 3, "rollout_ssim", "ssim", True),
    "rollout.psnr_changed_pixels": Figure("10 frames from one, PSNR of changed pixels, dB", "higher", shown=True),
    "rollout.sharpness": Figure("gradient energy at frame 10, of the real frame's", "one"),
    "rollout.repeat_prompt.psnr": Figure("the picture shown again, PSNR, dB", "none"),
    "rollout.repeat_prompt.psnr_changed_pixels": Figure(
        "the picture shown again, PSNR of changed pixels, dB", "none", shown=True
    ),
    "rollout.four_frames.psnr": Figure("10 frames from four, PSNR, dB", "higher", shown=True),
    "rollout.four_frames.ssim": Figure("10 frames from four, SSIM", "higher", 3),
    "rollout.four_frames.psnr_changed_pixels": Figure("10 frames from four, PSNR of changed pixels, dB", "higher"),
    "teacher_forced.psnr": Figure("next frame from true ones, PSNR, dB", "higher", shown=True),
    "teacher_forced.ssim": Figure("next frame from true ones, SSIM", "higher", 3),
    "teacher_forced.psnr_changed_pixels": Figure("next frame from true ones, PSNR of changed pixels, dB", "higher"),
    "teacher_forced.repeat_last.psnr": Figure("the last frame shown again, PSNR, dB", "none"),
    "fvd": Figure("FVD, 16 frames", "lower", 1, "fvd", "fvd", True),
    "fvd.between_real": Figure("FVD between real clips and other real clips", "none", 1, shown=True),
    "fvd.kernel_distance": Figure("KVD, 16 frames", "lower", 2),
    "delta_psnr.value": Figure("ΔPSNR at frame 4, dB", "higher", 2, "delta_psnr_4", "delta_psnr", True),
    "delta_psnr.random_rollouts.sharpness": Figure("its random rollouts: gradient energy at frame 16", "one"),
    "latent_action.least_used": Figure("share of steps with the least used code", "higher", 3),
    "latent_action.code_gain_db": Figure("gain of the next frame by its code, dB", "higher"),
    "latent_action.scene_cut_gain_db": Figure("the same across a cut to another episode, dB", "lower"),
    "control.found_again.value": Figure(
        "asked actions that its own model finds again, share", "higher", 3, "found_again", shown=True
    ),
    "control.effects.clear_pairs": Figure(
        "pairs of actions whose effects differ by more than their spread", "higher", 3
    ),
    "control.opposite_actions": Figure(
        "two opposite actions go opposite ways, share of scenes", "higher", 3, "opposite_actions", shown=True
    ),
    "drift.return_psnr.20": Figure("20 steps one way and 20 back, PSNR against the frame left, dB", "higher", 2),
    "drift.frozen": Figure("frozen at the end of random play", "lower", 3),
    "drift.melted": Figure("melted at the end of random play", "lower", 3),
    "drift.exploded": Figure("exploded at the end of random play", "lower", 3),
}


def table_of(*own: Mapping[str, Figure]) -> dict[str, Figure]:
    """FIGURES with the `own` figures of games, which win, each in the section that its first name tells."""
    table = dict(FIGURES)
    for figures in own:
        table |= figures
    sections = list(dict.fromkeys(name.split(".")[0] for name in table))
    return {name: table[name] for section in sections for name in table if name.split(".")[0] == section}


@dataclass
class Samples:
    """The values of a measurement by the dotted names of figures.

    `values` are (n,), one a clip, scene or rollout, NaN where a figure does not apply; `shares` names those of them
    that are 1 or 0. `curves` are lists over steps, `facts` everything else. `missing` says why a figure was left out.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    shares: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)

    def update(self, other: Samples) -> None:
        for name, mine in vars(self).items():
            mine.update(getattr(other, name))


def shares(values: dict[str, np.ndarray]) -> Samples:
    """Samples of shares, bool (n,), or 1, 0 and NaN."""
    return Samples({name: each.astype(float) for name, each in values.items()}, shares=set(values))


def missing(reason: str, *names: str) -> Samples:
    """Samples without the figures `names`, for `reason`."""
    return Samples(missing=dict.fromkeys(names, reason))


def clip_means(values: np.ndarray) -> np.ndarray:
    """One value a clip from (clips, frames), which may hold NaN where a figure does not apply."""
    known = ~np.isnan(values)
    return np.where(known.any(1), np.where(known, values, 0).sum(1) / np.maximum(known.sum(1), 1), np.nan)


def curve(values: np.ndarray) -> list[float | None]:
    """Mean over clips at each step of (clips, steps), None where no clip goes so far."""
    means = clip_means(values.T)
    return [None if np.isnan(mean) else round(float(mean), 4) for mean in means]


def at(report: dict[str, Any], name: str) -> Any:
    """The entry at the dotted place `name` of an evaluation, None if there is none."""
    value: Any = report
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Dotted names to objects within objects."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split(".")
        branch = tree
        for key in parents:
            branch = branch.setdefault(key, {})
        branch[last] = value
    return tree


def told(mean: dict[str, Any] | None, digits: int) -> str:
    """A mean of an evaluation as text: `23.22 ± 0.70`, or a dash without a value."""
    value = None if mean is None else mean.get("mean", mean.get("value"))
    if value is None or mean is None:
        return "–"
    ci95 = mean.get("ci95")
    return f"{value:.{digits}f}" + (f" ± {ci95:.{digits}f}" if ci95 is not None else "")
