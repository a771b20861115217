"""Connections that send nothing, or too many of one client, are closed before they are a request."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from app.web import limits
from app.web.proxy import is_proxy

Protocol: Any = AutoHTTPProtocol  # one of two classes, by what is installed


class PatientForAWhile(Protocol):
    """Waits `limits.HEAD_SECONDS` for the head of each request. A client has at most `limits.CONNECTIONS_A_CLIENT`
    connections; proxies that are trusted have as many as they like."""

    _waiting: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        same = sum(bool(other.client) and other.client[0] == host for other in self.connections)
        if same > limits.CONNECTIONS_A_CLIENT and not is_proxy(host):
            transport.close()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._stop_sending()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not fetch what it is sent."""
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        self._stop_sending()
        super().resume_writing()

    @property
    def _headless(self) -> bool:
        """No request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self._headless:
            self._stop()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(limits.HEAD_SECONDS, self._hang_up)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _watch_sending(self, before: int | None = None) -> None:
        """Hangs up if nothing was fetched since `before` bytes waited."""
        waiting = self.transport.get_write_buffer_size()
        if before is not None and waiting >= before:
            return self.transport.abort()
        self._stop_sending()
        self._sending = self.loop.call_later(limits.SEND_SECONDS, self._watch_sending, waiting)

    def _stop_sending(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _hang_up(self) -> None:
        self._waiting = None
        if self._headless and self.transport.get_protocol() is self:  # a WebSocket has a protocol of its own
            self.transport.abort()
