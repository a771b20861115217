"""Strangers ask the server for its own files, for addresses, for endless and for giant ones, through real HTTP.

Each request is refused in one sentence, which is the same whether the file exists or not. Nothing is copied, the
server's memory stays flat, and another player goes on playing.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

import httpx
from webdemo import PATIENCE, Demo, Page, as_command, free_port, wait_for

from app.web.limits import POST_BYTES, REQUEST_BYTES
from app.web.uploads import NOT_UPLOADED, is_upload

pytestmark = pytest.mark.slow
MOST_GROWTH_MB = 100  # of the server's peak memory, while it refuses; one decoded drawing would take 500
FRAMES = 20  # of the other player, during each series of attacks
SERIES = 5
WAYS = ["queue", "call", "call/v2"]


class Stranger:
    """Sends what no page of ours sends."""

    def __init__(self, demo: Demo, folder: Path) -> None:
        self.demo, self.folder = demo, folder
        self.http = httpx.Client(base_url=demo.url, timeout=PATIENCE)
        self._config = self.http.get("/config").json()
        self._session = 0

    def inputs(self, function: dict[str, Any]) -> list[str]:
        kinds = {each["id"]: each["type"] for each in self._config["components"]}
        return [kinds[each] for each in function["inputs"]]

    def function(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """A function with an input of this kind, or the endpoint of this name."""
        return next(
            each
            for each in self._config["dependencies"]
            if each["api_name"] == name or (name is None and kind in self.inputs(each))
        )

    def files(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if path.is_file()}

    def peak_mb(self) -> float:
        status = Path(f"/proc/{self.demo.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1000

    def queue(self, function: dict[str, Any], data: list[Any]) -> str:
        """Everything the queue says to a call of a function."""
        self._session += 1
        session = f"stranger{self._session}"
        body = {"data": data, "fn_index": function["id"], "session_hash": session}
        answer = self.http.post("/gradio_api/queue/join", json=body)
        if answer.status_code != 200:
            return answer.text
        said = ""
        with self.http.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as stream:
            for line in stream.iter_lines():
                said += line
                if "process_completed" in line:
                    break
        return said

    def call(self, way: str, name: str, arguments: dict[str, Any]) -> str:
        """Everything an endpoint says, called in one of Gradio's ways."""
        data = list(arguments.values())
        if way == "queue":
            return self.queue(self.function("", name), data)
        body = arguments if way == "call/v2" else {"data": data}
        answer = self.http.post(f"/gradio_api/{way}/{name}", json=body)
        event = answer.json().get("event_id") if answer.status_code == 200 else None
        return answer.text if event is None else self.http.get(f"/gradio_api/call/{name}/{event}").text

    def hand_in(self, kind: str, file: Any) -> str:
        """Everything the page's function says to a file in place of an upload in a component of this kind."""
        function = self.function(kind)
        value = {"background": None, "layers": [], "composite": None} | file if kind == "imageeditor" else file
        defaults = {"dropdown": "tiny", "number": 0}
        data = [value if each == kind else defaults.get(each) for each in self.inputs(function)]
        if data[-2:] == ["tiny", "tiny"]:
            data[-1] = "crop"
        return self.queue(function, data)

    def upload(self, content: bytes, name: str) -> str:
        answer = self.http.post("/gradio_api/upload", files={"files": (name, content)})
        assert answer.status_code == 200
        return str(answer.json()[0])

    def play(self) -> Page:
        """A game by hand, begun as the button Play does; its key is held, for a picture of one's own waits for one."""
        said = self.hand_in("image", named(self.upload(png(np.full((32, 32, 3), 90, np.uint8)), "grey.png")))
        token = said.split('"token":')[1].split('"')[1]
        page = Page(self.demo, token)
        page.word("hello")
        page.send("key", code="ArrowRight", down=True, number=1)
        return page


