"""Configurations of the three networks and of a world: frozen, checked when built, saved beside the weights.

This file knows shapes and ranges; it does not know torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from genie_core import limits
from genie_core.errors import ConfigError
from genie_core.limits import Size, as_size, require, told

UNKNOWN_GAME = "unknown"
TEMPORAL_FRAMES = 3  # that a temporal convolution of a tokenizer sees
DECODER_REACH = 2 * (TEMPORAL_FRAMES - 1)  # earlier frames that a decoded picture depends on: two such convolutions
MOST_DOUBT = 1000.0  # nats a token


@dataclass(frozen=True)
class TokenizerConfig:
    """Shape of the MagViT-2 video tokenizer.

    `channels[i]` is the width at 1/2^(i+1) of the frame size. A frame whose sides are no multiple of the stride is
    padded inside the network. A token has `code_bits` sign bits; the dynamics predicts it as `token_factors`
    sub-tokens.

    With `reference`, tokens say what the last picture does not: the decoder moves its patches and paints the rest.
    """

    frame_size: Size
    channels: tuple[int, ...] = (48, 96, 160)
    decoder_blocks: int = 2
    code_bits: int = 18
    token_factors: int = 2
    reference: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "frame_size", as_size(self.frame_size))
        limits.require_within(1, limits.MOST_LAYERS, decoder_blocks=self.decoder_blocks)
        fitting = all(0 < width <= limits.MOST_WIDTH and width % 8 == 0 for width in self.channels)
        require(
            fitting and 0 < len(self.channels) <= limits.MOST_LEVELS,
            f"tokenizer channels {told(self.channels)} are not 1 to {limits.MOST_LEVELS} multiples of 8 up to "
            f"{limits.MOST_WIDTH}",
        )
        require(
            len(self.channels) > 1 or not self.reference,
            f"channels {told(self.channels)} have one level, and a tokenizer with reference needs two or more",
        )
        limits.require_weights(
            (22 + 18 * self.decoder_blocks) * sum(width**2 for width in self.channels) + 72 * self.channels[-1] ** 2,
            f"channels {self.channels} and decoder_blocks {self.decoder_blocks}",
        )
        limits.require_features(self.channels, self.frame_size)
        limits.require_factors(self.code_bits, self.token_factors)

    @property
    def stride(self) -> int:
        """Pixels along one side of a token."""
        return 2 ** len(self.channels)

    @property
    def grid(self) -> Size:
        """Height and width of the token grid."""
        return limits.grid_of(self.frame_size, self.stride)

    @property
    def tokens(self) -> int:
        """Tokens of a frame."""
        return self.grid[0] * self.grid[1]

    @property
    def factor_vocabulary(self) -> int:
        """Number of values of one sub-token."""
        return 2 ** (self.code_bits // self.token_factors)

    @property
    def seen_width(self) -> int | None:
        """Width of the features of the last picture that the dynamics sees at each token; None if it sees none."""
        return self.channels[-1] if self.reference else None


@dataclass(frozen=True)
class Rules:
    """Latent actions found by the hand-written rules of `game`: a code is the motion that the past did not predict.

    `expectation_layers` blocks learn what motion to expect. With `look_size`, a turn of what the frame's middle shows
    in that many pixels counts too.
    """

    game: str
    expectation_layers: int
    look_size: int | None = None

    def __post_init__(self) -> None:
        limits.require_name(self.game, "the game of the rules")
        limits.require_within(1, limits.MOST_LAYERS, expectation_layers=self.expectation_layers)


@dataclass(frozen=True)
class LatentActionConfig:
    """Shape of the latent action model: `context_frames` past frames explain the step to the next one.

    The networks on patches have `layers` blocks. With `horizon`, a code is what one must be told to foretell the motion
    of so many steps. Older worlds have codes found by a game's hand-written `rules`, or, with neither, learnt by
    predicting the next frame.
    """

    frame_size: Size
    num_actions: int
    patch_size: int = 8
    width: int = 128
    layers: int = 4
    heads: int = 4
    context_frames: int = 8
    code_width: int = 8
    horizon: int | None = None  # steps
    rules: Rules | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_size", as_size(self.frame_size))
        limits.require_within(1, limits.MOST_PATCH, patch_size=self.patch_size)
        limits.require_within(1, limits.MOST_WIDTH, code_width=self.code_width)
        require(self.patch_size % 4 == 0, f"patch_size {self.patch_size} is not a multiple of 4")
        limits.require_within(2, limits.MOST_ACTIONS, num_actions=self.num_actions)
        limits.require_blocks(self.width, self.layers, self.heads, self.context_frames, self.grid)
        if self.horizon is not None:
            limits.require_within(1, limits.MOST_HORIZON, horizon=self.horizon)
            require(self.rules is None, "horizon and rules are two ways to find codes; leave one out")
        if self.rules is not None:
            look, side = self.rules.look_size, min(self.frame_size)
            require(
                look is None or (0 < look <= side and look % 4 == 0),
                f"look_size {look} is not a multiple of 4 up to {side}, the shorter side of a frame",
            )
            layers = self.rules.expectation_layers
            limits.require_blocks(self.width, layers, self.heads, self.context_frames, grid=(1, 1))
            require(self.code_width == 3, f"code_width {self.code_width} is not 3, the width of codes found by rules")

    @property
    def grid(self) -> Size:
        """Height and width of the patch grid."""
        return limits.grid_of(self.frame_size, self.patch_size)


@dataclass(frozen=True)
class DynamicsConfig:
    """Shape of the MaskGIT ST-transformer that predicts the next token grid.

    `link_width` is the hidden width of the networks that predict a token's sub-tokens one after the other, each given
    those before it; None predicts them independently. `seen_width` is that of the features of the last picture, for a
    tokenizer with `reference`.
    """

    grid: Size
    num_actions: int
    code_bits: int = 18
    token_factors: int = 2
    width: int = 192
    layers: int = 6
    heads: int = 6
    context_frames: int = 8
    link_width: int | None = None
    seen_width: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", as_size(self.grid, "grid"))
        limits.require_factors(self.code_bits, self.token_factors)
        limits.require_within(2, limits.MOST_ACTIONS, num_actions=self.num_actions)
        limits.require_blocks(self.width, self.layers, self.heads, self.context_frames, self.grid)
        if self.link_width is not None:
            limits.require_within(1, limits.MOST_WIDTH, link_width=self.link_width)
        if self.seen_width is not None:
            limits.require_within(1, limits.MOST_WIDTH, seen_width=self.seen_width)

    @property
    def tokens(self) -> int:
        """Tokens of a frame."""
        return self.grid[0] * self.grid[1]

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
    """How a frame is revealed: the number of passes, and the temperature of the logits (0 takes the best)."""

    unmask_steps: int = 2
    temperature: float = 0.0

    def __post_init__(self) -> None:
        limits.require_within(1, limits.MOST_UNMASK_STEPS, unmask_steps=self.unmask_steps)
        limits.require_within(0, limits.MOST_TEMPERATURE, temperature=self.temperature)


@dataclass(frozen=True)
class Action:
    """A latent action with what was found out about it.

    `motion_px` is the player's mean motion relative to the scenery in pixels a step, x right, y down; `evidence` says
    what its name rests on. `keys` are pygame key names; the number keys are bound by position and not listed.
    """

    id: int
    name: str
    keys: tuple[str, ...] = ()
    motion_px: tuple[float, float] = (0.0, 0.0)
    evidence: str = ""

    def __post_init__(self) -> None:
        limits.require_name(self.name, f"the name of action {self.id}")
        object.__setattr__(self, "keys", tuple(self.keys))
        object.__setattr__(self, "motion_px", tuple(self.motion_px))
        require(
            all(abs(pixels) <= limits.MOST_MOTION for pixels in self.motion_px),
            f"motion_px of action {self.id} is {told(self.motion_px)}, expected numbers up to {limits.MOST_MOTION:g}",
        )


def unnamed_actions(count: int) -> tuple[Action, ...]:
    """The actions of a world whose codes have no names yet."""
    return tuple(Action(id=i, name=f"action_{i}") for i in range(count))


@dataclass(frozen=True)
class WorldConfig:
    """Everything that `config.json` of a world says, except its file list."""

    tokenizer: TokenizerConfig
    latent_action: LatentActionConfig
    dynamics: DynamicsConfig
    sampling: SamplingConfig = SamplingConfig()
    actions: tuple[Action, ...] = ()
    fps: float = 15
    game: str = UNKNOWN_GAME
    training: dict[str, Any] = field(default_factory=dict)
    guessing_above: float | None = None  # the doubt of a step, in nats a token, above which the world guesses

    def __post_init__(self) -> None:
        tokenizer, latent_action, dynamics = self.tokenizer, self.latent_action, self.dynamics
        if not self.actions:
            object.__setattr__(self, "actions", unnamed_actions(dynamics.num_actions))
        for what, other, name in (
            ("grid", dynamics, "dynamics"),
            ("code_bits", dynamics, "dynamics"),
            ("token_factors", dynamics, "dynamics"),
            ("seen_width", dynamics, "dynamics"),
            ("frame_size", latent_action, "latent action model"),
        ):
            ours, theirs = getattr(tokenizer, what), getattr(other, what)
            require(ours == theirs, f"{what}: the tokenizer has {ours}, the {name} {theirs}")
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
        limits.require_within(limits.LEAST_FPS, limits.MOST_FPS, fps=self.fps)
        limits.require_name(self.game, "the game")
        self.require_noise(self.sampling)
        if self.guessing_above is not None:
            limits.require_within(0, MOST_DOUBT, guessing_above=self.guessing_above)

    def require_noise(self, sampling: SamplingConfig) -> None:
        """Raises ConfigError if the noise of a frame, revealed by `sampling`, does not fit in memory."""
        dynamics = self.dynamics
        tokens = dynamics.tokens, dynamics.token_factors, dynamics.factor_vocabulary
        limits.require_noise(sampling.unmask_steps, *tokens)

    @property
    def frame_size(self) -> Size:
        return self.tokenizer.frame_size

    @property
    def context_frames(self) -> int:
        return self.dynamics.context_frames

    @property
    def num_actions(self) -> int:
        return self.dynamics.num_actions


class Networks(NamedTuple):
    """The configs of a world's three networks, which fit each other."""

    tokenizer: TokenizerConfig
    latent_action: LatentActionConfig
    dynamics: DynamicsConfig


