"""CoinRun, a platform game: the camera keeps the player in the middle, so that the scenery moves against the player."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genie_core.config import Action, LatentActionConfig
from genie_core.figures import Samples
from genie_core.games.base import Game, RealGame, Subject
from genie_core.games.coinrun import camera, names
from genie_core.games.coinrun.figures import FIGURES, REFERENCES, SOURCES
from genie_core.games.directions import ActionMotions

if TYPE_CHECKING:
    from genie_core.data.dataset import VideoDataset
    from genie_core.data.scenes import Clips
    from genie_core.models.latent_action import LatentActionModel


class GAME(Game):
    """CoinRun. Each part is in a file of its own beside this one."""

    name = "coinrun"
    settings = Path(__file__).with_name("easy.toml")
    collect_options: Mapping[str, dict[str, Any]] = {
        "--levels": {
            "type": names.level_range,
            "default": (0, 10_000),
            "metavar": "A:B",
            "help": "levels A to B - 1 (default 0:10000)",
        },
        "--mode": {"choices": ["easy", "hard"], "default": "easy", "help": "difficulty of the levels (default easy)"},
    }
    figures = FIGURES
    references = REFERENCES
    sources = SOURCES
    button_names = names.BUTTON_NAMES
    opposite = ("left", "right")
    still = "stay"

    def collect(
        self, out: Path, frames: int, seed: int, policy: str | None, options: dict[str, Any], quiet: bool
    ) -> None:
        from genie_core.games.coinrun.record import record_coinrun

        record_coinrun(out, frames, seed=seed, policy=policy or "explore", progress=not quiet, **options)

    def start_pictures(self, source: Mapping[str, Any]) -> str | None:
        sets = source.get("sets")
        hard = isinstance(sets, list) and any(isinstance(one, dict) and one.get("mode") == "hard" for one in sets)
        return "starts/hard-level-*[02468].png" if hard else None  # six of twelve, all of them different

    def open_real(self, seed: int, source: Mapping[str, Any]) -> RealGame:
        from genie_core.games.coinrun.real import RealCoinRun

        return RealCoinRun(seed, source)

    def latent_action_model(self, config: LatentActionConfig) -> LatentActionModel:
        from genie_core.games.coinrun.rules import KeyModel

        return KeyModel(config) if config.rules is not None else super().latent_action_model(config)

    def buttons(self, true_actions: np.ndarray) -> np.ndarray:
        return names.buttons(true_actions)

    def motion(self, frames: np.ndarray) -> np.ndarray:
        return camera.player_motion(frames)

    def player_found(self, frames: np.ndarray) -> np.ndarray | None:
        from genie_core.games.coinrun import detector

        return detector.player_found(frames) if frames.shape[-3:-1] == detector.FRAME else None

    def around_player(self, frames: np.ndarray) -> np.ndarray:
        return camera.around_player(frames)

    def name_actions(self, motions: ActionMotions | None, count: int) -> tuple[Action, ...]:
        return super().name_actions(None, count) if motions is None else names.name_actions(motions)

    def open_scenes(self, dataset: VideoDataset, count: int) -> np.ndarray:
        from genie_core.games.coinrun.scenes import free_scenes

        return free_scenes(dataset, count)

    def control(self, subject: Subject, dataset: VideoDataset, clips: Clips, scenes: np.ndarray, count: int) -> Samples:
        from genie_core.games.coinrun.physics import measure_physics

        return measure_physics(subject, dataset, clips, scenes, count)

    def drift(self, policy: str, frames: np.ndarray, answers: Mapping[int, np.ndarray]) -> Samples:
        from genie_core.games.coinrun.survival import measure_survival

        return measure_survival(policy, frames, self.player_found(frames), answers)
