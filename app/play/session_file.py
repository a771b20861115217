"""Saved sessions: a safetensors file with what was played. Frames are decoded from its tokens; nothing is executed.

Format 2 has all branches, each with its own frames only. Tensors: `lines` int32 (n, 3), the number of its parent (-1
for none), the index of its first frame and its count of frames; one after another `tokens` int32 (t, h, w) and
`actions` uint8 (t,), 0 at a prompt; for each line without a parent `prompts` uint8 (r, H, W, 3); and `kept` int32
(k, 2), line and step. Format 1 has one branch: `tokens` (t, h, w), `actions` (t-1,), `prompt` (H, W, 3). A world whose
pictures follow from those before them has two tensors more: `anchor_lengths` int32 (k,) and `anchors` uint8, the bytes
of `engine.Frame.anchor` of all frames that have one. Metadata: one JSON object under `genie_session`. Files come from
strangers, so everything is checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors

from app.play.saved import SavedLine, SavedSession
from genie_core.config import build_sampling
from genie_core.engine import ANCHORED
from genie_core.errors import ConfigError, PictureError, SessionError
from genie_core.files import write_whole
from genie_core.limits import LEAST_FPS, MOST_FPS, SESSION_BRANCHES, SESSION_BYTES, SESSION_KEPT, SESSION_STEPS, Size
from genie_core.pixels import unpack_picture

if TYPE_CHECKING:
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

FORMAT = 2
SUFFIX = ".genie"
KEY = "genie_session"
KINDS = {
    1: {"tokens": np.dtype(np.int32), "actions": np.dtype(np.uint8), "prompt": np.dtype(np.uint8)},
    2: {
        **{"tokens": np.dtype(np.int32), "actions": np.dtype(np.uint8), "prompts": np.dtype(np.uint8)},
        **{"lines": np.dtype(np.int32), "kept": np.dtype(np.int32)},
    },
}
ANCHORS = {"anchors": np.dtype(np.uint8), "anchor_lengths": np.dtype(np.int32)}
OTHER = "its content is not what was written"
PLAY_ON = "save one with F5 while you play: python launch.py --play assets/coinrun.png"


class OtherWorld(SessionError):
    """The session was played in another world, called `world` there."""

    def __init__(self, words: str, world: str) -> None:
        super().__init__(words)
        self.world = world


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
    if not isinstance(told, dict) or told.get("format") not in (1, 2) or type(told["format"]) is not int:
        found = told.get("format") if isinstance(told, dict) else told
        raise SessionError(f"{name} has session format {found!r}, this program reads 1 and {FORMAT}; {PLAY_ON}")
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
    expected = KINDS[told["format"]] | (ANCHORS if world.config.tokenizer.reference else {})
    _require(kinds == expected, f"it holds {', '.join(sorted(kinds)) or 'nothing'}, expected {', '.join(expected)}")
    if told["format"] == 1:
        tensors, told = _as_format_2(tensors, told)
    lines = _lines(tensors, told, world)
    shown, at, fps, kept = told["line"], told["at"], told["fps"], tensors["kept"].tolist()
    _require(type(shown) is int and 0 <= shown < len(lines), f"line is {shown!r}, expected 0..{len(lines) - 1}")
    _require(type(at) is int and 0 <= at <= lines[shown].tip, f"at is {at!r}, expected 0..{lines[shown].tip}")
    paced = type(fps) in (int, float) and LEAST_FPS <= fps <= MOST_FPS
    _require(paced, f"fps is {fps!r}, expected {LEAST_FPS:g}..{MOST_FPS:g}")
    found = all(0 <= line < len(lines) and 0 <= step <= lines[line].tip for line, step in kept)
    _require(found, "a kept moment is of no branch")
    sampling = build_sampling(told["sampling"])
    return SavedSession(lines, shown, at, float(fps), sampling, tuple((line, step) for line, step in kept))


def _as_format_2(tensors: dict[str, np.ndarray], told: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    _require(told["content"] == digest_of(tensors), OTHER)
    tokens, actions, prompt = (tensors[name] for name in KINDS[1])
    _require(actions.ndim == 1, f"actions are {actions.shape}, expected one dimension")
    one_line = np.array([(-1, 0, len(actions) + 1)], np.int32)
    more = {"prompts": prompt[None], "lines": one_line, "kept": np.zeros((0, 2), np.int32)}
    more |= {name: tensors[name] for name in ANCHORS if name in tensors}
    tensors = {"tokens": tokens, "actions": np.concatenate([np.zeros(1, np.uint8), actions])} | more
    return tensors, told | {"seeds": [told["seed"]], "line": 0, "content": digest_of(tensors)}


def _lines(tensors: dict[str, np.ndarray], told: dict[str, Any], world: World | GraphWorld) -> tuple[SavedLine, ...]:
    """The branches, checked: also the shapes of all tensors, since they are alike in both formats now."""
    tokens, actions, prompts, lines, kept = (tensors[name] for name in KINDS[2])
    grid, size, seeds = world.config.dynamics.grid, world.config.frame_size, told["seeds"]
    n = len(actions) if actions.ndim == 1 else -1
    _require(0 < n <= SESSION_STEPS + 1, f"actions are {actions.shape}, at most {SESSION_STEPS:,} expected")
    _require(tokens.shape == (n, *grid), f"tokens are {tokens.shape}, expected {(n, *grid)}")
    _require(lines.ndim == 2 and lines.shape[1:] == (3,), f"lines are {lines.shape}, expected (n, 3)")
    pairs = kept.ndim == 2 and kept.shape[1:] == (2,) and len(kept) <= SESSION_KEPT
    _require(pairs, f"kept is {kept.shape}, expected at most ({SESSION_KEPT:,}, 2)")
    roots = int((lines[:, 0] < 0).sum())
    _require(0 < len(lines) <= SESSION_BRANCHES, f"there are {len(lines)} branches, expected 1..{SESSION_BRANCHES:,}")
    _require(prompts.shape == (roots, *size, 3), f"prompts are {prompts.shape}, expected {(roots, *size, 3)}")
    _require(isinstance(seeds, list) and len(seeds) == roots, f"there are not {roots} seeds")
    for seed in seeds:
        _require(type(seed) is int and 0 <= seed < 2**63, f"seed is {seed!r}")
    _require(tokens.min() >= 0 and tokens.max() < world.config.dynamics.mask_id, "a token is not of this world")
    _require(actions.max() < len(world.config.actions), "an action is not of this world")
    _require(told["content"] == digest_of(tensors), OTHER)
    found = _tree(lines.tolist(), tokens, actions, zip(prompts, seeds, strict=True))
    return _with_anchors(found, tensors, size) if world.config.tokenizer.reference else found


def _tree(
    lines: list[list[int]], tokens: np.ndarray, actions: np.ndarray, roots: Iterator[tuple[np.ndarray, int]]
) -> tuple[SavedLine, ...]:
    found: list[SavedLine] = []
    end = 0
    for number, (parent, start, count) in enumerate(lines):
        root = parent < 0
        before = 0 if root else found[parent].tip + 1 if parent < number else -1
        sound = count >= 1 and start == 0 if root else count >= 0 and 1 <= start <= before
        _require(sound and end + count <= len(tokens), f"branch {number + 1} begins or ends where it cannot")
        prompt, seed = next(roots) if root else (found[parent].prompt, found[parent].seed)
        own = slice(end, end := end + count)
        found.append(SavedLine(None if root else parent, start, tokens[own], actions[own], prompt, seed))
    _require(end == len(tokens), f"there are {len(tokens)} frames, of which branches have {end}")
    return tuple(found)


def _with_anchors(lines: tuple[SavedLine, ...], tensors: dict[str, np.ndarray], size: Size) -> tuple[SavedLine, ...]:
    """The branches with the pictures kept of them, of which each is unpacked once: play is to meet no damage."""
    content, lengths = tensors["anchors"], tensors["anchor_lengths"]
    own = [range(line.start + -line.start % ANCHORED, line.tip + 1, ANCHORED) for line in lines]
    count = sum(map(len, own))
    _require(lengths.shape == (count,), f"anchor_lengths are {lengths.shape}, expected {(count,)}")
    ends = np.cumsum(lengths, dtype=np.int64)
    fits = lengths.min() > 0 and content.shape == (ends[-1],)
    _require(fits, f"anchors are {content.shape}, which their lengths do not add up to")
    kept = (part.tobytes() for part in np.split(content, ends[:-1]))
    found = [
        line._replace(anchors={index: next(kept) for index in places}) for line, places in zip(lines, own, strict=True)
    ]
    for line in found:
        pictures = {index: unpack_picture(anchor, size) for index, anchor in line.anchors.items()}
        same = line.parent is not None or np.array_equal(pictures[0], line.prompt)
        _require(same, "the picture kept of a start is another than its prompt")
    return tuple(found)


def _require(true: Any, otherwise: str) -> None:
    if not true:
        raise ConfigError(otherwise)


def digest_of(tensors: dict[str, np.ndarray]) -> str:
    """A hash of the tensors, since a flipped bit makes another token that is in range too."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()
