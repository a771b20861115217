"""WorldEngine: playthroughs of a world, a frame at a time. All state of play lives here.

It knows tokens, caches and seeds; it does not know keys, windows or training.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple, cast, overload

import numpy as np
import torch
from torch import Tensor

from genie_core.config import SamplingConfig
from genie_core.errors import ConfigError
from genie_core.familiarity import Familiarity, familiarity
from genie_core.layers.key_ring import KeyRing
from genie_core.models.dynamics import DynamicsModel, Prediction
from genie_core.models.tokenizer import DECODER_REACH, DecoderPast
from genie_core.pictures import fit
from genie_core.pixels import to_frames
from genie_core.sampling import unmask
from genie_core.world import World

KEPT_BYTES = 120_000_000  # of keys and pictures of past frames; older frames keep only their tokens
SHARED_FROM = 8  # players whose step is worth sharing between threads
REFRESHED = 8  # frames kept before those needed when a player goes far back, for the steps back that follow


class Seen(NamedTuple):
    """A decoded frame: its `picture`, uint8 (H, W, 3), and the decoder's memory for the next frame."""

    picture: np.ndarray
    decoder_past: DecoderPast


class Frame:
    """One frame of a playthrough. `keys` and `seen` follow from tokens and actions, and may be dropped."""

    __slots__ = ("_grid", "_packed", "action", "index", "keys", "seen")

    def __init__(self, index: int, tokens: Tensor, action: int, seen: Seen | None) -> None:
        self.index = index  # 0 is the first frame of the prompt
        self._grid = tuple(tokens.shape)
        # As bytes, which Python packs densely: a small tensor among large ones that come and go pins 10 kB.
        self._packed = tokens.cpu().numpy().astype(np.int32).tobytes()
        self.action = action  # that led here
        self.seen = seen
        self.keys: Tensor | None = None  # (2, layers, n, heads, e), known once the next frame has been predicted

    @property
    def tokens(self) -> Tensor:
        """(h, w), int64, on the CPU."""
        flat = np.frombuffer(self._packed, np.int32).astype(np.int64)
        return torch.from_numpy(flat).view(self._grid)


class Moment(NamedTuple):
    """A point of a playthrough to come back to. Moments share their frames and copy none."""

    frames: tuple[Frame, ...]  # the last ones, this one included
    seed: int


@contextmanager
def threads_for(players: int) -> Iterator[None]:
    """Use one thread for a step: its products are too small to share unless there are many players.

    A second thread made a step no faster on a core of its own, and four times slower beside another busy process. If
    OMP_NUM_THREADS is set, it decides instead.
    """
    usual = torch.get_num_threads()
    if "OMP_NUM_THREADS" in os.environ or players >= SHARED_FROM:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


class NextFrame:
    """Predicts the frames after `last`, under `actions`, for unmasking.

    The past is final, so each pass runs on the new frame's tokens alone, against cached keys and values of earlier
    frames; the first also runs the last frame, final by now, and puts it into the ring.
    """

    def __init__(self, dynamics: DynamicsModel, ring: KeyRing, last: list[Frame], actions: list[int]) -> None:
        self._dynamics, self._ring = dynamics, ring
        self._last = torch.stack([frame.tokens for frame in last]).to(dynamics.position.device)
        into = [[frame.action, action] for frame, action in zip(last, actions, strict=True)]
        self._actions_into = torch.tensor(into, device=self._last.device)
        self._newest = [frame.index + 1 for frame in last]
        self._first = True
        self.blank = torch.full_like(self._last, dynamics.config.mask_id)

    def predict(self, draft: Tensor) -> Prediction:
        """A prediction of tokens (b, h, w), some of which are masked in `draft`."""
        frames = torch.stack([self._last, draft], 1) if self._first else draft[:, None]
        self._first = False
        return self._dynamics.play(frames, self._actions_into[:, -frames.shape[1] :], self._newest, self._ring)


def frame_generator(seed: int, index: int) -> torch.Generator:
    """The noise of frame `index` of a playthrough with `seed`."""
    state = np.random.SeedSequence([seed % 2**64, index]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)


