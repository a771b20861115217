"""A page's connection: a WebSocket, or, where WebSockets are blocked, repeated requests over plain HTTP."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import HTTPException, Request, Response, WebSocket, WebSocketDisconnect

from app.web import told
from app.web.guest import Guest
from app.web.guests import Guests
from app.web.limits import BEAT_SECONDS, MESSAGES_A_SECOND
from app.web.outbox import Item, Outbox
from app.web.protocol import Frame, OutOfRange, ProtocolError, parse
from genie_core.errors import GenieError

BY_US, NOT_UNDERSTOOD = 4000, 1008  # close codes of a WebSocket
WAIT_SECONDS = 1.0  # for news, before a request is answered without any
PART = struct.Struct(">IB")  # of an answer over HTTP: length, then 1 for a frame or 0 for a message
OVER = "this game is over; press Play to begin one"

encoders = ThreadPoolExecutor(2, "encode")  # neither the engine's thread nor the event loop waits for a PNG


async def serve_socket(guests: Guests, token: str, socket: WebSocket) -> None:
    """Talks to a page until the page, another page of the same game, or the guest leaves."""
    await socket.accept()
    guest = guests.find(token)
    if guest is None:
        return await _close(socket, BY_US, OVER)
    try:
        outbox = guests.enter(guest, _client(socket), _shown(socket.query_params))
    except GenieError as error:
        return await _close(socket, BY_US, str(error), "back")
    reading = asyncio.create_task(_read(guests, guest, outbox, socket))
    writing = asyncio.create_task(_write(outbox, socket))
    try:
        done, _ = await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        fault = next((task.exception() for task in done if task.exception()), None)
    finally:
        guests.disconnect(guest, outbox)
        reading.cancel()
        writing.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)
    if isinstance(fault, ProtocolError):
        guests.leave(guest, str(fault))
        await _close(socket, NOT_UNDERSTOOD, str(fault))
    elif fault is not None and not isinstance(fault, WebSocketDisconnect):
        raise fault


async def _read(guests: Guests, guest: Guest, outbox: Outbox, socket: WebSocket) -> None:
    while True:
        received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            return
        if received.get("text") is None:
            raise ProtocolError("a message of bytes, expected text")
        _take(guests, guest, outbox, received["text"])


def _take(guests: Guests, guest: Guest, outbox: Outbox, text: str) -> None:
    if not guest.messages.take(1):
        raise ProtocolError(f"over {MESSAGES_A_SECOND} messages a second")
    try:
        guests.receive(guest, outbox, parse(text))
    except OutOfRange as error:
        outbox.put({"say": str(error), "kind": "refused"})


async def _write(outbox: Outbox, socket: WebSocket) -> None:
    try:
        while True:
            items = await outbox.take(BEAT_SECONDS)
            for item in items:
                if isinstance(item, Frame):
                    await socket.send_bytes(await _encode(item))
                else:
                    await socket.send_text(json.dumps(item))
            if outbox.closed is not None:
                return await _close(socket, BY_US, outbox.closed, outbox.then)
            if not items:
                await socket.send_text('{"beat": true}')
    except (WebSocketDisconnect, RuntimeError, OSError):
        return  # the page left in the middle of a message: starlette raises any of these


async def _close(socket: WebSocket, code: int, why: str, then: str = "end") -> None:
    why = told.for_visitors(why)
    try:
        await socket.send_text(json.dumps({"bye": why, "then": then}))
        await socket.close(code, why.encode()[:120].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError, OSError):
        return


async def answer_poll(guests: Guests, token: str, request: Request) -> Response:
    """Takes a list of messages; answers with all the news, and without `?wait=0` waits for some.

    A page's first post after a connection broke has the number of the frame that it showed last, as `?shown=N`.
    """
    guest = guests.find(token)
    if guest is None:
        raise HTTPException(404, OVER)
    try:
        texts = _messages(await request.body())
        if guest.ticket is None or guest.away_since is not None or "shown" in request.query_params:
            guests.enter(guest, _client(request), _shown(request.query_params))
        outbox = guest.outbox
        guest.polled = time.monotonic()
        for text in texts:
            _take(guests, guest, outbox, text)
    except ProtocolError as error:
        guests.leave(guest, str(error))
        raise HTTPException(400, str(error)) from error
    except GenieError as error:
        raise HTTPException(409, told.for_visitors(str(error))) from error
    if request.query_params.get("wait") == "0":
        return Response(b"")
    items = await outbox.take(WAIT_SECONDS)
    guest.polled = time.monotonic()
    if not items and outbox.closed is not None:
        items = [{"bye": told.for_visitors(outbox.closed), "then": outbox.then}]
    return Response(b"".join([await _part(item) for item in items]), media_type="application/octet-stream")


def _messages(body: bytes) -> list[str]:
    try:
        texts = json.loads(body or b"[]")
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a post that is not JSON") from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ProtocolError("a post that is not a list of messages")
    return texts


def _client(connection: WebSocket | Request) -> str:
    return connection.client.host if connection.client is not None else ""


def _shown(query: Mapping[str, Any]) -> int:
    """The number in `?shown=N`; 0 if there is none."""
    text = query.get("shown", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0


async def _part(item: Item) -> bytes:
    content = await _encode(item) if isinstance(item, Frame) else json.dumps(item).encode()
    return PART.pack(len(content), isinstance(item, Frame)) + content


async def _encode(frame: Frame) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(encoders, frame.encode)
