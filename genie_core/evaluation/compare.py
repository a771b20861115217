"""`--compare`: two worlds on the same clips and scenes, and which is better on what."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from genie_core.evaluation import metrics
from genie_core.evaluation.measure import Evaluation, write_json
from genie_core.evaluation.report import STYLE, game_of, html_table
from genie_core.figures import Figure, at, table_of
from genie_core.files import write_whole

PAGE = "comparison.html"


def compare(first: Evaluation, second: Evaluation) -> dict[str, Any]:
    """Of each figure that both were measured on: both means, the mean difference of pairs, its interval, the better.

    `better` names a world where the interval leaves out no difference at all, else None.
    """
    names = [evaluation.report["world"] for evaluation in (first, second)]
    if names[0] == names[1]:
        names = [f"{names[0]} (1)", f"{names[1]} (2)"]
    table = table_of(*(game_of(evaluation.report).figures for evaluation in (first, second)))
    shared = [name for name in table if name in first.samples.values and name in second.samples.values]
    rows = {name: _difference(name, table[name], names, first, second) for name in shared}
    return {
        "worlds": names,
        "data": first.report["data"],
        "settings": [first.report["settings"], second.report["settings"]],
        "fvd": [at(first.report, "fvd"), at(second.report, "fvd")],
        "differences": {name: row for name, row in rows.items() if row["n"]},
    }


def _difference(name: str, figure: Figure, names: list[str], first: Evaluation, second: Evaluation) -> dict[str, Any]:
    one, other = (evaluation.samples.values[name] for evaluation in (first, second))
    both = ~(np.isnan(one) | np.isnan(other))
    one, other = one[both], other[both]
    worth_one, worth_other = (_worth(values, figure.better) for values in (one, other))
    interval = metrics.share_difference_ci95 if name in first.samples.shares else metrics.mean_ci95
    gain = interval(worth_other - worth_one)
    certain = gain.mean is not None and gain.ci95 is not None and abs(gain.mean) > gain.ci95
    better = names[int(gain.mean > 0)] if certain and gain.mean is not None and figure.better != "none" else None
    difference = interval(other - one)
    means = (metrics.mean_ci95(values).mean for values in (one, other))
    return dict(zip(("first", "second"), means, strict=True)) | {
        "label": figure.label,
        "digits": figure.digits,
        "difference": difference.mean,
        "ci95": difference.ci95,
        "n": difference.n,
        "better": better,
    }


def _worth(values: np.ndarray, better: str) -> np.ndarray:
    """Values turned so that more is better."""
    if better == "one":
        return -np.abs(values - 1)
    return -values if better == "lower" else values


def write_comparison(folder: Path, comparison: dict[str, Any]) -> None:
    """Writes comparison.html and comparison.json into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    table = html_table(["figure", *comparison["worlds"], "difference", "n", "better"], *rows(comparison))
    title = escape(" and ".join(comparison["worlds"]))
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
        f"<h1>{title} on {escape(comparison['data'])}</h1><p>The same clips, scenes and seeds for both; differences "
        f"are means over pairs with 95 % confidence intervals.</p>{table}</html>\n"
    )
    write_whole(folder / PAGE, page)
    write_json(folder / "comparison.json", comparison)


def rows(comparison: dict[str, Any]) -> list[list[str]]:
    """The label of each figure, both means, the difference, the number of pairs and the better world, as text."""
    told = []
    for row in comparison["differences"].values():
        digits = row["digits"]
        interval = "" if row["ci95"] is None else f" ± {row['ci95']:.{digits}f}"
        told.append(
            [
                row["label"],
                *(f"{row[key]:.{digits}f}" for key in ("first", "second")),
                f"{row['difference']:+.{digits}f}{interval}",
                str(row["n"]),
                row["better"] or "–",
            ]
        )
    return told
