"""Who may come in, over which connection, and whose word is taken for where it comes from."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from app.web import limits
from app.web.game_starts import whole
from app.web.proxy import TrustedProxy
from app.web.server import listen
from app.web.share import pack_picture, read_link, unpack_picture
from app.web.turns import Turns
from genie_core.errors import GenieError, SessionError


@pytest.mark.parametrize(
    ("peer", "trusted", "client", "told"),
    [
        ("10.0.0.1", None, "10.0.0.1", False),
        ("127.0.0.1", None, "6.6.6.6", True),
        ("10.0.0.1", "10.0.0.1", "6.6.6.6", True),
        ("127.0.0.1", "10.0.0.1", "127.0.0.1", False),
    ],
)
def test_only_a_trusted_proxy_tells_of_the_client_and_of_the_path(
    monkeypatch: pytest.MonkeyPatch, peer: str, trusted: str | None, client: str, told: bool
) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    seen: dict[str, Any] = {}

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.update(scope)

    headers = [(b"host", b"demo"), (b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-prefix", b"/evil")]
    scope = {"type": "http", "client": (peer, 1), "headers": headers}
    asyncio.run(TrustedProxy(app)(scope, None, None))
    assert seen["client"][0] == client
    assert ((b"x-forwarded-prefix", b"/evil") in seen["headers"]) is told
    assert (b"host", b"demo") in seen["headers"]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_two_colons_are_all_addresses() -> None:
    with listen("::", 0) as door:
        port = door.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=10).close()


def test_an_address_that_cannot_be_had_is_told() -> None:
    with pytest.raises(GenieError, match="no address of this machine"):
        listen("192.0.2.1", 0)
    with listen("127.0.0.1", 0) as door, pytest.raises(GenieError, match="--port"):
        listen("127.0.0.1", door.getsockname()[1])


def test_clients_take_turns_and_none_queues_for_ever() -> None:
    order: list[str] = []

    async def play() -> None:
        turns = Turns()

        async def work(client: str) -> None:
            async with turns.of(client):
                order.append(client)
                await asyncio.sleep(0)

        greedy = [asyncio.create_task(work("greedy")) for _ in range(limits.ROLLOUTS_WAITING + 1)]
        one_too_many, other = asyncio.create_task(work("greedy")), asyncio.create_task(work("other"))
        await asyncio.sleep(0)
        greedy[3].cancel()
        with pytest.raises(GenieError, match="of your calls wait already"):
            await one_too_many
        await asyncio.gather(*greedy, other, return_exceptions=True)
        await work("later")

    asyncio.run(play())
    assert order.index("other") <= 2 and order[-1] == "later"
    assert order.count("greedy") == limits.ROLLOUTS_WAITING


def test_a_link_holds_a_picture_exactly_and_broken_ones_are_refused() -> None:
    import numpy as np

    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    letters = pack_picture(frame)
    assert np.array_equal(unpack_picture(letters, (20, 30)), frame)
    link = read_link(f"#w=tiny&s=3&a=6x2.3x1&d={letters}&t=0.5")
    assert (link.world, link.seed, link.actions, link.temperature) == ("tiny", 3, [6, 6, 3], 0.5)
    for broken in (letters[:-9], "%%%", "a" * 2000):
        with pytest.raises(SessionError, match="damaged"):
            unpack_picture(broken, (20, 30))
    rest = "&p=pictures/a.png"
    for fragment in (
        *("", "w=tiny", f"w=tiny&d={letters}{rest}", f"w=tiny&a=6{rest}", f"w=tiny&a=6x99999.1x99999{rest}"),
        *(f"w=tiny&s=-1{rest}", f"w=tiny&k=99{rest}", f"w=tiny&t=nan{rest}", f"w=tiny&s=1e3{rest}", "x" * 10**6, 7),
    ):
        with pytest.raises(SessionError, match="damaged"):
            read_link(fragment)


@pytest.mark.parametrize("seed", [None, 2.7, -3, 3e9, True, "1", float("nan")])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(GenieError, match="whole number from 0 to"):
        whole(seed)
