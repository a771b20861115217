"""WorldEngine: playthroughs of a world, a frame at a time. All state of play lives here.

It knows tokens, caches and seeds, all of them arrays of numpy; a runtime computes. It does not know keys, windows or
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast, overload

import numpy as np

from genie_core.checkpoint import MEND
from genie_core.config import DECODER_REACH, SamplingConfig
from genie_core.errors import CheckpointError, ConfigError
from genie_core.familiarity import Familiarity, compare
from genie_core.key_ring import Kept, KeyRing
from genie_core.noise import uniform
from genie_core.pictures import fit
from genie_core.pixels import pack_picture, unpack_picture
from genie_core.runtimes.base import Runtime
from genie_core.runtimes.choose import open_runtime
from genie_core.state import StepInputs, Stepped, gives, shapes

if TYPE_CHECKING:
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

KEPT_BYTES = 120_000_000  # of keys and pictures of past frames; older frames keep only their tokens
REFRESHED = 8  # frames kept before those needed when a player goes far back, for the steps back that follow
ANCHORED = 8  # each so manieth frame keeps its picture for ever, where pictures follow from those before them


class NotFinite(CheckpointError, FloatingPointError):
    """A world's weights are finite, and what is computed with them is not."""


class Seen(NamedTuple):
    """A decoded frame: its `picture`, uint8 (H, W, 3), and what the decoder remembers beside it for the next one."""

    picture: np.ndarray
    memory: tuple[np.ndarray, ...]

    @property
    def remembered(self) -> tuple[np.ndarray, ...]:
        """The `memory` that a step takes."""
        return self.memory or (self.picture,)


class Frame:
    """One frame of a playthrough. `keys` and `seen` follow from tokens, actions and anchors, and may be dropped."""

    __slots__ = ("_grid", "_packed", "action", "anchor", "doubt", "index", "keys", "seen")

    def __init__(
        self, index: int, tokens: np.ndarray, action: int, seen: Seen | None, doubt: float | None = None
    ) -> None:
        self.index = index  # 0 is the first frame of the prompt
        self._grid = tokens.shape
        # As bytes, which Python packs densely: a small array among large ones that come and go pins 10 kB.
        self._packed = tokens.astype(np.int32).tobytes()
        self.action = action  # that led here
        self.seen = seen
        self.doubt = doubt  # of the step that drew it; None where nothing says so
        self.keys: Kept | None = None  # known once the next frame has been predicted
        self.anchor: bytes | None = None  # the picture as `pack_picture` has it, of a frame that keeps it for ever

    @property
    def tokens(self) -> np.ndarray:
        """int32 (h, w)."""
        return np.frombuffer(self._packed, np.int32).reshape(self._grid)


class Moment(NamedTuple):
    """A point of a playthrough to come back to. Moments share their frames and copy none."""

    frames: tuple[Frame, ...]  # the last ones, this one included
    seed: int


def bytes_kept(world: World | GraphWorld) -> int:
    """The bytes of a frame that has its keys and its picture."""
    numbers = sum(int(np.prod(shape[1:])) for shape in gives(world.config, 1).memory)
    config = world.config.dynamics
    keys = 2 * config.layers * config.tokens * config.width
    height, width = world.config.frame_size
    return 4 * (keys + numbers) + 3 * height * width


