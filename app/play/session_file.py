"""Saved sessions: a safetensors file with what was played. Frames are decoded from its tokens; nothing is executed.

Tensors: `tokens` int32 (t, h, w), `actions` uint8 (t-1,) between them, `prompt` uint8 (H, W, 3). Metadata: one JSON
object under `genie_session`. Files come from strangers, so everything is checked.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as serialize

from app.play.commands import SavedSession
from genie_core.config import build_sampling
from genie_core.errors import ConfigError, PictureError, SessionError
from genie_core.files import write_whole
from genie_core.limits import SESSION_BYTES, SESSION_STEPS

if TYPE_CHECKING:
    from app.play.session import PlaySession
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

FORMAT = 1
SUFFIX = ".genie"
KEY = "genie_session"
KINDS = {"tokens": np.dtype(np.int32), "actions": np.dtype(np.uint8), "prompt": np.dtype(np.uint8)}
PLAY_ON = "save one with F5 while you play: python launch.py --play assets/coinrun.png"


class OtherWorld(SessionError):
    """The session was played in another world, called `world` there."""

    def __init__(self, words: str, world: str) -> None:
        super().__init__(words)
        self.world = world


def snapshot(session: PlaySession) -> Callable[[], bytes]:
    """Notes the line shown, which is quick; returns a function that packs the content of its session file.

    That may be called in another thread while play goes on. Raises SessionError if the line is too long.
    """
    world, line, at, sampling = session.engine.world, session.timeline.line, session.steps, session.sampling
    if line.tip > SESSION_STEPS:
        raise SessionError(
            f"this line has {line.tip:,} steps, a session at most {SESSION_STEPS:,}; record a video with V"
        )
    frames = [line.moment(index).frames[-1] for index in range(line.tip + 1)]
    actions = np.array(list(session.timeline.path()), np.uint8)

    def pack() -> bytes:
        tensors: dict[str, np.ndarray] = {
            "tokens": np.stack([frame.tokens for frame in frames]),
            "actions": actions,
            "prompt": np.ascontiguousarray(line.prompt),
        }
        told = {
            "format": FORMAT,
            "world": world.name,
            "runtime": session.engine.runtime.name,
            "sha256": world.fingerprint(),
            "seed": line.seed,
            "at": at,
            "fps": world.config.fps,
            "sampling": dataclasses.asdict(sampling),
            "content": _digest(tensors),
        }
        return serialize(tensors, {KEY: json.dumps(told)})

    return pack


def write_session(path: str | Path, data: bytes) -> None:
    """Writes the content of a session file to `path`, whole or not at all; SessionError if the disk refuses."""
    write_whole(path, data, SessionError)


def load_session(path: str | Path, world: World | GraphWorld, name: str = "") -> SavedSession:
    """Reads a session that was played in `world`; SessionError says what is wrong with the file, by `name` if given."""
    try:
        if not Path(path).is_file():
            raise SessionError(f"there is no file {path}; expected a {SUFFIX} file; {PLAY_ON}")
        with Path(path).open("rb") as file:
            data = file.read(SESSION_BYTES + 1)
    except OSError as error:
        raise SessionError(f"{path} cannot be read ({error.strerror}); {PLAY_ON}") from error
    return parse_session(data, world, name or str(path))


def parse_session(data: bytes, world: World | GraphWorld, name: str = "the session") -> SavedSession:
    """The content of a session file, called `name` in errors, for `world`; SessionError says what is wrong with it."""
    if len(data) > SESSION_BYTES:
        raise SessionError(f"{name} is too large: a session has at most {SESSION_BYTES // 10**6} MB; {PLAY_ON}")
    told, tensors = _unpack(data, name)
    try:
        _check_world(told, world, name)
        return _check(told, tensors, world)
    except KeyError as error:
        raise SessionError(f"{name} is damaged: it lacks {error}; {PLAY_ON}") from error
    except (ConfigError, PictureError, TypeError, ValueError, OverflowError) as error:
        raise SessionError(f"{name} is damaged: {error}; {PLAY_ON}") from error


def _unpack(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        told = json.loads(header["__metadata__"][KEY])
        tensors = read_tensors(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise SessionError(f"{name} is not a saved session, or damaged; expected a {SUFFIX} file; {PLAY_ON}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        found = told.get("format") if isinstance(told, dict) else told
        raise SessionError(f"{name} has session format {found!r}, this program reads {FORMAT}; {PLAY_ON}")
    return told, tensors


def _check_world(told: dict[str, Any], world: World | GraphWorld, name: str) -> None:
    theirs, ours = told["sha256"], world.fingerprint()
    if theirs != ours:
        changed = [net for net in ours if not isinstance(theirs, dict) or theirs.get(net) != ours[net]]
        raise OtherWorld(
            f"{name} was played in the world {str(told['world'])[:100]!r}, and {world.name!r} has other weights for "
            f"{' and '.join(changed) or 'its networks'}; name the session's world with --world",
            str(told["world"])[:100],
        )


def _check(told: dict[str, Any], tensors: dict[str, np.ndarray], world: World | GraphWorld) -> SavedSession:
    kinds = {name: tensor.dtype for name, tensor in tensors.items()}
    _require(kinds == KINDS, f"it holds {', '.join(sorted(kinds)) or 'nothing'}, expected {', '.join(KINDS)}")
    tokens, actions, prompt = (tensors[name] for name in KINDS)
    grid, size, last = world.config.dynamics.grid, world.config.frame_size, len(actions)
    _require(
        actions.ndim == 1 and last <= SESSION_STEPS, f"actions are {actions.shape}, at most {SESSION_STEPS:,} expected"
    )
    _require(tokens.shape == (last + 1, *grid), f"tokens are {tokens.shape}, expected {(last + 1, *grid)}")
    _require(prompt.shape == (*size, 3), f"prompt is {prompt.shape}, expected {(*size, 3)}")
    _require(tokens.min() >= 0 and tokens.max() < world.config.dynamics.mask_id, "a token is not of this world")
    _require(not last or actions.max() < len(world.config.actions), "an action is not of this world")
    _require(told["content"] == _digest(tensors), "its content is not what was written")
    seed, at, fps = told["seed"], told["at"], told["fps"]
    _require(type(seed) is int and 0 <= seed < 2**63, f"seed is {seed!r}")
    _require(type(at) is int and 0 <= at <= last, f"at is {at!r}, expected 0..{last}")
    _require(type(fps) in (int, float) and 1 <= fps <= 1000, f"fps is {fps!r}, expected 1..1000")
    return SavedSession(tokens, actions, prompt, seed, at, float(fps), build_sampling(told["sampling"]))


def _require(true: Any, otherwise: str) -> None:
    if not true:
        raise ConfigError(otherwise)


def _digest(tensors: dict[str, np.ndarray]) -> str:
    """A hash of the tensors, since a flipped bit makes another token that is in range too."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()
