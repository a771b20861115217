"""The settings of a training run, from one TOML file: the three networks, and how each of them learns.

The file asks frame_size, num_actions and context_frames once, for all networks. Without frame_size the data's own is
taken.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from genie_core.config import DynamicsConfig, Networks, SamplingConfig, WorldConfig, build, build_networks
from genie_core.errors import ConfigError
from genie_core.files import read_text
from genie_core.limits import SETTINGS_BYTES, Size, require

STAGES = ("tokenizer", "latent_action", "dynamics")
ONCE = ("frame_size", "num_actions", "context_frames", "held_out_every")
LEAST_CLIPS = 1000  # for the dynamics, however short it learns
_POSITIVE = (
    *(
        "minutes",
        "steps",
        "batch_size",
        "accumulate",
        "clip_frames",
        "learning_rate",
        "muon_learning_rate",
        "warmup_steps",
        "gradient_norm",
    ),
    *("texture_window", "drawn_clips", "token_clips", "film_frames"),
)
_SHARES = (
    *(
        "decay",
        "averaged",
        "mirrored",
        "recoloured",
        "labels",
        "fully_masked",
        "flipped_bits",
        "own_context",
        "own_context_after",
        "blind",
    ),
    "redrawn",
)


@dataclass(frozen=True)
class StageSettings:
    """How one stage learns: for `minutes`, with the looks at held-out clips, over all resumed runs; or for `steps`.

    `batch_size` is that of the global batch, over all ranks; it is cut into `accumulate` parts where it does not fit.
    The parts give the gradient of the whole, but for what looks at a batch as a whole: `codebook_entropy`, and the
    batch norm and codebook of latent actions, see a part.
    """

    least_frames: ClassVar = 1

    minutes: float = 30
    steps: int | None = None  # the length of the stage where the machine's speed shall not matter
    batch_size: int = 16
    accumulate: int = 1
    recompute: bool = False  # blocks on the way back: a third more work, much less memory
    clip_frames: int = 4
    learning_rate: float = 1.5e-3
    muon_learning_rate: float = 0.02
    weight_decay: float = 0.01  # of the weights that Muon trains
    warmup_steps: int = 60
    decay: float = 0.5  # the share of the stage, at the end, over which the rates fall to zero
    averaged: float = 0.0
    """The share of the stage, at its end, over whose steps the weights are averaged: with `decay` 0, in place of rates
    that fall. Tian et al. 2025 (arXiv:2507.17634)."""
    gradient_norm: float = 1.0  # the longest gradient; a longer one is shortened to it
    start_from: str | None = None
    """The world, a folder or OWNER/NAME, whose network of this stage, or a smaller one, learns on."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if field.name in _POSITIVE:
                require(value > 0, f"{field.name} {value} is not positive")
            elif field.name in _SHARES:
                require(0 <= value <= 1, f"{field.name} {value} is outside 0..1")
            elif isinstance(value, float | int):
                require(value >= 0, f"{field.name} {value} is negative")
        has_step = self.clip_frames >= self.least_frames
        require(has_step, f"clip_frames {self.clip_frames} has no step from frame to frame, expected 2 or more")
        parts = self.batch_size % self.accumulate == 0
        require(parts, f"batch_size {self.batch_size} does not divide into accumulate {self.accumulate} parts")

    @property
    def length(self) -> str:
        """How long the stage is, in words."""
        return f"{self.minutes:g} min" if self.steps is None else f"{self.steps:,} steps"


