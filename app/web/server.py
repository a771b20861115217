"""The web server: the routes of the games, the Gradio app beside them, and the start and end of both."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import torch
import uvicorn
import websockets  # noqa: F401  # uvicorn's way to speak WebSocket, which it misses silently
from fastapi import FastAPI

from app.play.start_pictures import Prompts
from app.web.attract import Attract
from app.web.connections import PatientForAWhile
from app.web.doors import Doors
from app.web.early import Early
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.headers import Headers
from app.web.limits import MESSAGE_BYTES, UPLOAD_BYTES
from app.web.loaded_worlds import LoadedWorlds
from app.web.pages import build_pages
from app.web.proxy import TrustedProxy, UnderPrefix
from app.web.routes import add_routes
from app.web.upload_folder import UploadFolder, upload_folder
from genie_core.errors import GenieError
from genie_core.world import World

STYLE = Path(__file__).parent / "static" / "pages.css"
HANG_UP_SECONDS, CLOSING_SECONDS = 1.0, 5  # after the signal to end: open streams are cut off, then all else
SANS, MONO = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # on every machine; no font is fetched
SWITCH_SECONDS = 0.001  # between the engine's thread and the event loop; Python's 5 ms would be felt


def serve(world: World, root: Path, *, host: str, port: int, seats: int, quiet: bool) -> None:
    """Serves the demo until the signal to end. `root` is the checkout, with the shipped worlds and pictures.

    Raises GenieError if the port is taken, or no folder for uploads can be made.
    """
    listening = listen(host, port)
    torch.set_num_threads(1)  # the engine's; the other core is for pictures and the network
    sys.setswitchinterval(SWITCH_SECONDS)
    with upload_folder() as folder:
        app = build_app(LoadedWorlds(world, root / "checkpoints", seats), seats, root / "assets", folder)
        threading.Thread(target=app.state.attract.film, daemon=True).start()  # before the first page asks for it
        if not quiet:
            shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host
            shown = f"[{shown}]" if ":" in shown else shown
            print(f"{world.name} is open at http://{shown}:{listening.getsockname()[1]} (end with Ctrl-C)", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn's own handler ends the server, then calls this one
        Server(settings(app)).run(sockets=[listening])


def settings(app: Any) -> uvicorn.Config:
    """How the connections to `app` are kept."""
    return uvicorn.Config(
        app,
        log_level="warning",
        ws_max_size=2 * MESSAGE_BYTES,
        ws_ping_interval=20,
        ws_per_message_deflate=False,  # PNGs do not become smaller
        http=PatientForAWhile,
        proxy_headers=False,  # TrustedProxy reads them
        server_header=False,
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )


def _head() -> str:
    """The page's own style, since `css` reaches no container."""
    return f"<style>{STYLE.read_text(encoding='utf-8')}</style>"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at an address, of IPv4 or IPv6; `::` is both. GenieError says what is wrong with it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128, dualstack_ipv6=host == "::")
    except OSError as error:
        advice = "name another with --port"
        if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            advice = "it is no address of this machine; --host 0.0.0.0 is all of them"
        raise GenieError(f"port {port} of {host} cannot be had ({error.strerror}); {advice}") from error
    except ValueError as error:
        raise GenieError(f"IPv6 cannot be had on this machine ({error}); --host 0.0.0.0 is all of IPv4") from error


class Server(uvicorn.Server):
    """Ends in good time: a page that is open has a stream of Gradio's, which would never end by itself."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(HANG_UP_SECONDS, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.close()


def build_app(worlds: LoadedWorlds, seats: int, pictures: Path, uploads: UploadFolder | None = None) -> FastAPI:
    """The whole as an ASGI app. `uploads` is a folder of its own, if it has one."""
    guests, starts = Guests(seats), GameStarts(worlds, Prompts(pictures))
    attract = Attract(starts)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await guests.start()
        tidying = asyncio.create_task(uploads.watch()) if uploads else None
        yield
        if tidying:
            tidying.cancel()
        await guests.stop()

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_middleware(Doors, **({"has_room": uploads.has_room} if uploads else {}))
    app.add_middleware(Early)
    app.add_middleware(UnderPrefix)
    app.add_middleware(TrustedProxy)
    app.add_middleware(Headers)
    app.state.guests, app.state.attract = guests, attract
    add_routes(app, guests, starts, attract)
    return gr.mount_gradio_app(
        app,
        build_pages(guests, starts),
        path="/",
        ssr_mode=False,  # it would swallow the WebSockets
        run_history=False,
        enable_monitoring=False,  # anybody could read who called what
        footer_links=["api"],
        max_file_size=UPLOAD_BYTES,
        show_error=False,  # a visitor reads our sentences, no exceptions
        theme=gr.themes.Soft(font=SANS, font_mono=MONO),
        head=_head(),
        root_path=os.environ.get("GRADIO_ROOT_PATH"),  # for a proxy that does not say under which path it serves
    )
