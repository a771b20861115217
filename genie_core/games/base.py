"""What a game may tell of itself. `Game` itself is any video: it tells nothing, and every caller can do without.

A wing is a folder beside this file with a class `GAME` in its `__init__`, which must be cheap to import: what needs
torch is imported inside its methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genie_core.config import Action, LatentActionConfig, unnamed_actions

if TYPE_CHECKING:
    from genie_core.models.latent_action import LatentActionModel

Play = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Prompts uint8 (b, H, W, 3) and actions int (b, t) to frames uint8 (b, t+1, H, W, 3), as a world's rollout does."""


class Figure(NamedTuple):
    """How a figure of an evaluation is shown. `better` is "higher", "lower", "one" (nearer to 1) or "none"."""

    label: str
    better: str
    digits: int = 2


class Game:
    """Any video: nothing is known. A wing overrides what its game can tell."""

    name = "unknown"
    settings = Path(__file__).with_name("unknown.toml")
    """Training settings that suit its recordings."""
    collect_options: Mapping[str, dict[str, Any]] = {}
    """Flags of `--collect NAME` of its own, as keyword arguments of argparse's add_argument."""
    figures: Mapping[str, Figure] = {}
    """Figures that only this game has, by their dotted place in an evaluation."""
    button_names: tuple[str, ...] = ()
    """Names of the distinct buttons that `buttons` gives."""

    def collect(
        self, out: Path, frames: int, seed: int, policy: str | None, options: dict[str, Any], quiet: bool
    ) -> None:
        """Records a data set into `out`. Only a game that overrides this can be recorded."""
        raise NotImplementedError(f"{self.name} cannot be recorded")

    @property
    def records(self) -> bool:
        """Whether `collect` works."""
        return type(self).collect is not Game.collect

    def latent_action_model(self, config: LatentActionConfig) -> LatentActionModel:
        """The network for `config`, whose `rules` name this game, or none."""
        from genie_core.models.latent_action import LatentActionModel

        return LatentActionModel(config)

    def buttons(self, true_actions: np.ndarray) -> np.ndarray:
        """True actions, int of any shape, to the buttons that differ in effect: small ints of the same shape."""
        return true_actions

    def motion(self, frames: np.ndarray) -> np.ndarray | None:
        """The player's motion between frames uint8 (..., t, H, W, 3): (..., t-1, 2) pixels, x right, y down."""
        return None

    def player_found(self, frames: np.ndarray) -> np.ndarray | None:
        """Whether each of frames uint8 (..., H, W, 3) shows the player: bool (...)."""
        return None

    def around_player(self, frames: np.ndarray) -> np.ndarray | None:
        """The part of frames uint8 (..., H, W, 3) around the player: (..., h, w, 3)."""
        return None

    def name_actions(self, motions: np.ndarray | None, count: int) -> tuple[Action, ...]:
        """Names and keys of `count` codes from the typical motion (codes, 2) of each, None where no motion is told."""
        return unnamed_actions(count)