@dataclass(frozen=True)
class TokenizerSettings(StageSettings):
    """`texture` weighs pictures as sharp as the real ones against pixels near theirs.

    With `decoder_only` the tokens stay what they are, so that a dynamics which has learnt them stays valid. Entropies
    are in nats a bit. Evenly used codes matter from the start; decided codes come by themselves, so their weight is
    small. `gradients`, of a tokenizer with reference alone, weighs errors at edges.
    """

    squared_error: float = 2.0
    codebook_entropy: float = 0.02
    sample_entropy: float = 0.002
    texture: float = 0.0
    texture_window: int = 8  # pixels
    decoder_only: bool = False
    gradients: float = 0.1
    recoloured: float = 0.0  # with reference, the share of films in other colours

    def require_reference(self) -> None:
        """Raise ConfigError for what a tokenizer with reference does not learn by."""
        told = "in [train.tokenizer] is not for a tokenizer with reference = true; leave it out"
        require(not self.decoder_only, f"decoder_only {told}, for its tokens depend on what its decoder makes")
        require(not self.texture, f"texture {self.texture:g} {told}, and raise gradients for sharper edges")
        enough = self.clip_frames > 1
        require(enough, f"clip_frames {self.clip_frames} has no picture after another, expected 2 or more")


@dataclass(frozen=True)
class LatentActionSettings(StageSettings):
    """Without the two entropies, one code took 70 % of the steps and two took none; ten times as much made the codes
    even and meaningless.

    `surprise`, of codes that foretell, lets the foreteller see the frame, and weighs how evenly codes are used where
    past and frame are known, from a quarter of the stage on, wholly from .45 on. At 0 what goes on by itself takes
    codes of its own; at .05 hardly, and at .1 codes tell less of what is done.
    """

    least_frames = 2

    squared_error: float = 2.0
    commitment: float = 0.1
    codebook_entropy: float = 0.005
    sample_entropy: float = 0.001
    mirrored: float = 0.5  # the share of clips mirrored, so that the way of most motion gets no more codes
    drawn_clips: int = 2  # of a batch, whose next frames are drawn where pixels do not teach the codes
    surprise: float = 0.0
    labels: float = 0.0  # the share of steps whose button is told


@dataclass(frozen=True)
class DynamicsSettings(StageSettings):
    """Play in few passes begins each frame with nothing revealed, hence the large share `fully_masked`."""

    least_frames = 2

    token_clips: int = 6000  # how many clips are written as tokens to learn from,
    recoloured: float = 0.0  # the share of them in other colours
    film_frames: int | None = None  # each so long, of which a batch has `clip_frames` anywhere; None is clip_frames
    mirrored: float = 0.5  # the share of them mirrored, so that the rarer way is learnt as well as the other
    fully_masked: float = 0.75  # the share of drafts with nothing revealed
    flipped_bits: float = 0.03  # at most, the share of a context frame's bits turned over
    own_context: float = 0.5  # the share of batches whose context holds the model's own guesses,
    own_context_after: float = 0.4  # once this share of the stage is over
    blind: float = 0.1
    """The share of codes replaced by random ones. Where a code can act, nearly all its examples still show it; where it
    cannot, all its examples show that nothing comes of it."""
    redrawn: float = 0.0  # the share of batches whose codes are drawn anew among those that explain the next frame

    def __post_init__(self) -> None:
        super().__post_init__()
        long_enough = self.written_frames >= self.clip_frames
        require(long_enough, f"film_frames {self.film_frames} is less than clip_frames {self.clip_frames}; raise it")

    @property
    def written_frames(self) -> int:
        """The length of the clips that are written as tokens."""
        return self.clip_frames if self.film_frames is None else self.film_frames


