"""A page's connection: a WebSocket, or, where WebSockets are blocked, repeated requests over plain HTTP."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import HTTPException, Request, Response, WebSocket, WebSocketDisconnect

from app.web.guests import Guest, Guests
from app.web.limits import MESSAGES_A_SECOND
from app.web.outbox import Item
from app.web.protocol import Frame, OutOfRange, ProtocolError, parse
from genie_core.errors import GenieError

BY_US, NOT_UNDERSTOOD = 4000, 1008  # close codes of a WebSocket
WAIT_SECONDS = 1.0  # for news, before a request is answered without any
PART = struct.Struct(">IB")  # of an answer over HTTP: length, then 1 for a frame or 0 for a message

encoders = ThreadPoolExecutor(2, "encode")  # neither the engine's thread nor the event loop waits for a PNG


class MessageRate:
    """Counts messages; raises ProtocolError for more a second than any page sends."""

    def __init__(self) -> None:
        self._left, self._at = float(MESSAGES_A_SECOND), time.monotonic()

    def count(self) -> None:
        now = time.monotonic()
        gained = (now - self._at) * MESSAGES_A_SECOND
        self._left, self._at = min(self._left + gained, 2.0 * MESSAGES_A_SECOND) - 1, now
        if self._left < 0:
            raise ProtocolError(f"over {MESSAGES_A_SECOND} messages a second")


async def serve_socket(guests: Guests, token: str, socket: WebSocket) -> None:
    """Talks to a page until the page or the guest leaves; then the seat is free."""
    await socket.accept()
    guest = guests.find(token)
    if guest is None:
        return await _close(socket, BY_US, "this game is over; press Play to begin one")
    try:
        guests.enter(guest)
    except GenieError as error:
        return await _close(socket, BY_US, str(error))
    reading = asyncio.create_task(_read(guests, guest, socket))
    writing = asyncio.create_task(_write(guest, socket))
    try:
        done, _ = await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        fault = next((task.exception() for task in done if task.exception()), None)
    finally:
        guests.leave(guest, "the page has gone")
        reading.cancel()
        writing.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)
    if isinstance(fault, ProtocolError):
        await _close(socket, NOT_UNDERSTOOD, str(fault))
    elif fault is not None and not isinstance(fault, WebSocketDisconnect):
        raise fault


async def _read(guests: Guests, guest: Guest, socket: WebSocket) -> None:
    rate = MessageRate()
    while True:
        received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            return
        rate.count()
        if received.get("text") is None:
            raise ProtocolError("a message of bytes, expected text")
        _take(guests, guest, received["text"])


def _take(guests: Guests, guest: Guest, text: str) -> None:
    try:
        guests.receive(guest, parse(text))
    except OutOfRange as error:
        guest.outbox.put({"say": str(error), "kind": "refused"})


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
        return  # the page left in the middle of a message: starlette raises any of these


async def _close(socket: WebSocket, code: int, why: str) -> None:
    try:
        await socket.send_text(json.dumps({"bye": why}))
        await socket.close(code, why.encode()[:120].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError, OSError):
        return


async def answer_poll(guests: Guests, token: str, request: Request) -> Response:
    """Takes a list of messages; answers with all the news, and without `?wait=0` waits for some."""
    guest = guests.find(token)
    if guest is None:
        raise HTTPException(404, "this game is over; press Play to begin one")
    try:
        texts = _messages(await request.body())
        guest.polled = time.monotonic()
        if guest.ticket is None:
            guests.enter(guest)
        for text in texts:
            _take(guests, guest, text)
    except GenieError as error:
        guests.leave(guest, str(error))
        raise HTTPException(400, str(error)) from error
    if request.query_params.get("wait") == "0":
        return Response(b"")
    items = await guest.outbox.take(WAIT_SECONDS)
    guest.polled = time.monotonic()
    if not items and guest.outbox.closed is not None:
        items = [{"bye": guest.outbox.closed}]
    return Response(b"".join([await _part(item) for item in items]), media_type="application/octet-stream")


def _messages(body: bytes) -> list[str]:
    try:
        texts = json.loads(body or b"[]")
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a post that is not JSON") from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ProtocolError("a post that is not a list of messages")
    return texts


async def _part(item: Item) -> bytes:
    content = await _encode(item) if isinstance(item, Frame) else json.dumps(item).encode()
    return PART.pack(len(content), isinstance(item, Frame)) + content


async def _encode(frame: Frame) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(encoders, frame.encode)
