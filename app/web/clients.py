"""What one client takes of the server: its work, room for uploads, requests open at once. Lives on the event loop.

A client is an address; of IPv6, a network of the size that one household gets.
"""

from __future__ import annotations

import ipaddress
import time

from app.web import limits

FORGET_FROM = 1000  # clients: more are looked through for those who have left


class Bucket:
    """Holds up to `most`, and gains `a_second`."""

    def __init__(self, most: float, a_second: float) -> None:
        self._most, self._a_second = most, a_second
        self._left, self._at = most, time.monotonic()

    def take(self, amount: float) -> bool:
        """Takes `amount`; False, and takes nothing, if less is there."""
        now = time.monotonic()
        self._left, self._at = min(self._most, self._left + (now - self._at) * self._a_second), now
        enough = self._left >= amount
        self._left -= amount if enough else 0
        return enough

    @property
    def full(self) -> bool:
        return self.take(0) and self._left == self._most


class Client:
    """`work` in milliseconds of the server's time, `uploads` in bytes; `open` counts requests and sockets."""

    def __init__(self) -> None:
        self.work = Bucket(limits.WORK_MS, limits.WORK_MS_A_SECOND)
        self.uploads = Bucket(limits.UPLOADED_BYTES, limits.UPLOADED_BYTES_A_SECOND)
        self.open = 0


class Clients:
    """Those who came of late, by `household`."""

    def __init__(self) -> None:
        self._known: dict[str, Client] = {}
        self._forget_from = FORGET_FROM

    def __len__(self) -> int:
        return len(self._known)

    def of(self, name: str) -> Client:
        if name not in self._known:
            if len(self._known) >= self._forget_from:
                self._forget()
            self._known[name] = Client()
        return self._known[name]

    def _forget(self) -> None:
        """Drops those who would be let in like new ones."""
        self._known = {
            name: each for name, each in self._known.items() if each.open or not (each.work.full and each.uploads.full)
        }
        self._forget_from = max(FORGET_FROM, 2 * len(self._known))


def household(host: str) -> str:
    """The client that an address belongs to."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, limits.IPV6_BITS), strict=False).network_address)