SECTIONS = {"tokenizer": TokenizerConfig, "latent_action": LatentActionConfig, "dynamics": DynamicsConfig}
DERIVED = {
    "tokenizer": ("frame_size",),
    "latent_action": ("frame_size", "num_actions"),
    "dynamics": ("grid", "code_bits", "token_factors", "seen_width", "num_actions", "context_frames"),
}
"""Values that a section of a file leaves out, because the file says them once for all networks."""


def build_networks(size: object, context_frames: object, num_actions: object, sections: dict[str, Any]) -> Networks:
    """The networks of `sections`, as files have them, with the values that they share.

    `latent_action` may have its own `context_frames`. ConfigError names a wrong value, or one that is said twice.
    """
    for name, keys in DERIVED.items():
        section = sections.get(name, {})
        require(isinstance(section, dict), f"{name} is {told(section)}, expected an object")
        twice = [key for key in keys if key in section]
        require(
            not twice, f"{name} repeats {', '.join(twice)}, which the file says once for all networks; leave it out"
        )
    shared: dict[str, Any] = {"frame_size": list(as_size(size)), "num_actions": num_actions}
    tokenizer = build(TokenizerConfig, {**sections.get("tokenizer", {}), "frame_size": shared["frame_size"]})
    context = {"context_frames": context_frames}
    return Networks(
        tokenizer,
        build(LatentActionConfig, context | sections.get("latent_action", {}) | shared),
        build(
            DynamicsConfig,
            sections.get("dynamics", {})
            | context
            | {key: getattr(tokenizer, key) for key in ("grid", "code_bits", "token_factors", "seen_width")}
            | {"num_actions": num_actions},
        ),
    )


