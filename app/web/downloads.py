"""A playthrough as a file to take away: the line shown, from its picture to its tip, or a GIF of the last moments."""

from __future__ import annotations

import asyncio

import numpy as np

from app.media.write import encode
from app.play.session import PlaySession
from app.play.session_file import snapshot
from app.web import limits
from app.web.guest import Guest
from app.web.guests import Guests
from app.web.player import Player
from genie_core.errors import GenieError

KINDS = {"mp4": "video/mp4", "gif": "image/gif", "genie": "application/octet-stream"}
CHUNK = 16  # frames looked up between two batches: frames long past are decoded anew

one_at_a_time = asyncio.Semaphore(1)


async def download(guests: Guests, guest: Guest, kind: str) -> bytes:
    """The guest's playthrough as the content of a file of this kind. Raises GenieError if nothing was played."""
    if not isinstance(guest.player, Player):
        raise GenieError("nothing has been played yet")
    session = guest.player.session
    if kind == "genie":
        return await guests.on_engine(lambda: snapshot(session)())
    async with one_at_a_time:
        frames, actions = await _film(guests, session, kind)
        names = [action.name for action in session.config.actions]
        return await asyncio.to_thread(encode, f".{kind}", frames, actions, session.config.fps, names)


async def _film(guests: Guests, session: PlaySession, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 (t, H, W, 3) and the actions int64 (t-1,) between them, fetched in chunks: no game waits."""
    line = session.timeline.line
    end = session.steps + 1 if kind == "gif" else line.tip + 1
    most = round(limits.GIF_SECONDS * session.config.fps) if kind == "gif" else limits.FILM_FRAMES
    start = max(0, end - most)
    actions = await guests.on_engine(lambda: [line.action(index) for index in range(start + 1, end)])
    frames: list[np.ndarray] = []
    for first in range(start, end, CHUNK):
        chunk = range(first, min(first + CHUNK, end))
        frames += await guests.on_engine(lambda chunk=chunk: [session.timeline.picture_of(line, i) for i in chunk])  # type: ignore[misc]
    return np.stack(frames), np.array(actions, np.int64)
