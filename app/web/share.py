"""Links that replay a moment: world, picture, seed and actions in the fragment of the page's address.

The same links as those of the static page (app/site/static/js/ui/share.js), so that one opens in the other:

    w=WORLD&s=SEED&a=6x12.3x4&p=pictures/NAME.png    a start picture that ships; one of a world's own is in
                                                     pictures/WORLD, as on that page
    w=WORLD&s=SEED&a=6x12.3x4&d=DATA                 the picture itself, as a frame of the world

`k` and `t` are the passes and the temperature where they are not the world's own; the static page refuses such a link.
A link comes from a stranger.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Collection
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

import numpy as np

from app.play.session import PlaySession
from app.play.timeline import Timeline
from app.web import limits
from app.web.game import GameStart
from genie_core.config import SamplingConfig
from genie_core.errors import SessionError

BROKEN = "this link is damaged; copy it again, whole"
PICTURES = "pictures/"
RUN = re.compile(r"(\d{1,3})x(\d{1,5})")


class Link(NamedTuple):
    """What a link tells. Either `picture`, the name of one that ships, or `data`, is empty."""

    world: str
    seed: int
    actions: list[int]
    picture: str
    data: str
    unmask_steps: int | None
    temperature: float | None


def to_fragment(game: GameStart, session: PlaySession, settings: Collection[SamplingConfig | None] = ()) -> str:
    """The fragment that replays a session up to the moment shown, whose branch began as `game`. `settings` are those
    that its steps were made by.

    Raises SessionError if the same actions would not give the same frames, or are too many for a link.
    """
    if len(settings) > 1:
        raise SessionError("the settings were changed in the middle of this game; share the session file")
    timeline = session.timeline
    actions = timeline.taken[: played_until(timeline)]
    own, used = session.config.sampling, next(iter(settings), None) or session.sampling
    parts = {"w": game.world, "s": str(session.seed), "a": _run_lengths(actions)}
    folder = PICTURES + (f"{game.world}/" if game.picture and session.engine.world.starts else "")
    parts |= {"p": folder + game.picture} if game.picture else {"d": pack_picture(session.prompt)}
    parts |= {"k": str(used.unmask_steps)} if used.unmask_steps != own.unmask_steps else {}
    parts |= {"t": f"{used.temperature:g}"} if used.temperature != own.temperature else {}
    fragment = urlencode(parts)
    if len(fragment) > limits.POST_BYTES - 1000 or len(actions) > limits.FILM_FRAMES:
        raise SessionError("this game is too long for a link; share the session file")
    return fragment


def played_until(timeline: Timeline) -> int:
    """Up to which step a link or a GIF goes: that shown, without the last ones in which nobody acted."""
    return max((step for step, acted in enumerate(timeline.acted, 1) if acted), default=0)


def read_link(fragment: Any) -> Link:
    """Raises SessionError if `fragment` is no whole link."""
    if not isinstance(fragment, str) or len(fragment) > limits.POST_BYTES:
        raise SessionError(BROKEN)
    parts = {name: values[0] for name, values in parse_qs(fragment.removeprefix("#")).items()}
    try:
        seed, passes, temperature = int(parts.get("s", "0")), parts.get("k"), parts.get("t")
        known = (None if passes is None else int(passes), None if temperature is None else float(temperature))
        picture, data = parts.get("p", "").rpartition("/")[2], parts.get("d", "")
        link = Link(parts["w"], seed, _actions(parts.get("a", "")), picture, data, *known)
    except (KeyError, ValueError) as error:
        raise SessionError(BROKEN) from error
    fits = 0 <= seed < 2**63 and (known[0] is None or 1 <= known[0] <= limits.PASSES)
    if not fits or not (known[1] is None or 0 <= known[1] <= limits.TEMPERATURE) or bool(picture) == bool(data):
        raise SessionError(BROKEN)
    return link


def pack_picture(frame: np.ndarray) -> str:
    """uint8 (H, W, 3) as letters: differences to the pixels around, green apart, deflated, in base64url."""
    red, green, blue = np.moveaxis(frame, -1, 0)
    planes = np.stack([green, red - green, blue - green])
    around = np.pad(planes, ((0, 0), (1, 0), (1, 0))).astype(int)
    promised = _paeth(around[:, 1:, :-1], around[:, :-1, 1:], around[:, :-1, :-1])
    deflate = zlib.compressobj(9, wbits=-15)
    squeezed = deflate.compress((planes - promised.astype(np.uint8)).tobytes()) + deflate.flush()
    return base64.urlsafe_b64encode(squeezed).decode().rstrip("=")


def unpack_picture(letters: str, frame_size: tuple[int, int]) -> np.ndarray:
    """The inverse, uint8 (H, W, 3); raises SessionError if `letters` are no such picture of this size."""
    size = (3, *frame_size)
    try:
        inflate = zlib.decompressobj(wbits=-15)
        content = inflate.decompress(
            base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4)), int(np.prod(size)) + 1
        )
    except (ValueError, zlib.error) as error:
        raise SessionError(BROKEN) from error
    if len(content) != np.prod(size):
        raise SessionError(BROKEN)
    green, red, blue = _unfiltered(np.frombuffer(content, np.uint8).reshape(size))
    return np.stack([red + green, green, blue + green], axis=-1)


def _paeth(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of the pixels to the left, above and above left, the one nearest to their plane: PNG's filter."""
    a, b, c = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    return np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))


def _unfiltered(differences: np.ndarray) -> np.ndarray:
    """Pixel after pixel of all three planes at once, uint8 (3, H, W)."""
    _, height, width = differences.shape
    around = np.zeros((3, height + 1, width + 1), int)
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            promised = _paeth(around[:, y, x - 1], around[:, y - 1, x], around[:, y - 1, x - 1])
            around[:, y, x] = (differences[:, y - 1, x - 1] + promised) & 255
    return around[:, 1:, 1:].astype(np.uint8)


def _run_lengths(actions: list[int]) -> str:
    return ".".join(f"{action}x{len(list(run))}" for action, run in groupby(actions))


def _actions(text: str) -> list[int]:
    """Raises ValueError if `text` is no list of runs, or too long a one."""
    actions: list[int] = []
    for run in filter(None, text.split(".")):
        found = RUN.fullmatch(run)
        if found is None or len(actions) + int(found[2]) > limits.FILM_FRAMES:
            raise ValueError(run)
        actions += [int(found[1])] * int(found[2])
    return actions