def bytes_kept(world: World) -> int:
    """The bytes of a frame that has its keys and its picture."""
    dynamics, tokenizer = world.dynamics.config, world.tokenizer.config
    keys = 2 * dynamics.layers * dynamics.tokens * dynamics.width
    decoder = (DECODER_REACH // 2) * dynamics.tokens * (tokenizer.code_bits + tokenizer.channels[-1])
    height, width = tokenizer.frame_size
    return 4 * (keys + decoder) + 3 * height * width


class WorldEngine:
    """Plays `world`: one slow `reset`, then many fast `step`s, each one frame.

    Each of `players` has a playthrough of its own; all are stepped as one batch. The noise of a frame depends only on
    the player's seed and the frame's number, so the same actions from the same moment give the same frames.
    """

    def __init__(self, world: World, seed: int = 0, sampling: SamplingConfig | None = None, players: int = 1) -> None:
        self.world = world
        self.seed = seed
        self.sampling = sampling or world.config.sampling
        self._ring = world.dynamics.empty_ring(players)
        self._now: list[Moment | None] = [None] * players
        self._samplings: dict[int, SamplingConfig] = {}  # of players with their own settings
        self._kept: dict[Frame, None] = {}  # in the order computed
        config = world.dynamics.config
        self._exact_after = (config.layers - 1) * config.context_frames  # frames that the keys of a frame depend on
        self._reach = self._exact_after + REFRESHED + config.context_frames + 1
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
        tokens = self.world.encode(torch.from_numpy(prompt)[None])[0]
        return self.restore(self._moments(tokens.cpu(), taken, self.seed if seed is None else seed)[-1], player)

    def familiarity(self, image: np.ndarray) -> Familiarity:
        """How far `image`, uint8 (any height, any width, 3), is from what the world knows."""
        return familiarity(self.world, image)

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
        """Reveals the next frames of `player` by its own settings; None goes back to the engine's."""
        self._check_player(player)
        self._samplings.pop(player, None)
        if sampling is not None:
            self._samplings[player] = sampling

    def snapshot(self, player: int = 0) -> Moment:
        """The current moment of `player`, for `restore`. Costs next to nothing."""
        return self._at(player)

    @torch.inference_mode()
    def restore(self, moment: Moment, player: int = 0) -> np.ndarray:
        """Puts `player` at `moment`, its own or another player's of this world; returns the picture there.

        The frames that follow are those that followed then. An old moment takes as long as some dozens of steps.
        """
        self._check_player(player)
        frames = moment.frames
        needed = frames[-1 - self._ring.context_frames : -1]
        with threads_for(1):
            if any(frame.keys is None for frame in needed):
                self._recompute_keys(frames)
            if frames[-1].seen is None:
                self._look_again(frames)
        for frame in needed:
            self._ring.put(player, frame.index, cast(Tensor, frame.keys))
        self._now[player] = moment
        seen = cast(Seen, frames[-1].seen)
        return seen.picture.copy()

    @torch.inference_mode()
    def look(self, moment: Moment) -> np.ndarray:
        """The picture of `moment`, uint8 (H, W, 3), without going there.

        An old picture is decoded anew, in the time of a few pictures, or of one if the picture before is at hand.
        """
        frame = moment.frames[-1]
        if frame.seen is None:
            with threads_for(1):
                self._look_again(moment.frames)
        return cast(Seen, frame.seen).picture.copy()

    def moments(self, tokens: np.ndarray, actions: np.ndarray, seed: int) -> list[Moment]:
        """The moments, for `look` and `restore`, of a playthrough kept as tokens (t, h, w) and actions (t-1,).

        Nothing is computed yet. Raises ConfigError if this world cannot have played them.
        """
        dynamics = self.world.dynamics.config
        expected = (len(actions) + 1, *dynamics.grid)
        if tokens.shape != expected:
            raise ConfigError(f"tokens are {tokens.shape} for {len(actions)} actions, expected {expected}")
        if tokens.min() < 0 or tokens.max() >= dynamics.mask_id:
            raise ConfigError(f"a token is outside 0..{dynamics.mask_id - 1}")
        for action in actions:
            self._check_action(int(action))
        return self._moments(torch.from_numpy(tokens.astype(np.int64)), actions.tolist(), seed)

    def _moments(self, tokens: Tensor, actions: list[int], seed: int) -> list[Moment]:
        frames: tuple[Frame, ...] = ()
        moments = []
        into = [self.world.config.num_actions, *actions]  # no action led to the first frame
        for index, (grid, action) in enumerate(zip(tokens, into, strict=True)):
            frame = Frame(index, grid, action, None)
            frames = (*frames[1 - self._reach :], frame)
            moments.append(Moment(frames, seed))
        return moments

    @torch.inference_mode()
    def _step(self, actions: dict[int, int]) -> dict[int, np.ndarray]:
        alike: dict[SamplingConfig, list[int]] = {}
        for player in sorted(actions):
            self._at(player)
            self._check_action(actions[player])
            alike.setdefault(self.sampling_of(player), []).append(player)
        frames: dict[int, np.ndarray] = {}
        with threads_for(len(actions)):
            for sampling, players in alike.items():
                frames |= self._step_rows(players, actions, sampling)
        return frames

    def _step_rows(
        self, players: list[int], actions: dict[int, int], sampling: SamplingConfig
    ) -> dict[int, np.ndarray]:
        moments = [self._at(player) for player in players]
        for moment in moments:
            if moment.frames[-1].seen is None:  # a player that stood still while others went on for long
                self._look_again(moment.frames)
        last = [moment.frames[-1] for moment in moments]
        ring = self._ring.rows(players)
        new = NextFrame(self.world.dynamics, ring, last, [actions[player] for player in players])
        generators = [frame_generator(m.seed, f.index + 1) for m, f in zip(moments, last, strict=True)]
        tokens = unmask(new.predict, new.blank, sampling, generators)
        for row, (player, frame) in enumerate(zip(players, last, strict=True)):
            frame.keys = ring.frame(row, frame.index)
            if ring is not self._ring:
                self._ring.put(player, frame.index, frame.keys)
        seen = self._decode(tokens, [frame.seen for frame in last])
        for row, (player, moment) in enumerate(zip(players, moments, strict=True)):
            frame = Frame(last[row].index + 1, tokens[row], actions[player], seen[row])
            self._now[player] = Moment((*moment.frames[1 - self._reach :], frame), moment.seed)
            self._keep(frame)
        return {player: seen[row].picture.copy() for row, player in enumerate(players)}

    def _decode(self, tokens: Tensor, before: list[Seen | None]) -> list[Seen]:
        """Decodes tokens (b, h, w), each after the frame `before`; all of `before` are None at a start."""
        pasts = [seen.decoder_past for seen in before if seen is not None]
        past = DecoderPast(*(torch.cat(parts) for parts in zip(*pasts, strict=True))) if pasts else None
        pixels, past = self.world.tokenizer.decode_next(tokens[:, None], past)
        pictures = to_frames(pixels)[:, 0].cpu().numpy()
        rows = range(len(tokens))
        return [Seen(pictures[i], DecoderPast(*(part[i : i + 1].clone() for part in past))) for i in rows]

    @torch.inference_mode()
    def _look_again(self, frames: tuple[Frame, ...]) -> None:
        """Decodes the last of `frames` anew, from the few before it that its picture depends on."""
        needed = frames[-1 - DECODER_REACH :]
        seen: Seen | None = None
        for before in range(len(needed) - 1, 0, -1):
            seen = needed[before - 1].seen
            if seen is not None:
                needed = needed[before:]
                break
        for frame in needed:
            seen = self._decode(frame.tokens[None].to(self.world.device), [seen])[0]
        frames[-1].seen = seen
        self._keep(frames[-1])

    @torch.inference_mode()
    def _recompute_keys(self, frames: tuple[Frame, ...]) -> None:
        """Predicts from `frames` again as in play: the same keys, for frames with their whole past in `frames`."""
        ring = self.world.dynamics.empty_ring(1)
        for position, (frame, after) in enumerate(pairwise(frames)):
            new = NextFrame(self.world.dynamics, ring, [frame], [after.action])
            new.predict(new.blank)
            if frames[0].index == 0 or position >= self._exact_after:
                frame.keys = ring.frame(0, frame.index)
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
