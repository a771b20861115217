"""The routes of the games, beside Gradio's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket

from app.web import told
from app.web.attract import Attract
from app.web.downloads import KINDS, download
from app.web.game import GameStart
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.transport import answer_poll, serve_socket
from genie_core.errors import GenieError


def add_routes(app: FastAPI, guests: Guests, starts: GameStarts, attract: Attract) -> None:
    @app.get("/healthz")
    async def health() -> dict[str, Any]:
        return guests.health()

    @app.get("/attract.webp")
    async def film() -> Response:
        return Response(await asyncio.to_thread(attract.film), media_type="image/webp")

    @app.post("/play")
    async def begin(request: Request) -> dict[str, str]:
        body = await request.body()
        try:
            return {"token": guests.invite(await asyncio.to_thread(_game, starts, body))}
        except GenieError as error:
            raise HTTPException(400, told.for_visitors(str(error))) from error

    @app.websocket("/play/{token}")
    async def play(socket: WebSocket, token: str) -> None:
        await serve_socket(guests, token, socket)

    @app.post("/play/{token}")
    async def poll(request: Request, token: str) -> Response:
        return await answer_poll(guests, token, request)

    @app.post("/play/{token}/leave")
    async def leave(token: str) -> None:
        guest = guests.find(token)
        if guest is not None:
            guests.leave(guest, "the page has gone")

    @app.get("/play/{token}/play.{kind}")
    async def file(token: str, kind: str) -> Response:
        guest = guests.find(token)
        if guest is None or kind not in KINDS:
            raise HTTPException(404, "there is no such playthrough (any more)")
        try:
            content = await download(guests, guest, kind)
        except GenieError as error:
            raise HTTPException(409, told.for_visitors(str(error))) from error
        headers = {"Content-Disposition": f'attachment; filename="play.{kind}"'}
        return Response(content, media_type=KINDS[kind], headers=headers)


def _game(starts: GameStarts, body: bytes) -> GameStart:
    """What a page asks to begin: `{"link": FRAGMENT}`, or `{"picture": NAME, "world": NAME}`."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise GenieError("a post that is not JSON") from error
    if not isinstance(asked, dict):
        raise GenieError("a post that asks for no game")
    if "link" in asked:
        return starts.from_link(asked["link"])
    return starts.from_shipped(asked.get("picture", ""), asked.get("world", starts.worlds.title))
