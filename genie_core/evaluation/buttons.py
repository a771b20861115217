"""What the latent actions have to do with the buttons that were really pressed. Labels are used here and only here."""

from __future__ import annotations

import numpy as np
import torch

from genie_core.data.dataset import ask_each_set
from genie_core.evaluation.samples import Clips
from genie_core.world import World

# Procgen's fifteen actions; those without meaning in CoinRun do what no button does. Falling ignores "down".
BUTTONS = {0: "left", 1: "left", 2: "jump_left", 5: "jump", 6: "right", 7: "right", 8: "jump_right"}
LABELLED, DRAWS = 200, 20
ASKED_FRAMES = 16  # of a clip, whether its keys last


def keys_last(world: World, clips: Clips) -> torch.Tensor:
    """For each clip whether the player of its data set holds keys on, bool (n,)."""
    frames = torch.from_numpy(clips.frames[:, :ASKED_FRAMES])
    return torch.from_numpy(ask_each_set(clips.sets, lambda rows: world.keys_last(frames[rows])))


def buttons(true_actions: np.ndarray) -> np.ndarray:
    """Procgen's action ids to the distinct ones of CoinRun, as small integers of the same shape."""
    names = sorted({*BUTTONS.values(), "stay"})
    table = np.array([names.index(BUTTONS.get(action, "stay")) for action in range(15)])
    return table[true_actions]


def code_histogram(actions: np.ndarray, count: int = 8) -> list[float]:
    """Share of steps that each code was inferred for."""
    return [round(float(share), 4) for share in np.bincount(actions.ravel(), minlength=count) / actions.size]


def mutual_information(actions: np.ndarray, true_actions: np.ndarray) -> float:
    """Mutual information of codes and buttons, over the arithmetic mean of their entropies: 0 none, 1 the same."""
    joint = _joint(actions.ravel(), buttons(true_actions).ravel())
    joint = joint / joint.sum()
    rows, columns = joint.sum(1), joint.sum(0)
    known = joint > 0
    information = (joint[known] * np.log(joint[known] / np.outer(rows, columns)[known])).sum()
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in (rows, columns)]
    return float(2 * information / max(sum(entropies), 1e-9))


def mapping_accuracy(actions: np.ndarray, true_actions: np.ndarray) -> dict[str, float]:
    """Share of buttons told from codes by the majority of 200 labelled steps, and by always saying the commonest.
    `n` counts steps, `ci95` is over the draws.

    Mean over twenty draws of the labelled steps; of fewer than 400 steps half are labelled.
    Source: Genie (arXiv:2402.15391), App. E, its mapping alone.
    """
    codes, truth = actions.ravel(), buttons(true_actions).ravel()
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


def best_mapping(actions: np.ndarray, true_actions: np.ndarray, count: int = 8) -> list[str | None]:
    """For each of `count` codes the button pressed most where it is inferred, None for a code never inferred."""
    names = sorted({*BUTTONS.values(), "stay"})
    joint = _joint(actions.ravel(), buttons(true_actions).ravel(), count, len(names))
    return [names[int(row.argmax())] if row.any() else None for row in joint]


def _joint(rows: np.ndarray, columns: np.ndarray, height: int | None = None, width: int | None = None) -> np.ndarray:
    table = np.zeros((height or rows.max() + 1, width or columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return table
