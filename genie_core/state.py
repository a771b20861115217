"""What a step of play takes and gives, as named values of any array: a runtime has its own kind.

b playthroughs are stepped at once. A ring has a slot for each of `context_frames` frames; frame f of a playthrough
lives in slot f mod slots. Knows no kind of array.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from genie_core.config import TEMPORAL_FRAMES, WorldConfig

Array = TypeVar("Array")


RING = ("keys", "values")


class StepInputs(NamedTuple, Generic[Array]):
    """What `step` takes.

    `last` int32 (b, n): tokens of the last frame, to which the action `into` int32 (b,) led; the id one past the
    actions' is that of no action, before the first frame. `action` int32 (b,) is played now. `forced` int32 (b, n):
    tokens of the new frame that are known already, -1 for those to be drawn.

    `keys` and `values` float32 (b, n, heads, slots, e) are the ring, an array for each layer. `ages` int32
    (b, 2, slots + 2) says how many frames before the last and before the new frame the frame of each slot lies, and
    these two, `context_frames` + 1 if it may not be seen.
    `memory` is what the decoder remembers, by `memory_names`: float32 `stem` and `block`, or the last picture, uint8
    (b, H, W, 3).

    `uniform` float32 (b, unmask_steps, n, factors, vocabulary) in [0, 1) is the noise, `temperature` float32 (b,) its
    weight. Where that is 0 everywhere, the sides n and vocabulary of the noise may be 1.
    """

    last: Array
    into: Array
    action: Array
    forced: Array
    keys: tuple[Array, ...]
    values: tuple[Array, ...]
    ages: Array
    memory: tuple[Array, ...]
    uniform: Array
    temperature: Array


def shapes(config: WorldConfig, players: int, unmask_steps: int) -> StepInputs[tuple[int, ...]]:
    """The shapes of what a step of `players` takes."""
    c, b = config.dynamics, players
    ring = ((b, c.tokens, c.heads, c.context_frames, c.width // c.heads),) * c.layers
    past = (TEMPORAL_FRAMES - 1, *c.grid)
    spelt = ((b, c.code_bits, *past), (b, config.tokenizer.channels[-1], *past))
    return StepInputs(
        last=(b, c.tokens),
        into=(b,),
        action=(b,),
        forced=(b, c.tokens),
        keys=ring,
        values=ring,
        ages=(b, 2, c.context_frames + 2),
        memory=((b, *config.frame_size, 3),) if config.tokenizer.reference else spelt,
        uniform=(b, unmask_steps, c.tokens, c.token_factors, c.factor_vocabulary),
        temperature=(b,),
    )


def memory_names(config: WorldConfig) -> tuple[str, ...]:
    """What a graph calls the parts of the decoder's memory."""
    return ("reference",) if config.tokenizer.reference else ("stem", "block")


def feeds(config: WorldConfig, inputs: StepInputs[Array]) -> dict[str, Array]:
    """`inputs` by the names that a graph has for them, of which it has one for each layer of the ring."""
    named: dict[str, Array] = {}
    for name, value in inputs._asdict().items():
        if name in RING:
            named |= {f"{name}_{layer}": array for layer, array in enumerate(value)}
        elif name == "memory":
            named |= zip(memory_names(config), value, strict=True)
        else:
            named[name] = value
    return named


class Stepped(NamedTuple, Generic[Array]):
    """A new frame: `picture` uint8 (b, H, W, 3) and `tokens` int32 (b, n).

    `doubt` float32 (b,) is that of `sampling.Revealed`.

    `key` and `value` float32 (b, layers, n, d) are those of the last frame, which goes into the ring. `memory` is what
    the decoder remembers now; empty where that is the picture.
    """

    picture: Array
    tokens: Array
    key: Array
    value: Array
    memory: tuple[Array, ...]
    doubt: Array


def gives(config: WorldConfig, players: int) -> Stepped[tuple[int, ...]]:
    """The shapes of what a step of `players` gives."""
    c, takes = config.dynamics, shapes(config, players, 1)
    kept, picture = (players, c.layers, c.tokens, c.width), (players, *config.frame_size, 3)
    memory = () if config.tokenizer.reference else takes.memory
    return Stepped(picture, takes.last, kept, kept, memory, (players,))


def step_outputs(config: WorldConfig) -> tuple[str, ...]:
    """What a graph calls the parts of `Stepped`, in order."""
    return ("picture", "tokens", "key", "value", *_memory_given(config, "_out"), "doubt")


class Encoded(NamedTuple, Generic[Array]):
    """A prompt as `tokens` int32 (b, t, n); the `picture` uint8 (b, H, W, 3) of its first frame, and what the decoder
    remembers after it, as in `Stepped`."""

    tokens: Array
    picture: Array
    memory: tuple[Array, ...]


def encode_outputs(config: WorldConfig) -> tuple[str, ...]:
    """What a graph calls the parts of `Encoded`, in order."""
    return ("tokens", "picture", *_memory_given(config, ""))


def encode_inputs(config: WorldConfig) -> dict[str, tuple[int | None, ...]]:
    """What the graph of a prompt takes, and its sides, None for any number: a clip, or one frame after another."""
    picture = (None, *config.frame_size, 3)
    if config.tokenizer.reference:
        return {"reference": picture, "frame": picture}
    return {"frames": (None, *picture)}


def _memory_given(config: WorldConfig, ending: str) -> tuple[str, ...]:
    return () if config.tokenizer.reference else tuple(f"{name}{ending}" for name in memory_names(config))
