"""What button of the real game each latent action stands for, told from a few steps whose buttons are known.

Source: Genie (arXiv:2402.15391), App. E, which maps codes by 200 labelled steps. Differs: a code stands for the button
during the largest share of whose steps it is inferred, not the largest number, or all would stand for the commonest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genie_core.games.base import Labelled
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

LABELLED = 200  # steps
FEW = 10  # steps of a button that say little about it: its shares are shrunk as if it had so many more


def button_map(world: World | GraphWorld, recordings: Sequence[Labelled], rest: int) -> list[int]:
    """For each latent action of `world` the button that it stands for; `rest` where it is never inferred.

    `recordings` are of the real game, at the world's frame size and frame rate.
    """
    count = len(world.config.actions)
    inferred = [world.actions_between(frames) for frames, _ in recordings]
    codes = np.array([code for part in inferred for code in part])
    held = np.concatenate([buttons for _, buttons in recordings])
    buttons, places = np.unique(held, return_inverse=True)
    table = np.zeros((count, len(buttons)))
    np.add.at(table, (codes, places), 1)
    shares = table / (table.sum(0) + FEW)
    return [int(buttons[row.argmax()]) if row.any() else rest for row in shares]
