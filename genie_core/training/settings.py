"""What one TOML file says of a training run: the three networks and how long and how fast each learns."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genie_core.config import (
    DynamicsConfig,
    LatentActionConfig,
    SamplingConfig,
    TokenizerConfig,
    WorldConfig,
    build,
    require,
)
from genie_core.errors import ConfigError

STAGES = ("tokenizer", "latent_action", "dynamics")
DEFAULT_FILE = Path(__file__).parents[1] / "games" / "coinrun" / "easy.toml"


@dataclass(frozen=True)
class StageSettings:
    """Length and pace of one stage. `minutes` counts training alone, over all resumed runs.

    For the tokenizer alone: `texture` weighs pictures that are as sharp as the real ones against pixels that are near
    theirs, and with `decoder_only` tokens stay what they are, so that a dynamics which has learnt them stays valid.
    """

    minutes: float = 30
    batch_size: int = 16
    clip_frames: int = 4
    learning_rate: float = 1.5e-3
    muon_learning_rate: float = 0.02
    decay: float = 0.5  # the share of the minutes, at the end, over which the rates fall to zero
    texture: float = 0.0
    decoder_only: bool = False
    start_from: str | None = (
        None  # the world, a folder or OWNER/NAME, whose network of this stage, or a smaller one, learns on
    )

    def __post_init__(self) -> None:
        require(self.minutes > 0, f"minutes {self.minutes} is not positive")
        require(self.batch_size > 0 and self.clip_frames > 0, "batch_size and clip_frames must be positive")
        require(0 <= self.decay <= 1, f"decay {self.decay} is outside 0..1")
        require(self.texture >= 0, f"texture {self.texture} is negative")
        for name in ("learning_rate", "muon_learning_rate"):
            require(getattr(self, name) > 0, f"{name} {getattr(self, name)} is not positive")


@dataclass(frozen=True)
class TrainingSettings:
    """A whole run. `train` maps a stage's name to its settings."""

    tokenizer: TokenizerConfig = TokenizerConfig()
    latent_action: LatentActionConfig = LatentActionConfig()
    dynamics: DynamicsConfig = DynamicsConfig()
    sampling: SamplingConfig = SamplingConfig()
    token_clips: int = 6000  # how many clips the dynamics learns from
    train: dict[str, StageSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        WorldConfig(self.tokenizer, self.latent_action, self.dynamics, self.sampling)  # they have to fit each other
        clips = self.token_clips
        require(isinstance(clips, int) and clips > 0, f"token_clips is {clips!r}, expected a positive number")
        for name in ("latent_action", "dynamics"):
            pace = self.train.get(name, StageSettings())
            alike = not pace.texture and not pace.decoder_only
            require(alike, f"texture or decoder_only in train.{name}: they are for the tokenizer")
            frames = self.train[name].clip_frames if name in self.train else 2
            require(frames > 1, f"clip_frames {frames} of train.{name} has no step from frame to frame; at least 2")


def load_settings(path: Path | None) -> TrainingSettings:
    """Reads `path`, or the shipped settings of the CoinRun easy world; ConfigError says what is wrong where."""
    path = path or DEFAULT_FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; start from a copy of {DEFAULT_FILE}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not a readable TOML file: {error}") from error
    try:
        return _from_values(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _from_values(values: dict[str, Any]) -> TrainingSettings:
    kinds = {
        "tokenizer": TokenizerConfig,
        "latent_action": LatentActionConfig,
        "dynamics": DynamicsConfig,
        "sampling": SamplingConfig,
    }
    surplus = sorted(set(values) - {*kinds, "train", "token_clips"})
    require(
        not surplus, f"unknown section {', '.join(surplus)}; known are {', '.join(kinds)}, train.STAGE, token_clips"
    )
    stages = values.get("train", {})
    require(isinstance(stages, dict), f"train is {stages!r}, expected sections [train.STAGE]")
    require(set(stages) <= set(STAGES), f"unknown stage in [train]: {set(stages) - set(STAGES)}; known are {STAGES}")
    return TrainingSettings(
        **{name: build(cls, values.get(name, {})) for name, cls in kinds.items()},
        token_clips=values.get("token_clips", TrainingSettings.token_clips),
        train={name: build(StageSettings, stages.get(name, {})) for name in STAGES},
    )