@pytest.fixture(scope="module")
def stranger(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    port, folder = free_port(), tmp_path_factory.mktemp("demo")
    words = ["--web", "--port", str(port), "--max-players", "2", "--world", str(tiny_world), "--quiet"]
    with as_command(words, folder, port) as demo:
        stranger = Stranger(demo, folder / "gradio")
        yield stranger
        stranger.http.close()
    assert stranger.files() == set(), "uploads go with the process"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the uploads, with a good picture, video and session file."""
    folder = tmp_path_factory.mktemp("secrets")
    Image.new("RGB", (32, 32), (250, 10, 20)).save(folder / "secret.png")
    for name in ("secret.mp4", "secret.genie"):
        (folder / name).write_bytes(b"secret")
    return folder


def named(path: Any, **more: Any) -> dict[str, Any]:
    """A file as Gradio's messages name one."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}} | more


def png(picture: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def paths(secrets: Path, suffix: str) -> list[Any]:
    """There, not there, a folder, an endless device, a way out of the uploads, and an address."""
    secret = str(secrets / f"secret.{suffix}")
    uploads = "/gradio/../" * 3
    return [
        secret,
        secret + "x",
        str(secrets),
        "/dev/zero",
        uploads + secret,
        f"file://{secret}",
        "http://127.0.0.1:9/a",
    ]


PARTS: dict[str, Callable[[Any], Any]] = {
    "background": lambda file: {"background": file},
    "composite": lambda file: {"composite": file},
    "layer": lambda file: {"layers": [file]},
}


def plays_on(page: Page, attack: Callable[[], None]) -> None:
    """A page gets its frames while the attack goes on, again and again."""
    done: list[int] = []

    def attacks() -> None:
        for _ in range(SERIES):
            attack()
            done.append(len(page.frames))

    thread = threading.Thread(target=attacks)
    thread.start()
    page.play(FRAMES)
    thread.join(PATIENCE)
    assert len(done) == SERIES, "each attack is answered"
    page.play(1)


# ---- files of the server


@pytest.mark.parametrize(
    ("kind", "suffix"), [("image", "png"), ("video", "mp4"), ("file", "genie"), *((part, "png") for part in PARTS)]
)
def test_no_file_of_the_server_is_read_by_its_path(stranger: Stranger, secrets: Path, kind: str, suffix: str) -> None:
    before = stranger.files()
    answers = set()
    for path in paths(secrets, suffix):
        for file in (named(path), named(path, is_stream=True), named(path, url=f"http://127.0.0.1:9/{suffix}")):
            component, value = ("imageeditor", PARTS[kind](file)) if kind in PARTS else (kind, file)
            said = stranger.hand_in(component, value)
            assert NOT_UPLOADED in said and str(secrets) not in said, path
            answers.add(said.split('"output"')[1].split('"duration"')[0])
    assert len(answers) == 1, "the same for every path"
    assert stranger.files() == before, "nothing was copied"


@pytest.mark.parametrize("way", WAYS)
def test_no_endpoint_reads_a_file_by_its_path(stranger: Stranger, secrets: Path, way: str) -> None:
    before = stranger.files()
    for path in paths(secrets, "png"):
        for name, arguments in (
            ("start", {"image": named(path), "world": "tiny", "seed": 0}),
            ("rollout", {"image": named(path), "actions": "0*3", "world": "tiny", "seed": 0}),
            ("start", {"image": None, "world": named(path), "seed": 0}),
            ("step", {"token": {"a": [named(path)]}, "action": "0"}),
        ):
            said = stranger.call(way, name, arguments)
            assert NOT_UPLOADED in said and str(secrets) not in said, (name, path)
    assert stranger.files() == before
    assert stranger.demo.health()["players"] == 0


def test_a_link_among_the_uploads_leads_nowhere(stranger: Stranger, secrets: Path) -> None:
    upload = Path(stranger.upload(png(np.full((32, 32, 3), 90, np.uint8)), "way-out.png"))
    upload.unlink()
    upload.symlink_to(secrets / "secret.png")
    refused(stranger.hand_in("image", named(str(upload))))
    upload.unlink()


def test_uploads_to_other_programs_are_theirs(stranger: Stranger) -> None:
    other = stranger.folder / "0123" / "picture.png"
    other.parent.mkdir()
    other.write_bytes(png(np.full((32, 32, 3), 90, np.uint8)))
    refused(stranger.hand_in("image", named(str(other))))
    other.unlink()


def test_an_endless_file_holds_up_nobody(stranger: Stranger) -> None:
    with stranger.play() as page:
        plays_on(page, lambda: refused(stranger.hand_in("image", named("/dev/zero"))))


def refused(said: str) -> None:
    assert NOT_UPLOADED in said


def test_no_address_is_fetched(stranger: Stranger) -> None:
    asked = []

    class Inside(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Inside)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/metadata.png"
    data = "data:image/png;base64,iVBORw0KGgo="
    for kind in ("image", "video", "file"):
        refused(stranger.hand_in(kind, named(url)))
        refused(stranger.hand_in(kind, named(url, url=url)))
        refused(stranger.hand_in(kind, named(None, url=url)))
        refused(stranger.hand_in(kind, named(data, url=data)))
    server.shutdown()
    server.server_close()
    assert asked == []


def test_other_doors_of_gradio_are_shut(stranger: Stranger) -> None:
    body = {"session_hash": "x", "component_id": 1, "fn_name": "accept_blobs", "data": {}}
    posts = ["component_server", "component_server/", "process_recording", "vibe-edit", "run-history/connect"]
    for path in [*posts, "run/step", "api/step"]:  # the last two would pass by the queue
        assert stranger.http.post(f"/gradio_api/{path}", json=body).status_code == 404
    reads = ["dev/reload", "proxy=http://127.0.0.1:9/", "deep_link?session_hash=x", "profiling/traces", "token"]
    for path in [*(f"/gradio_api/{read}" for read in reads), "/monitoring/summary", "/openapi.json", "/.env"]:
        assert stranger.http.get(path).status_code == 404


# ---- giants


def giant_png(side: int) -> bytes:
    """One-bit black, `side` pixels wide and high: a few kB."""
    rows = zlib.compressobj(9)
    row = b"\0" * (1 + (side + 7) // 8)
    data = b"".join([*(rows.compress(row) for _ in range(side)), rows.flush()])

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("part", ["composite", "image"])
def test_a_giant_drawing_is_refused_before_it_is_decoded(stranger: Stranger, part: str) -> None:
    content = giant_png(13_000)
    assert len(content) < 40_000
    path = stranger.upload(content, "drawing.png")

    def attack() -> None:
        if part == "image":
            said = stranger.hand_in("image", named(path))
        else:
            said = stranger.hand_in("imageeditor", {each: named(path) for each in ("background", "composite")})
        assert "13000×13000 pixels, at most 40 million are read" in said

    with stranger.play() as page:
        before = stranger.peak_mb()
        plays_on(page, attack)
        assert stranger.peak_mb() < before + MOST_GROWTH_MB


@pytest.mark.parametrize("length", [None, 10])
def test_a_post_without_an_honest_length_is_cut_off(stranger: Stranger, length: int | None) -> None:
    token = "x" * 22
    for path, most in ((f"/play/{token}", POST_BYTES), ("/gradio_api/queue/join", REQUEST_BYTES)):
        with stranger.play() as page:
            before = stranger.peak_mb()
            sent = post_chunks(stranger.demo, path, length)
            assert sent < most + 20_000_000, "the server hangs up"
            assert stranger.peak_mb() < before + MOST_GROWTH_MB
            page.play(3)


def post_chunks(demo: Demo, path: str, length: int | None) -> int:
    """Posts up to 200 MB in chunks, under a header that tells another length; how many bytes the server took."""
    chunk = b"x" * 100_000
    headers = [f"POST {path} HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked"]
    headers += [] if length is None else [f"Content-Length: {length}"]
    sent = 0
    with socket.create_connection(("127.0.0.1", int(demo.url.rsplit(":", 1)[1])), timeout=PATIENCE) as way:
        way.sendall("\r\n".join([*headers, "", ""]).encode())
        try:
            while sent < 200_000_000:
                way.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                sent += len(chunk)
        except OSError:
            pass
    return sent


def test_a_call_of_an_endpoint_has_a_size(stranger: Stranger) -> None:
    body = {"data": ["x" * REQUEST_BYTES], "fn_index": 0, "session_hash": "x"}
    assert stranger.http.post("/gradio_api/queue/join", json=body).status_code == 413
    assert stranger.http.post("/play/x", content=b"x" * (POST_BYTES + 1)).status_code == 413


# ---- files that lead elsewhere


@pytest.mark.parametrize("kind", ["absolute", "concat"])
def test_a_playlist_opens_no_other_file(stranger: Stranger, kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    os.mkfifo(secret)  # opening it would wait for ever
    content = {
        "absolute": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\n{secret}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile {secret}\n",
    }[kind]
    for name in ("film.m3u8", "film.mp4"):
        said = stranger.hand_in("video", named(stranger.upload(content.encode(), name)))
        assert "cannot be read as a video" in said and str(tmp_path) not in said


@pytest.mark.parametrize("program", ["(hello) print", "{ } loop"])
def test_a_picture_that_is_a_program_is_not_run(stranger: Stranger, program: str) -> None:
    script = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n{program}\nshowpage\n%%EOF\n"
    with stranger.play() as page:
        path = stranger.upload(script.encode(), "picture.png")
        assert "is not a picture" in stranger.hand_in("image", named(path))
        assert "is not a picture" in stranger.hand_in("imageeditor", {"composite": named(path)})
        page.play(3)


def test_everybody_has_left(stranger: Stranger) -> None:
    wait_for(lambda: stranger.demo.health()["guests"] == 0, "all seats to be free")


def test_only_a_regular_file_of_the_upload_folder_counts_as_uploaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the folder itself, nor a pipe in it, on which a read would wait for ever, nor a file beside it."""
    uploads_folder = tmp_path / "uploads"
    uploads_folder.mkdir()
    monkeypatch.setattr("app.web.uploads.get_upload_folder", lambda: str(uploads_folder))
    (uploads_folder / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").write_bytes(b"b")
    os.mkfifo(uploads_folder / "pipe")
    asked = [uploads_folder / "a.png", uploads_folder, uploads_folder / "pipe", uploads_folder / "../b.png", None, "\0"]
    assert [is_upload(path) for path in asked] == [True, False, False, False, False, False]