def build_sampling(values: Any) -> SamplingConfig:
    """A SamplingConfig of a file, which may be older and name the one order of revealing that is left."""
    require(isinstance(values, dict), f"sampling is {told(values)}, expected an object")
    order, above = values.get("order", "confidence"), values.get("reveal_above")
    require(
        order == "confidence" and above is None,
        f"tokens are revealed by order {told(order)} with reveal_above {told(above)}, which is no longer supported; "
        'set order to "confidence" and leave reveal_above out',
    )
    cut = ("order", "reveal_above")
    sampling: SamplingConfig = build(SamplingConfig, {key: v for key, v in values.items() if key not in cut})
    return sampling


def build(cls: type, values: dict[str, Any]) -> Any:
    """A config of dataclass `cls` from a JSON or TOML object; ConfigError names surplus keys and wrong kinds."""
    require(isinstance(values, dict), f"{cls.__name__} is {told(values)}, expected an object")
    kinds = get_type_hints(cls)
    surplus = sorted(set(values) - set(kinds))
    require(not surplus, f"{cls.__name__} does not know {', '.join(surplus)[:200]}; it has {', '.join(sorted(kinds))}")
    fitting = {}
    for key, value in values.items():
        part = _part(kinds[key])
        fitting[key] = build(part, value) if part and isinstance(value, dict) else value
        kind = getattr(kinds[key], "__name__", str(kinds[key]))
        require(_fits(fitting[key], kinds[key]), f"{key} of {cls.__name__} is {told(value)}, expected {kind}")
    try:
        return cls(**fitting)
    except TypeError as error:  # a key without default is missing
        raise ConfigError(f"{cls.__name__}: {error}") from error


def _part(kind: Any) -> type | None:
    """The dataclass that a field of this annotation holds, if it holds one."""
    return next((each for each in (kind, *get_args(kind)) if is_dataclass(each) and isinstance(each, type)), None)


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
