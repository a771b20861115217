"""How the latent actions relate to the buttons that were really pressed. Labels are used here, and by `--labels`.

Buttons are small ints, equal where the true actions have the same effect, as the game tells it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LABELLED, DRAWS = 200, 20


def code_histogram(actions: np.ndarray, count: int) -> list[float]:
    """Share of steps that each code was inferred for."""
    return [round(float(share), 4) for share in np.bincount(actions.ravel(), minlength=count) / actions.size]


def mutual_information(actions: np.ndarray, buttons: np.ndarray) -> float:
    """Mutual information of codes and buttons, over the arithmetic mean of their entropies: 0 none, 1 the same."""
    joint = _joint(actions.ravel(), buttons.ravel())
    joint = joint / joint.sum()
    rows, columns = joint.sum(1), joint.sum(0)
    known = joint > 0
    information = (joint[known] * np.log(joint[known] / np.outer(rows, columns)[known])).sum()
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in (rows, columns)]
    return float(2 * information / max(sum(entropies), 1e-9))


def mapping_accuracy(actions: np.ndarray, buttons: np.ndarray) -> dict[str, float]:
    """Share of buttons told from codes by the majority of 200 labelled steps, and by always saying the commonest.
    `n` counts steps, `ci95` is over the draws.

    Mean over twenty draws of the labelled steps; of fewer than 400 steps half are labelled.
    Source: Genie (arXiv:2402.15391), App. E, its mapping alone.
    """
    codes, truth = actions.ravel(), buttons.ravel()
    scores = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(len(codes))
        few = min(LABELLED, len(codes) // 2)
        labelled, rest = order[:few], order[few:]
        mapping = _joint(codes[labelled], truth[labelled], codes.max() + 1, truth.max() + 1).argmax(1)
        scores.append((mapping[codes[rest]] == truth[rest]).mean())
    return {
        "accuracy": float(np.mean(scores)),
        "ci95": float(1.96 * np.std(scores, ddof=1)),
        "n": len(codes),
        "commonest": float(np.bincount(truth).max() / len(truth)),
    }


def best_mapping(actions: np.ndarray, buttons: np.ndarray, count: int, names: Sequence[str]) -> list[str | None]:
    """For each of `count` codes the button pressed most where it is inferred, None for a code never inferred.

    A button that `names` does not reach is told as its number.
    """
    joint = _joint(actions.ravel(), buttons.ravel(), count)
    most = [int(row.argmax()) if row.any() else None for row in joint]
    return [None if button is None else (*names, *map(str, range(len(names), button + 1)))[button] for button in most]


def _joint(rows: np.ndarray, columns: np.ndarray, height: int | None = None, width: int | None = None) -> np.ndarray:
    table = np.zeros((height or rows.max() + 1, width or columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return table
