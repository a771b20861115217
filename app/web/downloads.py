"""A playthrough as a file to take away: the line shown, from its picture to its tip, or a GIF of the last moments."""

from __future__ import annotations

import asyncio
from functools import partial

import numpy as np

from app.media.write import encode
from app.play.session import PlaySession
from app.play.session_snapshot import snapshot
from app.play.timeline import Line
from app.web import limits
from app.web.guest import Guest
from app.web.guests import Guests
from app.web.player import Player
from app.web.share import played_until
from genie_core.errors import GenieError

KINDS = {"mp4": "video/mp4", "gif": "image/gif", "genie": "application/octet-stream"}
CHUNK = 4  # frames looked up at once: frames long past are decoded anew, in the time of a step each
TOLD_EVERY = 8  # chunks, of what a film has so far

at_once = asyncio.Semaphore(limits.DOWNLOADS)
busy: set[str] = set()  # tokens of games whose file is being made


async def download(guests: Guests, guest: Guest, kind: str) -> bytes:
    """The guest's playthrough as the content of a file of this kind, made at the cost of its player.

    Raises GenieError if nothing was played, and while another file of the game is being made.
    """
    player = guest.playing
    if player is None:
        raise GenieError("nothing has been played yet")
    if guest.token in busy:
        raise GenieError("a file of this game is being made; wait for it")
    busy.add(guest.token)
    try:
        async with at_once:
            if kind == "genie":
                return await asyncio.to_thread(await guests.for_player(player, lambda: snapshot(player.session)))
            frames, actions = await _film(guests, player, kind)
            config = player.session.config
            names = [action.name for action in config.actions]
            return await asyncio.to_thread(encode, f".{kind}", frames, actions, config.fps, names)
    finally:
        busy.discard(guest.token)


async def _film(guests: Guests, player: Player, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 (t, H, W, 3) and the actions int64 (t-1,) between them, fetched in chunks: no game waits."""
    session = player.session
    line = session.timeline.line
    end = line.tip + 1
    if kind == "gif":
        end = 1 + (await guests.for_player(player, lambda: played_until(session.timeline)) or session.steps)
    most = round(limits.GIF_SECONDS * session.config.fps) if kind == "gif" else limits.FILM_FRAMES
    start = max(0, end - min(most, limits.frames_that_fit(session.config.frame_size)))
    actions = await guests.for_player(player, lambda: [line.action(index) for index in range(start + 1, end)])
    frames: list[np.ndarray] = []
    for first in range(start, end, CHUNK):
        if (first - start) // CHUNK % TOLD_EVERY == TOLD_EVERY - 1:
            player.outbox.put({"film": (first - start) / (end - start)})
        look = partial(_pictures, session, line, range(first, min(first + CHUNK, end)))
        frames += await guests.for_player(player, look)
    player.outbox.put({"film": 1})
    return np.stack(frames), np.array(actions, np.int64)


def _pictures(session: PlaySession, line: Line, indices: range) -> list[np.ndarray]:
    return [session.timeline.picture_of(line, index) for index in indices]
