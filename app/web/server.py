"""The web server: the games' routes, the Gradio app beside them, and the beginning and end of both."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import torch
import uvicorn
import websockets  # noqa: F401  # uvicorn's way to speak WebSocket, which it misses silently
from fastapi import FastAPI, HTTPException, Request, Response, WebSocket

from app.web.downloads import KINDS, download
from app.web.guests import House
from app.web.loaded_worlds import Library
from app.web.pages import build_pages
from app.web.proxy import UnderPrefix
from app.web.transport import answer_poll, serve_socket
from app.web.view import STATIC
from genie_core.errors import GenieError
from genie_core.world import World

MOST_UPLOADED = "20mb"
HANG_UP_SECONDS, CLOSING_SECONDS = 1.0, 5  # after being told to end: what streams is cut off; nothing is waited for
SANS, MONO = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # at hand: nothing is fetched from elsewhere
SWITCH_SECONDS = 0.001  # the engine's thread and the event loop take turns so often; Python's 5 ms would be felt


def serve(world: World, root: Path, *, host: str, port: int, seats: int, quiet: bool) -> None:
    """Serves the demo until told to end. `root` is the checkout, with the worlds and pictures that ship.

    Raises GenieError if the port cannot be had.
    """
    try:
        listening = socket.create_server((host, port), backlog=128, reuse_port=False)
    except OSError as error:
        raise GenieError(f"port {port} of {host} cannot be had ({error}); name another with --port") from error
    torch.set_num_threads(1)  # the engine's; the other core is for pictures and the network
    sys.setswitchinterval(SWITCH_SECONDS)
    app = build_app(Library(world, root / "checkpoints", seats), seats, root / "assets")
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws_max_size=4096,
        ws_ping_interval=20,
        ws_per_message_deflate=False,  # PNGs do not become smaller
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )
    if not quiet:
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host
        print(f"{world.name} is open at http://{shown}:{listening.getsockname()[1]} (end with Ctrl-C)", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn's own handler ends the server, and then calls this one
    Server(config).run(sockets=[listening])


class Server(uvicorn.Server):
    """Ends in good time: a page that is open has a stream of Gradio's, which would never end by itself."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(HANG_UP_SECONDS, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.close()


def build_app(library: Library, seats: int, pictures: Path) -> FastAPI:
    """The whole as an ASGI app."""
    house = House(seats)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await house.start()
        yield
        await house.stop()

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(UnderPrefix)
    app.state.house = house
    _add_routes(app, house)
    return gr.mount_gradio_app(
        app,
        build_pages(house, library, pictures),
        path="/",
        ssr_mode=False,  # it would swallow the WebSockets
        run_history=False,
        footer_links=["api"],
        max_file_size=MOST_UPLOADED,
        theme=gr.themes.Soft(font=SANS, font_mono=MONO),
        head=f"<style>{(STATIC / 'pages.css').read_text(encoding='utf-8')}</style>",  # `css` reaches no container
        root_path=os.environ.get("GRADIO_ROOT_PATH"),  # for a proxy that does not say under which path it serves
    )


def _add_routes(app: FastAPI, house: House) -> None:
    @app.get("/healthz")
    async def health() -> dict[str, Any]:
        return house.health()

    @app.websocket("/play/{token}")
    async def play(socket: WebSocket, token: str) -> None:
        await serve_socket(house, token, socket)

    @app.post("/play/{token}")
    async def poll(request: Request, token: str) -> Response:
        return await answer_poll(house, token, request)

    @app.post("/play/{token}/leave")
    async def leave(token: str) -> None:
        guest = house.find(token)
        if guest is not None:
            house.leave(guest, "the page has gone")

    @app.get("/play/{token}/play.{kind}")
    async def file(token: str, kind: str) -> Response:
        guest = house.find(token)
        if guest is None or kind not in KINDS:
            raise HTTPException(404, "there is no such playthrough (any more)")
        try:
            content = await download(house, guest, kind)
        except GenieError as error:
            raise HTTPException(409, str(error)) from error
        headers = {"Content-Disposition": f'attachment; filename="play.{kind}"'}
        return Response(content, media_type=KINDS[kind], headers=headers)
