"""A guest's connection, by WebSocket or, where those are blocked, by asking again and again over plain HTTP."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import HTTPException, Request, Response, WebSocket, WebSocketDisconnect

from app.web.guests import Guest, House
from app.web.outbox import Item
from app.web.protocol import Frame, WireError, parse
from genie_core.errors import GenieError

BY_US, NOT_UNDERSTOOD = 4000, 1008  # codes of closing a socket
MOST_MESSAGES_A_SECOND = 300
MOST_POSTED = 32_768  # bytes
WAIT_SECONDS = 1.0  # for news, before a page without a socket is answered with none
PART = struct.Struct(">IB")  # of an answer over HTTP: length, and 1 for a frame or 0 for words

encoders = ThreadPoolExecutor(2, "encode")  # not the engine's thread, nor the loop's: pictures cost neither a tick


class Flood:
    """Counts messages; raises WireError for more a second than any page sends."""

    def __init__(self) -> None:
        self._left, self._at = float(MOST_MESSAGES_A_SECOND), time.monotonic()

    def count(self, messages: int = 1) -> None:
        now = time.monotonic()
        gained = (now - self._at) * MOST_MESSAGES_A_SECOND
        self._left, self._at = min(self._left + gained, 2.0 * MOST_MESSAGES_A_SECOND) - messages, now
        if self._left < 0:
            raise WireError(f"over {MOST_MESSAGES_A_SECOND} messages a second")


async def serve_socket(house: House, token: str, socket: WebSocket) -> None:
    """Talks to a page until it or the guest leaves; then the seat is free."""
    await socket.accept()
    guest = house.find(token)
    if guest is None:
        return await _close(socket, BY_US, "this game is over; press Play to begin one")
    try:
        house.enter(guest)
    except GenieError as error:
        return await _close(socket, BY_US, str(error))
    reading = asyncio.create_task(_read(house, guest, socket))
    writing = asyncio.create_task(_write(guest, socket))
    try:
        done, _ = await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        fault = next((task.exception() for task in done if task.exception()), None)
    finally:
        house.leave(guest, "the page has gone")
        reading.cancel()
        writing.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)
    if isinstance(fault, WireError):
        await _close(socket, NOT_UNDERSTOOD, str(fault))
    elif fault is not None and not isinstance(fault, WebSocketDisconnect):
        raise fault


async def _read(house: House, guest: Guest, socket: WebSocket) -> None:
    flood = Flood()
    while True:
        received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            return
        flood.count()
        if received.get("text") is None:
            raise WireError("a message of bytes, expected text")
        house.receive(guest, parse(received["text"]))


async def _write(guest: Guest, socket: WebSocket) -> None:
    try:
        while True:
            for item in await guest.outbox.take():
                if isinstance(item, Frame):
                    await socket.send_bytes(await _encode(item))
                else:
                    await socket.send_text(json.dumps(item))
            if guest.outbox.closed is not None:
                return await _close(socket, BY_US, guest.outbox.closed)
    except (WebSocketDisconnect, RuntimeError, OSError):
        return  # gone in the middle of a message: starlette says so in either of these ways


async def _close(socket: WebSocket, code: int, why: str) -> None:
    try:
        await socket.send_text(json.dumps({"bye": why}))
        await socket.close(code, why.encode()[:120].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError, OSError):
        return


async def answer_poll(house: House, token: str, request: Request) -> Response:
    """Takes a list of messages; answers with all the news, and without `?wait=0` waits for some."""
    guest = house.find(token)
    if guest is None:
        raise HTTPException(404, "this game is over; press Play to begin one")
    try:
        texts = await _posted(request)
        guest.polled = time.monotonic()
        if guest.ticket is None:
            house.enter(guest)
        for text in texts:
            house.receive(guest, parse(text))
    except GenieError as error:
        house.leave(guest, str(error))
        raise HTTPException(400, str(error)) from error
    if request.query_params.get("wait") == "0":
        return Response(b"")
    items = await guest.outbox.take(WAIT_SECONDS)
    guest.polled = time.monotonic()
    if not items and guest.outbox.closed is not None:
        items = [{"bye": guest.outbox.closed}]
    return Response(b"".join([await _part(item) for item in items]), media_type="application/octet-stream")


async def _posted(request: Request) -> list[str]:
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > MOST_POSTED:
        raise WireError(f"a post of {length or 'unknown'} bytes, at most {MOST_POSTED} are read")
    try:
        texts = json.loads(await request.body() or b"[]")
    except (ValueError, RecursionError) as error:
        raise WireError("a post that is not JSON") from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise WireError("a post that is not a list of messages")
    return texts


async def _part(item: Item) -> bytes:
    content = await _encode(item) if isinstance(item, Frame) else json.dumps(item).encode()
    return PART.pack(len(content), isinstance(item, Frame)) + content


async def _encode(frame: Frame) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(encoders, frame.encode)
