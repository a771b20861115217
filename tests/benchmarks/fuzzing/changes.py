"""Ways to damage bytes, texts and JSON. All chance comes from one generator."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

NUMBERS = [0, 1, 2, 7, 8, 15, 31, 32, 40, 64, 127, 128, 191, 192, 193, 255, 256, 2**15, 2**16 - 1, 2**24, 2**31 - 1]
NUMBERS += [2**31, 2**32 - 1, 2**63 - 1]
VALUES: list[Any] = [None, True, False, *NUMBERS, -1, 90, 91, 10**30, 10**400, 1e308, -1e-300, 0.5, float("nan")]
VALUES += [float("inf"), "", "x", "../x.npy", "/etc/passwd", "frames-00000.npy", "a" * 300, "\x00", "é\ud800"]
VALUES += ["\x1b[2J", [], {}, [8, 8], [8], [[]], {"path": "/etc/passwd"}]
DEEP = 3000  # brackets, more than Python's parsers can nest
Change = Callable[[random.Random], bytes]


def other_bytes(rng: random.Random, before: bytes) -> bytes:
    """Changed in one to thirty places, most of them where files have their structure: at the beginning and the end."""
    body = bytearray(before)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8, 30])):
        if not body:
            break
        size, digits = len(body), [at for at in range(min(len(body), 200)) if 48 <= body[at] <= 57]
        at = rng.choice([rng.randrange(size), rng.randrange(min(size, 160)), size - 1 - rng.randrange(min(size, 600))])
        width, other = rng.choice([1, 2, 4, 8]), rng.randrange(size)
        change = rng.randrange(8)
        if change == 0:
            body[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del body[at : at + rng.choice([1, 2, 4, 8, 100, size])]
        elif change == 2:
            body[at:at] = rng.randbytes(rng.choice([1, 2, 4, 16]))
        elif change == 3:
            number = rng.choice(NUMBERS) % (1 << 8 * width)
            body[at : at + width] = number.to_bytes(width, rng.choice(["little", "big"]))
        elif change == 4:
            body[at : at + 8 * width] = body[other : other + 8 * width]
        elif change == 5:
            del body[at:]
        elif change == 6:
            body += body[at : at + rng.choice([10, 1000])]
        elif digits:
            place = rng.choice(digits)
            body[place : place + 1] = rng.choice([b"0", b"9", b"9" * 9, b"-1", b"1e9", b"7"])
    return bytes(body)


def other_json(rng: random.Random, before: bytes) -> bytes:
    """One to three values left out, added, moved a little or replaced by any other; now and then nested too deeply."""
    try:
        told = json.loads(before)
    except (ValueError, RecursionError):
        return other_bytes(rng, before)
    return json.dumps(other_value(rng, told)).encode("utf-8", "surrogatepass")


def other_value(rng: random.Random, told: Any) -> Any:
    """A JSON value, which is changed in place, or another in its stead."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        places = list(inside(told))
        if not places or rng.random() < 0.01:
            told = copy.deepcopy(rng.choice(VALUES))
            continue
        holder, key = rng.choice(places)
        change, value = rng.randrange(5), copy.deepcopy(rng.choice(VALUES))
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, list):
            holder.insert(key, value)
        elif change == 1 and isinstance(holder, dict):
            holder[rng.choice(["", "x", "path", *map(str, holder)])] = value
        elif change == 2 and type(holder[key]) is int and abs(holder[key]) < 2**63:
            before = holder[key]
            holder[key] = rng.choice([before + 1, before - 1, 2 * before, -before, float(before), str(before)])
        elif change == 3:  # as from another place
            other, name = rng.choice(places)
            if name in other if isinstance(other, dict) else name < len(other):
                holder[key] = copy.deepcopy(other[name])
        else:
            holder[key] = value
    return told


def inside(told: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a JSON value, as what holds it and the key there."""
    if isinstance(told, dict | list):
        for key in list(told) if isinstance(told, dict) else range(len(told)):
            yield told, key
            yield from inside(told[key])


def other_text(rng: random.Random, before: str, words: Sequence[str]) -> bytes:
    """Pieces left out, doubled, moved and put in, the `words` of a language among them; now and then other bytes."""
    text = before
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        at, other = (rng.randrange(len(text) + 1) for _ in range(2))
        length = rng.choice([1, 1, 2, 5, 20])
        change = rng.randrange(7)
        if change == 0:
            text = text[:at] + text[at + length :]
        elif change == 1:
            text = text[:at] + text[other : other + length] + text[at:]
        elif change in (2, 3):
            text = text[:at] + rng.choice(words) + text[at + rng.choice([0, length]) :]
        elif change == 4:
            text = text[:at] + str(rng.choice(VALUES))[:500] + text[at + rng.choice([0, length]) :]
        elif change == 5:
            text = text[:at] + chr(rng.choice([0, 9, 10, 34, 44, 92, 0xB2, 0x661, 0x2028, 0xFFFF, 0x1F600])) + text[at:]
        elif rng.random() < 0.1:
            opening, closing = rng.choice(["[]", "{}", "()"])
            text = text[:at] + opening * DEEP + closing * DEEP + text[at:]
    content = text.encode("utf-8", "surrogatepass")
    return other_bytes(rng, content) if rng.random() < 0.05 else content
