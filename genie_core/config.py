"""Configurations of the three networks and of a world: frozen, checked when built, saved beside the weights.

This file knows shapes and ranges; it does not know torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from genie_core.errors import ConfigError

FORMAT_VERSION = 1
ACTION_NAMES = ("stay", "left", "right", "jump", "jump_left", "jump_right", "down")
UNMASK_ORDERS = ("confidence", "random", "halton")


def require(condition: bool, message: str) -> None:
    """Raises ConfigError with `message` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class TokenizerConfig:
    """Shape of the MagViT-2 video tokenizer.

    `channels[i]` is the width at 1/2^(i+1) of the frame size, so that three entries turn 64x64 pixels
    into an 8x8 token grid. A token has `code_bits` sign bits; the dynamics predicts it as
    `token_factors` sub-tokens.
    """

    frame_size: int = 64
    channels: tuple[int, ...] = (48, 96, 160)
    decoder_blocks: int = 2
    code_bits: int = 18
    token_factors: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        stride = 2 ** len(self.channels)
        require(
            len(self.channels) > 0 and self.frame_size % stride == 0,
            f"frame_size {self.frame_size} is not a multiple of {stride}, the stride of {len(self.channels)} levels",
        )
        require(
            all(width > 0 and width % 8 == 0 for width in self.channels),
            f"tokenizer channels {self.channels} are not all positive multiples of 8, as fast convolutions want them",
        )
        require(
            self.token_factors > 0 and self.code_bits % self.token_factors == 0,
            f"code_bits {self.code_bits} does not divide into token_factors {self.token_factors}",
        )
        require(0 < self.code_bits <= 24, f"code_bits {self.code_bits} is outside 1..24")
        _require_positive(self)

    @property
    def grid(self) -> int:
        """Side of the square token grid."""
        return self.frame_size // 2 ** len(self.channels)

    @property
    def factor_vocabulary(self) -> int:
        """Number of values of one sub-token."""
        return 2 ** (self.code_bits // self.token_factors)


def _require_positive(config: Any) -> None:
    for each in fields(config):
        value = getattr(config, each.name)
        require(not isinstance(value, int) or value > 0, f"{each.name} {value} is not positive")


def _require_heads(width: int, heads: int) -> None:
    require(heads > 0 and width % heads == 0, f"width {width} does not divide into {heads} heads")


@dataclass(frozen=True)
class LatentActionConfig:
    """Shape of the latent action model: `context_frames` past frames explain the step to the next one.

    The nets on patches have `layers` blocks. With `expectation_layers` that many blocks learn what motion to expect,
    and a code is the surprise; None learns codes of what moved. With `look_size` a turn of what is seen in so many
    pixels of the frame's middle is a surprise too; None looks at motion alone.
    """

    frame_size: int = 64
    patch_size: int = 8
    width: int = 128
    layers: int = 4
    heads: int = 4
    context_frames: int = 8
    num_actions: int = 8
    code_width: int = 8
    expectation_layers: int | None = None
    look_size: int | None = None

    def __post_init__(self) -> None:
        _require_heads(self.width, self.heads)
        _require_positive(self)
        require(
            self.look_size is None or (self.look_size % 4 == 0 and self.look_size <= self.frame_size),
            f"look_size {self.look_size} is not a multiple of 4 up to frame_size {self.frame_size}",
        )
        require(
            self.look_size is None or self.expectation_layers is not None,
            f"look_size {self.look_size} is of no use without expectation_layers, for a turn is added to a surprise",
        )
        require(
            self.frame_size % self.patch_size == 0 and self.patch_size % 4 == 0,
            f"frame_size {self.frame_size} is not a multiple of patch_size {self.patch_size}, or that not of 4",
        )
        require(
            self.expectation_layers is None or self.code_width == 3,
            f"code_width {self.code_width} is not 3, which the codes of a surprise (expectation_layers) have",
        )
        require(self.num_actions > 1, f"num_actions {self.num_actions} leaves nothing to choose")

    @property
    def grid(self) -> int:
        return self.frame_size // self.patch_size


@dataclass(frozen=True)
class DynamicsConfig:
    """Shape of the MaskGIT ST-transformer that predicts the next token grid.

    With `link_width`, the hidden width of what links them, a token's sub-tokens are predicted one after the other, each
    given those before it; None leaves them independent.
    """

    grid: int = 8
    code_bits: int = 18
    token_factors: int = 2
    width: int = 192
    layers: int = 6
    heads: int = 6
    context_frames: int = 8
    num_actions: int = 8
    link_width: int | None = None

    def __post_init__(self) -> None:
        _require_heads(self.width, self.heads)
        require(
            self.token_factors > 0 and self.code_bits % self.token_factors == 0,
            f"code_bits {self.code_bits} does not divide into token_factors {self.token_factors}",
        )
        _require_positive(self)

    @property
    def mask_id(self) -> int:
        """The id that stands for a token not yet revealed: one past the codebook."""
        return 2**self.code_bits

    @property
    def factor_vocabulary(self) -> int:
        """Number of values of one sub-token."""
        return 2 ** (self.code_bits // self.token_factors)


@dataclass(frozen=True)
class SamplingConfig:
    """How a frame is revealed: passes, temperature of the logits (0 takes the best), order of revealing.

    With `reveal_above` a pass also reveals every token surer than this probability, so that an easy frame takes fewer
    passes than `unmask_steps`.
    """

    unmask_steps: int = 2
    temperature: float = 0.0
    order: str = "confidence"
    reveal_above: float | None = None

    def __post_init__(self) -> None:
        require(self.unmask_steps > 0, f"unmask_steps {self.unmask_steps} is not positive")
        require(self.temperature >= 0, f"temperature {self.temperature} is negative")
        above = self.reveal_above
        require(above is None or 0 < above < 1, f"reveal_above {above} is not a probability between 0 and 1")
        require(self.order in UNMASK_ORDERS, f"order {self.order!r} is not one of {', '.join(UNMASK_ORDERS)}")


@dataclass(frozen=True)
class Action:
    """A latent action with what was found out about it.

    `motion_px` is the player's mean motion relative to the scenery in pixels a step, x right, y down;
    `keys` are pygame key names; the raw-code keys 1..8 are bound by position and not listed.
    """

    id: int
    name: str
    keys: tuple[str, ...] = ()
    motion_px: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        require(bool(self.name), f"action {self.id} has an empty name")
        object.__setattr__(self, "keys", tuple(self.keys))
        object.__setattr__(self, "motion_px", tuple(self.motion_px))


def unnamed_actions(count: int) -> tuple[Action, ...]:
    """The actions of a world whose codes have not been looked at yet."""
    return tuple(Action(id=i, name=f"action_{i}") for i in range(count))


@dataclass(frozen=True)
class WorldConfig:
    """Everything `config.json` of a world says, but for the file list, which only the disk knows."""

    tokenizer: TokenizerConfig = TokenizerConfig()
    latent_action: LatentActionConfig = LatentActionConfig()
    dynamics: DynamicsConfig = DynamicsConfig()
    sampling: SamplingConfig = SamplingConfig()
    actions: tuple[Action, ...] = ()
    fps: float = 15
    training: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        tokenizer, latent_action, dynamics = self.tokenizer, self.latent_action, self.dynamics
        if not self.actions:
            object.__setattr__(self, "actions", unnamed_actions(dynamics.num_actions))
        for ours, theirs, what in (
            (tokenizer.grid, dynamics.grid, "grid"),
            (tokenizer.code_bits, dynamics.code_bits, "code_bits"),
            (tokenizer.token_factors, dynamics.token_factors, "token_factors"),
        ):
            require(ours == theirs, f"{what}: the tokenizer has {ours}, the dynamics {theirs}")
        require(
            latent_action.frame_size == tokenizer.frame_size,
            f"frame_size: the tokenizer has {tokenizer.frame_size}, the latent action model {latent_action.frame_size}",
        )
        require(
            latent_action.num_actions == dynamics.num_actions == len(self.actions),
            f"num_actions: the latent action model has {latent_action.num_actions}, the dynamics "
            f"{dynamics.num_actions}, and {len(self.actions)} are described",
        )
        names = [action.name for action in self.actions]
        require(len(set(names)) == len(names), f"action names are not unique: {', '.join(names)}")
        require(
            [action.id for action in self.actions] == list(range(len(names))),
            f"action ids are not 0..{len(names) - 1} in order",
        )
        require(self.fps > 0, f"fps {self.fps} is not positive")

    @property
    def frame_size(self) -> int:
        return self.tokenizer.frame_size

    @property
    def context_frames(self) -> int:
        return self.dynamics.context_frames


def build(cls: type, values: dict[str, Any]) -> Any:
    """A config of dataclass `cls` from a JSON or TOML object; ConfigError names surplus keys and wrong kinds."""
    require(isinstance(values, dict), f"{cls.__name__} is {values!r}, expected an object")
    kinds = get_type_hints(cls)
    surplus = sorted(set(values) - set(kinds))
    require(not surplus, f"{cls.__name__} does not know {', '.join(surplus)}; it has {', '.join(sorted(kinds))}")
    for key, value in values.items():
        kind = getattr(kinds[key], "__name__", str(kinds[key]))
        require(_fits(value, kinds[key]), f"{key} of {cls.__name__} is {value!r}, expected {kind}")
    try:
        return cls(**values)
    except TypeError as error:  # a key without default is missing
        raise ConfigError(f"{cls.__name__}: {error}") from error


def _fits(value: object, kind: Any) -> bool:
    """Whether a value as files have it, lists for tuples, is of the annotated kind."""
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if not isinstance(value, list | tuple):
            return False
        if kinds[-1] is Ellipsis:
            return all(_fits(item, kinds[0]) for item in value)
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    if isinstance(kind, UnionType):
        return any(_fits(value, each) for each in get_args(kind))
    if kind is bool:
        return isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, get_origin(kind) or kind) and not isinstance(value, bool)
