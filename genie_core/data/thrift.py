"""Thrift's compact protocol, in which Parquet files describe themselves: wanted fields are read, others passed over.

Source: thrift-compact-protocol.md of Apache Thrift.
"""

from __future__ import annotations

from typing import Any

from genie_core.limits import FOOTER_DEPTH, FOOTER_STRUCTS

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
Wanted = dict[int, "tuple[int, Wanted | None]"]
"""The fields that are wanted of a struct, by number: the kind of each, and what is wanted of the structs in it."""


class Thrift:
    """Bytes in the compact protocol, read from `at` on. Raises ValueError or IndexError for all else."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at, self._structs = data, 0, 0

    def struct(self, wanted: Wanted, depth: int = 0) -> dict[int, Any]:
        """Those of the wanted fields that are there, by number. One of another kind is not there, as for Arrow."""
        self._structs += 1
        if depth > FOOTER_DEPTH or self._structs > FOOTER_STRUCTS:
            raise ValueError("it is nested too deep, or has too many parts")
        found, number = {}, 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._whole()
            wanted_kind, inside = wanted.get(number, (0, None))
            if kind == wanted_kind:
                found[number] = self._value(kind, inside, depth, keep=True)
            elif kind not in (TRUE, FALSE):  # which are in the head
                self._value(kind, None, depth, keep=False)
        return found

    def _value(self, kind: int, inside: Wanted | None, depth: int, keep: bool) -> Any:
        if kind in (I16, I32, I64):
            return self._whole()
        if kind == STRUCT:
            return self.struct(inside or {}, depth + 1)
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            return self._list(inside, depth, keep)
        if kind == MAP:
            return self._map(depth)
        if kind in (TRUE, FALSE, BYTE, DOUBLE):
            return self._bytes(8 if kind == DOUBLE else 1)
        raise ValueError(f"{kind} is no kind of field")

    def _list(self, inside: Wanted | None, depth: int, keep: bool) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        found = []
        for _ in range(count):  # each takes a byte at least
            value = self._value(head & 15, inside, depth + 1, keep)
            if keep:
                found.append(value)
        return found

    def _map(self, depth: int) -> None:
        count = self._varint()
        kinds = self._byte() if count else 0
        for _ in range(count):
            self._value(kinds >> 4, None, depth + 1, keep=False)
            self._value(kinds & 15, None, depth + 1, keep=False)

    def _byte(self) -> int:
        value = self._data[self.at]
        self.at += 1
        return value

    def _bytes(self, count: int) -> bytes:
        found = self._data[self.at : self.at + count]
        self.at += count
        if self.at > len(self._data):
            raise ValueError("it ends within a value")
        return found

    def _whole(self) -> int:
        """A signed number."""
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError("a number has over 64 bits")