class WorldEngine:
    """Plays `world`: one slow `reset`, then many fast `step`s, each one frame.

    Each of `players` has a playthrough of its own; all are stepped as one batch. The noise of a frame depends only on
    the player's seed and the frame's number, so the same actions from the same moment give the same frames.
    """

    def __init__(
        self,
        world: World | GraphWorld,
        seed: int = 0,
        sampling: SamplingConfig | None = None,
        players: int = 1,
        runtime: str | Runtime = "auto",
    ) -> None:
        """`runtime` is torch, onnx, or auto: ONNX Runtime for a world on the CPU that brings graphs, else torch.

        Raises ConfigError or MissingExtraError for a runtime that cannot play this world here.
        """
        self.world = world
        self.seed = seed
        self.sampling = sampling or world.config.sampling
        world.config.require_noise(self.sampling)
        self.runtime = open_runtime(world, runtime, players) if isinstance(runtime, str) else runtime
        config = world.config.dynamics
        self._ring = KeyRing.empty(config, players)
        self._now: list[Moment | None] = [None] * players
        self._samplings: dict[int, SamplingConfig] = {}  # of players with their own settings
        self._kept: dict[Frame, None] = {}  # in the order computed
        self._anchored = world.config.tokenizer.reference
        self._exact_after = (config.layers - 1) * config.context_frames  # frames that the keys of a frame depend on
        self._reach = self._exact_after + REFRESHED + ANCHORED * self._anchored + config.context_frames + 1
        self._room = max(KEPT_BYTES // bytes_kept(world), self._reach + players)

    def reset(
        self,
        image: np.ndarray,
        player: int = 0,
        seed: int | None = None,
        *,
        actions: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Starts `player` from `image`, uint8 (any height, any width, 3), with the engine's seed or one of its own.

        `image` may be a clip (t, any height, any width, 3), with the `actions` (t-1,) between its frames. Returns the
        last of the prompt's frames as the world sees it, uint8 (H, W, 3). Raises PictureError if a frame is no
        picture, ConfigError for actions that do not fit.
        """
        self._check_player(player)
        clip = image if image.ndim == 4 and len(image) else image[None]
        taken = [] if actions is None else [int(action) for action in actions]
        if len(taken) != len(clip) - 1:
            raise ConfigError(f"{len(taken)} actions for a prompt of {len(clip)} frames, expected {len(clip) - 1}")
        for action in taken:
            self._check_action(action)
        prompt = np.stack([fit(picture, self.world.config.frame_size) for picture in clip])
        encoded = self.runtime.encode(prompt[None])
        grids = encoded.tokens[0].reshape(-1, *self.world.config.tokenizer.grid)
        moments = self._moments(grids, taken, self.seed if seed is None else seed, None)
        self._take(moments[0].frames[0], _seen(encoded.picture, encoded.memory, 0))
        for moment in moments[1:] if self._anchored else ():  # a long prompt's first picture is out of the last's reach
            self._take(moment.frames[-1], Seen(self.look(moment), ()))
        return self.restore(moments[-1], player)

    def familiarity(self, image: np.ndarray) -> Familiarity:
        """How far `image`, uint8 (any height, any width, 3), is from what the world knows.

        Raises PictureError if it is no picture.
        """
        fitted = fit(image, self.world.config.frame_size)
        if not self._anchored:
            return compare(fitted, self.runtime.encode(fitted[None, None]).picture[0])
        encoded = self.runtime.encode(np.stack([fitted, fitted])[None])  # the picture, and that it stands still
        grids = encoded.tokens[0].reshape(-1, *self.world.config.tokenizer.grid)
        second = self._moments(grids, [0], self.seed, None)[1].frames[-1]
        blank = KeyRing.empty(self.world.config.dynamics, 1)
        return compare(fitted, self._again(blank, second, second, Seen(fitted, ()))[1].picture)

    @overload
    def step(self, action: int) -> np.ndarray: ...
    @overload
    def step(self, action: dict[int, int]) -> dict[int, np.ndarray]: ...

    def step(self, action: int | dict[int, int]) -> np.ndarray | dict[int, np.ndarray]:
        """Goes on by one frame under latent action `action`; returns it, uint8 (H, W, 3).

        With several players, `action` maps players to actions, and the result maps the same players to frames.
        """
        if not isinstance(action, dict):
            return self._step({0: action})[0]
        return self._step(action)

    def sampling_of(self, player: int = 0) -> SamplingConfig:
        """How the frames of `player` are revealed."""
        return self._samplings.get(player, self.sampling)

    def set_sampling(self, sampling: SamplingConfig | None, player: int = 0) -> None:
        """Reveals the next frames of `player` by its own settings; None goes back to the engine's.

        Raises ConfigError for more passes than there is room for their noise.
        """
        self._check_player(player)
        if sampling is None:
            self._samplings.pop(player, None)
            return
        self.world.config.require_noise(sampling)
        self._samplings[player] = sampling

    def lacks(self, player: int = 0) -> int | None:
        """The number of passes for which `make_ready` is due before the next step of `player`; None if it is not.

        Without it, that step takes seconds.
        """
        passes = self.sampling_of(player).unmask_steps
        return None if self.runtime.is_ready(passes) else passes

    def make_ready(self, passes: int) -> None:
        """Makes what a step in so many passes needs, while steps go on: from any thread, in seconds.

        Raises ConfigError if it cannot be made here.
        """
        self.runtime.make_ready(passes)

    def snapshot(self, player: int = 0) -> Moment:
        """The current moment of `player`, for `restore`. Costs next to nothing."""
        return self._at(player)

    def restore(self, moment: Moment, player: int = 0) -> np.ndarray:
        """Puts `player` at `moment`, its own or another player's of this world; returns the picture there.

        The frames that follow are those that followed then. An old moment takes as long as some dozens of steps.
        """
        self._check_player(player)
        frames = moment.frames
        needed = frames[-1 - self._ring.slots : -1]
        seen = self._shown(frames)  # first, for it may push the keys out
        if any(frame.keys is None for frame in needed):
            self._play_again(frames)
        for frame in needed:
            self._ring.put(player, frame.index, cast(Kept, frame.keys))
        self._now[player] = moment
        return seen.picture.copy()

    def look(self, moment: Moment) -> np.ndarray:
        """The picture of `moment`, uint8 (H, W, 3), without going there.

        An old picture is decoded anew, in the time of a few pictures, or of one if the picture before is at hand.
        """
        return self._shown(moment.frames).picture.copy()

    def doubt(self, moment: Moment) -> float | None:
        """How unsure the model was of the frame of `moment`, in nats a token: see `sampling.Revealed`.

        None for a prompt, for frames of a saved session, and for a world whose graphs do not tell.
        """
        return moment.frames[-1].doubt

    def moments(
        self,
        tokens: np.ndarray,
        actions: np.ndarray,
        seed: int,
        after: Moment | None = None,
        anchors: Sequence[bytes] = (),
    ) -> list[Moment]:
        """The moments, for `look` and `restore`, of a playthrough kept as tokens (t, h, w) and actions (t-1,), or (t,)
        if they come `after` a moment. `anchors` are those of its frames, in order, that `is_anchored` names.

        Nothing is computed yet. Raises ConfigError if this world cannot have played them.
        """
        dynamics = self.world.config.dynamics
        expected = (len(actions) + (after is None), *dynamics.grid)
        if tokens.shape != expected:
            raise ConfigError(f"tokens are {tokens.shape} for {len(actions)} actions, expected {expected}")
        if tokens.size and (tokens.min() < 0 or tokens.max() >= dynamics.mask_id):
            raise ConfigError(f"a token is outside 0..{dynamics.mask_id - 1}")
        for action in actions:
            self._check_action(int(action))
        moments = self._moments(tokens, actions.tolist(), seed, after)
        frames = [moment.frames[-1] for moment in moments if self.is_anchored(moment.frames[-1].index)]
        if len(anchors) != len(frames):
            raise ConfigError(f"{len(anchors)} pictures are kept of {len(tokens)} frames, expected {len(frames)}")
        for frame, anchor in zip(frames, anchors, strict=True):
            unpack_picture(anchor, self.world.config.frame_size)
            frame.anchor = anchor
        return moments

    def is_anchored(self, index: int) -> bool:
        """Whether frame `index` of a playthrough keeps its picture for ever, as `Frame.anchor`."""
        return self._anchored and index % ANCHORED == 0

    def _moments(self, tokens: np.ndarray, actions: list[int], seed: int, after: Moment | None) -> list[Moment]:
        frames = () if after is None else after.frames
        moments = []
        into = [self.world.config.num_actions, *actions] if after is None else actions  # none led to the first frame
        for index, (grid, action) in enumerate(zip(tokens, into, strict=True), frames[-1].index + 1 if frames else 0):
            frame = Frame(index, grid, action, None)
            frames = (*frames[1 - self._reach :], frame)
            moments.append(Moment(frames, seed))
        return moments

    def _step(self, actions: dict[int, int]) -> dict[int, np.ndarray]:
        alike: dict[int, list[int]] = {}  # players by their number of passes
        for player in sorted(actions):
            self._at(player)
            self._check_action(actions[player])
            alike.setdefault(self.sampling_of(player).unmask_steps, []).append(player)
        frames: dict[int, np.ndarray] = {}
        for players in alike.values():
            frames |= self._step_rows(players, actions)
        return dict(sorted(frames.items()))

    def _step_rows(self, players: list[int], actions: dict[int, int]) -> dict[int, np.ndarray]:
        moments = [self._at(player) for player in players]
        last = [moment.frames[-1] for moment in moments]
        seen = [self._shown(moment.frames) for moment in moments]
        ring = self._ring.rows(players)
        noise = self._noise([moment.seed for moment in moments], last, [self.sampling_of(p) for p in players])
        inputs = self._inputs(last, seen, [actions[player] for player in players], ring, noise)
        stepped = self.runtime.step(inputs)
        _require_finite(stepped)
        for row, (player, frame, moment) in enumerate(zip(players, last, moments, strict=True)):
            frame.keys = Kept(_row(stepped.key, row), _row(stepped.value, row))
            self._ring.put(player, frame.index, frame.keys)
            grid = stepped.tokens[row].reshape(self.world.config.dynamics.grid)
            new = Frame(frame.index + 1, grid, actions[player], None, float(stepped.doubt[row]))
            self._now[player] = Moment((*moment.frames[1 - self._reach :], new), moment.seed)
            self._take(new, _seen(stepped.picture, stepped.memory, row))
        return {player: stepped.picture[row].copy() for row, player in enumerate(players)}

    def _noise(
        self, seeds: list[int], last: list[Frame], samplings: list[SamplingConfig]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The noise of each player's next frame, and its weight; where that is 0, none is drawn."""
        temperature = np.array([sampling.temperature for sampling in samplings], np.float32)
        b, passes, n, factors, vocabulary = shapes(self.world.config, len(last), samplings[0].unmask_steps).uniform
        if not temperature.any():
            return np.zeros((b, passes, 1, factors, 1), np.float32), temperature
        noise = np.zeros((b, passes, n, factors, vocabulary), np.float32)
        for row, (seed, frame) in enumerate(zip(seeds, last, strict=True)):
            if temperature[row]:
                noise[row] = uniform(seed, frame.index + 1, noise.shape[1:])
        return noise, temperature

    def _inputs(
        self,
        last: list[Frame],
        seen: list[Seen],
        actions: list[int],
        ring: KeyRing,
        noise: tuple[np.ndarray, np.ndarray],
    ) -> StepInputs[np.ndarray]:
        """A step of each of `last`, which shows what is `seen`, with nothing known of the new frames."""
        tokens = np.stack([frame.tokens.ravel() for frame in last])
        return StepInputs(
            last=tokens,
            into=np.array([frame.action for frame in last], np.int32),
            action=np.array(actions, np.int32),
            forced=np.full_like(tokens, -1),
            keys=tuple(ring.keys),
            values=tuple(ring.values),
            ages=ring.ages([frame.index + 1 for frame in last]),
            memory=tuple(np.stack(parts) for parts in zip(*(each.remembered for each in seen), strict=True)),
            uniform=noise[0],
            temperature=noise[1],
        )

    def _shown(self, frames: tuple[Frame, ...]) -> Seen:
        """What the last of `frames` shows, to be held by whoever needs it: what is computed next may push it out."""
        if frames[-1].seen is None:  # of a player that stood still while others went on for long, or an old moment
            self._look_again(frames)
        return cast(Seen, frames[-1].seen)

    def _look_again(self, frames: tuple[Frame, ...]) -> None:
        """Decodes the last of `frames` anew, from the few before it that its picture depends on."""
        needed = frames if self._anchored else frames[-1 - DECODER_REACH :]
        after = max((i + 1 for i, frame in enumerate(needed) if self._at_hand(frame)), default=0)
        before = self._at_hand(needed[after - 1]) if after else None
        for frame in needed[after:]:
            before = self._again(KeyRing.empty(self.world.config.dynamics, 1), frame, frame, before)[1]
        frames[-1].seen = before
        self._keep(frames[-1])

    def _play_again(self, frames: tuple[Frame, ...]) -> None:
        """Plays `frames` again from their tokens: the same keys and pictures, if all that they depend on is there."""
        if self._anchored:
            frames = frames[next(i for i, frame in enumerate(frames) if self._at_hand(frame)) :]
        ring, start = KeyRing.empty(self.world.config.dynamics, 1), frames[0].index == 0
        seen = self._at_hand(frames[0]) if self._anchored else None
        for position, frame in enumerate(frames):
            before = frames[position - 1] if position else frame
            if position or not self._anchored:
                kept, seen = self._again(ring, before, frame, seen)
                seen = (self._anchored and self._at_hand(frame)) or seen
            if position:
                ring.put(0, before.index, kept)
                if start or position > self._exact_after:
                    before.keys = kept
                    self._keep(before)
            if frame.seen is None and (start or self._anchored or position >= DECODER_REACH):
                frame.seen = seen
                self._keep(frame)

    def _again(self, ring: KeyRing, before: Frame, frame: Frame, seen: Seen | None) -> tuple[Kept, Seen]:
        """Steps from `before`, whose picture is `seen`, into the known `frame`: the keys of the one, the other's
        picture."""
        one = shapes(self.world.config, 1, 1)
        blank = Seen(np.empty(0), tuple(np.zeros(shape[1:], np.float32) for shape in one.memory))
        passes = self.sampling.unmask_steps
        noise = np.zeros((1, passes, 1, one.uniform[3], 1), np.float32), np.zeros(1, np.float32)
        inputs = self._inputs([before], [seen or blank], [frame.action], ring, noise)
        stepped = self.runtime.step(inputs._replace(forced=frame.tokens.reshape(1, -1).copy()))
        _require_finite(stepped)
        return Kept(stepped.key[0], stepped.value[0]), _seen(stepped.picture, stepped.memory, 0)

    def _at_hand(self, frame: Frame) -> Seen | None:
        """What `frame` shows, if it need not be decoded."""
        if frame.seen is None and frame.anchor is not None:
            return Seen(unpack_picture(frame.anchor, self.world.config.frame_size), ())
        return frame.seen

    def _take(self, frame: Frame, seen: Seen) -> None:
        """Gives a new `frame` what it shows."""
        frame.seen = seen
        if self.is_anchored(frame.index):
            frame.anchor = pack_picture(seen.picture)
        self._keep(frame)

    def _keep(self, frame: Frame) -> None:
        """Remembers that `frame` was just computed; the frames computed longest ago lose keys and pictures."""
        self._kept.pop(frame, None)
        self._kept[frame] = None
        while len(self._kept) > self._room:
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            oldest.keys = oldest.seen = None

    def _at(self, player: int) -> Moment:
        self._check_player(player)
        moment = self._now[player]
        if moment is None:
            raise RuntimeError("step() before reset(image): there is no picture to go on from")
        return moment

    def _check_action(self, action: int) -> None:
        count = len(self.world.config.actions)
        if not 0 <= action < count:
            raise ConfigError(f"action {action} is not one of 0..{count - 1}")

    def _check_player(self, player: int) -> None:
        if not 0 <= player < len(self._now):
            raise ConfigError(f"player {player} is not one of 0..{len(self._now) - 1}")


def _require_finite(stepped: Stepped[np.ndarray]) -> None:
    """Raises NotFinite, before anything is remembered, if a step went wrong in any row."""
    numbers = (stepped.key, stepped.value, *stepped.memory, stepped.doubt)
    if not all(np.isfinite(each.sum()) for each in numbers):  # a sum is finite if all in it are
        raise NotFinite(f"a step of the world gave numbers that are not finite: its weights are damaged; {MEND}")


def _seen(picture: np.ndarray, memory: tuple[np.ndarray, ...], row: int) -> Seen:
    """One row of what a runtime gave, in memory of its own."""
    return Seen(_row(picture, row), tuple(_row(part, row) for part in memory))


def _row(array: np.ndarray, row: int) -> np.ndarray:
    """A row that keeps no others in memory."""
    return array[row] if len(array) == 1 else array[row].copy()