@dataclass(frozen=True)
class TrainingSettings:
    """A whole run. The first of every `held_out_every` episodes is kept from training, or such a share of fewer."""

    networks: Networks
    sampling: SamplingConfig = SamplingConfig()
    held_out_every: int = 50
    tokenizer: TokenizerSettings = TokenizerSettings()
    latent_action: LatentActionSettings = LatentActionSettings()
    dynamics: DynamicsSettings = DynamicsSettings()

    def __post_init__(self) -> None:
        WorldConfig(*self.networks, self.sampling)  # they have to fit each other
        no_rules = self.networks.latent_action.rules is None
        require(no_rules, "rules find no codes of new worlds; write `horizon = 6` in place of [latent_action.rules]")
        foretells = self.networks.latent_action.horizon is not None
        told = f"surprise {self.latent_action.surprise:g} is for codes that foretell"
        require(foretells or not self.latent_action.surprise, f"{told}; write `horizon = 6` in [latent_action]")
        told = f"labels {self.latent_action.labels:g} are for codes that foretell"
        require(foretells or not self.latent_action.labels, f"{told}; write `horizon = 6` in [latent_action]")
        if self.networks.tokenizer.reference:
            self.tokenizer.require_reference()
        every = self.held_out_every
        require(isinstance(every, int) and every > 1, f"held_out_every is {every!r}, expected a number above 1")

    def stage(self, name: str) -> StageSettings:
        stage: StageSettings = getattr(self, name)
        return stage

    def lasting(self, minutes: float) -> TrainingSettings:
        """The same settings with `minutes` for each stage. In fewer minutes, the dynamics learns from fewer clips."""
        stages: dict[str, Any] = {
            name: dataclasses.replace(self.stage(name), minutes=minutes, steps=None) for name in STAGES
        }
        clips = clips_for(self.dynamics.token_clips, minutes / self.dynamics.minutes)
        stages["dynamics"] = dataclasses.replace(stages["dynamics"], token_clips=clips)
        return dataclasses.replace(self, **stages)

    def labelled(self, share: float) -> TrainingSettings:
        """The same settings with `share` of the steps labelled."""
        return dataclasses.replace(self, latent_action=dataclasses.replace(self.latent_action, labels=share))

    def recorded(self) -> dict[str, Any]:
        """The settings of learning as config.json keeps them; what a stage started from is told beside its steps."""
        stages = {name: dataclasses.asdict(self.stage(name)) for name in STAGES}
        for values in stages.values():
            del values["start_from"]
        return {"held_out_every": self.held_out_every, **stages}


def clips_for(clips: int, share: float) -> int:
    """What of `clips` is worth writing as tokens for a `share` of the time: to write them takes time as well."""
    return min(clips, max(LEAST_CLIPS, round(share * clips)))


_STAGE_SETTINGS = {"tokenizer": TokenizerSettings, "latent_action": LatentActionSettings, "dynamics": DynamicsSettings}


def load_settings(path: Path, frame_size: Size | None = None) -> TrainingSettings:
    """Read `path`; `frame_size` is the data's, for a file that names none. ConfigError says what is wrong where."""
    try:
        text = read_text(path, SETTINGS_BYTES)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; start from a copy of genie_core/games/unknown.toml") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is not a readable TOML file: {error}") from error
    return parse_settings(text, str(path), frame_size)


def parse_settings(text: str, source: str, frame_size: Size | None = None) -> TrainingSettings:
    """The settings in `text`, TOML from `source`, as `load_settings`."""
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{source} is not a readable TOML file: {error}") from error
    try:
        return _from_values(values, frame_size)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _from_values(values: dict[str, Any], frame_size: Size | None) -> TrainingSettings:
    surplus = sorted(set(values) - {*ONCE, *STAGES, "sampling", "train"})
    known = f"{', '.join((*ONCE, *STAGES))}, sampling, train.STAGE"
    require(not surplus, f"unknown section {', '.join(surplus)}; known are {known}")
    size = values.get("frame_size", frame_size and list(frame_size))
    for name, value in (("frame_size", size), ("num_actions", values.get("num_actions"))):
        require(value is not None, f"{name} is missing; write it above the sections, once for all networks")
    stages = values.get("train", {})
    require(isinstance(stages, dict), f"train is {stages!r}, expected sections [train.STAGE]")
    require(set(stages) <= set(STAGES), f"unknown stage in [train]: {set(stages) - set(STAGES)}; known are {STAGES}")
    return TrainingSettings(
        networks=build_networks(
            size,
            values.get("context_frames", DynamicsConfig.context_frames),
            values["num_actions"],
            {name: values.get(name, {}) for name in STAGES},
        ),
        sampling=build(SamplingConfig, values.get("sampling", {})),
        held_out_every=values.get("held_out_every", TrainingSettings.held_out_every),
        **{name: build(kind, stages.get(name, {})) for name, kind in _STAGE_SETTINGS.items()},
    )
