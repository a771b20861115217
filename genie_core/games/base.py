"""What a game may tell of itself. `Game` itself is any video: it tells nothing, and every caller can do without.

A wing is a folder beside this file with a class `GAME` in its `__init__`, which must be cheap to import: what needs
torch is imported inside its methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from genie_core.config import Action, LatentActionConfig, unnamed_actions
from genie_core.data.scenes import Clips, candidates
from genie_core.errors import ConfigError
from genie_core.figures import Figure, Samples
from genie_core.games.directions import WAYS, ActionMotions, name_by_motion
from genie_core.limits import require

if TYPE_CHECKING:
    from genie_core.data.dataset import VideoDataset
    from genie_core.models.latent_action import LatentActionModel

Play = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Prompts uint8 (b, H, W, 3) and actions int (b, t) to frames uint8 (b, t+1, H, W, 3), as a world's rollout does."""

LOOKS = (200, 500)  # steps of long play after which a world is looked at


class Subject(NamedTuple):
    """A world as the tests of a game see it: its actions, what it plays, and `infer`, which maps uint8 clips
    (b, t, H, W, 3) to the action between each two frames, int (b, t-1). An action is held for `hold` steps to see what
    it does."""

    actions: tuple[Action, ...]
    play: Play
    infer: Callable[[np.ndarray], np.ndarray]
    hold: int = 8

    def action_id(self, name: str | None) -> int | None:
        """The action called `name`, None if the world has none."""
        return next((action.id for action in self.actions if action.name == name), None)


class Labelled(NamedTuple):
    """A recording of the real game: `frames` uint8 (t, H, W, 3), and the true `actions` int (t-1,) between them."""

    frames: np.ndarray
    actions: np.ndarray


class RealGame(Protocol):
    """A game itself, to be played beside a world of it: the same `begin` and the same steps give the same frames.

    `rest` is the true action that does nothing.
    """

    name: str
    rest: int

    def begin(self) -> np.ndarray:
        """Starts anew; the first frame, uint8 (H, W, 3)."""
        ...

    def step(self, action: int) -> np.ndarray | None:
        """The next frame under a true action, uint8 (H, W, 3); None where the game ends."""
        ...

    def labelled(self, steps: int) -> list[Labelled]:
        """Recordings of `steps` steps in all, that tell what the true actions look like."""
        ...


class Game:
    """Any video: nothing is known. A wing overrides what its game can tell."""

    name = "unknown"
    settings = Path(__file__).with_name("unknown.toml")  # of training, that suit its recordings
    collect_options: Mapping[str, dict[str, Any]] = {}
    """Flags of `--collect NAME` of its own, as keyword arguments of argparse's add_argument."""
    figures: Mapping[str, Figure] = {}
    """Figures that only this game has, and its labels for general ones, by their dotted place in an evaluation."""
    references: tuple[str, ...] = ()  # heads of the columns that `Figure.published` fills
    sources = ""  # where published values come from, in sentences
    button_names: tuple[str, ...] = ()  # of the distinct buttons that `buttons` gives
    opposite: tuple[str, str] | None = None
    """Names of two actions, the first of which moves the player to the left, the other to the right. Needs `motion`."""
    still: str | None = None  # name of the action that does nothing

    def collect(
        self, out: Path, frames: int, seed: int, policy: str | None, options: dict[str, Any], quiet: bool
    ) -> None:
        """Records a data set into `out`. Only a game that overrides this can be recorded."""
        raise NotImplementedError(f"{self.name} cannot be recorded")

    def open_real(self, seed: int, source: Mapping[str, Any]) -> RealGame:
        """The game itself, at a start of number `seed`; `source` describes what a world learnt from.

        Raises ConfigError for a game that cannot be played here, MissingExtraError without its recorder.
        """
        raise ConfigError(
            f"the game {self.name!r} of this world cannot be played here, only the world; leave --beside-real out"
        )

    def start_pictures(self, source: Mapping[str, Any]) -> str | None:
        """A pattern of the pictures that ship, within their folder, to start a world from that learnt from `source`;
        None: those named after the game."""
        return None

    @property
    def records(self) -> bool:
        """Whether `collect` works."""
        return type(self).collect is not Game.collect

    def latent_action_model(self, config: LatentActionConfig) -> LatentActionModel:
        """The network for `config`, whose `rules` name this game, or none; ConfigError for rules without a wing."""
        from genie_core.models.foretelling import ForetellingModel
        from genie_core.models.latent_action import LatentActionModel

        require(config.rules is None, f"this program does not know the rules of {config.rules and config.rules.game!r}")
        return LatentActionModel(config) if config.horizon is None else ForetellingModel(config)

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

    def name_actions(self, motions: ActionMotions | None, count: int) -> tuple[Action, ...]:
        """Names, keys and evidence of `count` codes from what each does; None where nobody looked.

        Any video has directions only; a game may have words of its own.
        """
        return unnamed_actions(count) if motions is None else name_by_motion(motions, WAYS)

    @property
    def tells_motion(self) -> bool:
        """Whether `motion` works."""
        return type(self).motion is not Game.motion

    def open_scenes(self, dataset: VideoDataset, count: int) -> np.ndarray:
        """Up to `count` frames, uint8 (n, H, W, 3), in which the player can go either way."""
        return candidates(dataset, 1, count)[:count, 0]

    def control(self, subject: Subject, dataset: VideoDataset, clips: Clips, scenes: np.ndarray, count: int) -> Samples:
        """Further figures of `control`: from `scenes` of `open_scenes`, and up to `count` scenes of each other kind."""
        return Samples()

    def drift(self, policy: str, frames: np.ndarray, answers: Mapping[int, np.ndarray]) -> Samples:
        """Further figures of `drift`, of long playthroughs' uint8 frames (n, steps+1, H, W, 3) under `policy`.

        `answers` says by step which playthroughs still answer, (n,): 1, 0, or NaN where that is unknown.
        """
        return Samples()
