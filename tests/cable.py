"""A cable between a browser and a server, for tests to pull: a TCP forwarder on a port of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cable:
    """Forwards `port` to another port of this machine. While it is pulled, nothing passes and nobody is told."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._whole = threading.Event()
        self._whole.set()
        self._ends: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        """What was connected before has timed out meanwhile."""
        self.cut()
        self._whole.set()

    def go_on(self) -> None:
        """It was a stall: what waited passes now."""
        self._whole.set()

    def cut(self) -> None:
        """Ends all connections, as a program that is killed does."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._door.close()
        self.mend()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._door.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._ends.append(near)
        self._whole.wait()
        with contextlib.suppress(OSError):
            far = socket.create_connection(("127.0.0.1", self._to))
            self._ends.append(far)
            threading.Thread(target=self._relay, args=(far, near), daemon=True).start()
            self._relay(near, far)

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cable_to(url: str) -> Iterator[Cable]:
    """A cable to the server at `http://127.0.0.1:PORT`."""
    cable = Cable(int(url.rsplit(":", 1)[1]))
    try:
        yield cable
    finally:
        cable.close()
