"""Worlds from and to a Hub that speaks the real one's protocol, over HTTP, each call in a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import warm_process
from local_hub import TOKEN, LocalHub, Repo, serve
from PIL import Image
from warm_process import Ended

from genie_core.checkpoint import read_config
from genie_core.errors import ConfigError
from genie_core.hub.address import Address, find_address, require_repository
from genie_core.hub.download import FILES as NEEDED
from genie_core.hub.download import GRAPHS

FILES = (*NEEDED, *GRAPHS)  # of a world that brings its graphs
ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "checkpoints" / "coinrun"
WEIGHTS = "dynamics/model.safetensors"
WEIGH = """
import sys
from genie_core.hub.address import find_address
from genie_core.hub.download import weigh
print(*weigh(find_address(sys.argv[1])))
"""
FORGET = """
import sys
from genie_core.hub.cache import forget
forget(*sys.argv[1:])
"""
FETCH = """
import sys
from genie_core.errors import GenieError
from genie_core.hub.address import find_address
from genie_core.hub.download import download
try:
    print(download(find_address(sys.argv[1])))
except GenieError as error:
    sys.exit(f"error: {error}")
"""
UPLOAD = """
from pathlib import Path
from genie_core.errors import GenieError
from genie_core.hub.publish import WORLD, upload
try:
    upload(Path("{}"), {})
except GenieError as error:
    exit(f"error: {{error}}")
"""
LOAD = """
import sys
from genie_core import World
from genie_core.errors import GenieError
try:
    print(World.from_pretrained(sys.argv[1]).name)
except GenieError as error:
    sys.exit(f"error: {error}")
"""


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with serve() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of huggingface_hub's cache and tokens, empty."""
    return tmp_path / "home"


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def repo(hub: LocalHub, tiny_world: Path) -> Repo:
    """ada/tiny, whose newest commit and tag v1 are a world, among files that play does not need."""
    made = hub.repos["ada/tiny"] = Repo()
    made.tags["v1"] = made.commit(contents(tiny_world) | {"notes.txt": b"hello", "old/model.safetensors": b"x"})
    return made


def run(words: list[str], home: Path, url: str, most_bytes: int | None = None, **environment: str) -> Ended:
    """Runs Python with the Hub at `url`; files may get no larger than `most_bytes`, as on a full disk."""
    return warm_process.run(words, ROOT, hub_environment(home, url) | environment, most_bytes)


def hub_environment(home: Path, url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return kept | {
        "HF_HOME": str(home),
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_XET": "1",  # the real Hub's own storage protocol, spoken to no other server
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def fetched(ended: Ended) -> Path:
    assert ended.returncode == 0, ended.stderr
    return Path(ended.stdout.strip())


def refused(ended: Ended, *words: str) -> None:
    """The last line of stderr is an error that says `words`, in one sentence."""
    assert ended.returncode == 1 and "Traceback" not in ended.stderr, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("error: ") and all(word in last for word in words), ended.stderr


def closed_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


# ---- names


@pytest.mark.parametrize(
    ("world", "revision", "address"),
    [
        ("ada/tiny", None, Address("ada/tiny")),
        ("ada/tiny", "v1", Address("ada/tiny", "v1")),
        ("ada/tiny@v1", None, Address("ada/tiny", "v1")),
        ("ada/tiny@v1", "v1", Address("ada/tiny", "v1")),
        ("ada/tiny@refs/pr/1", None, Address("ada/tiny", "refs/pr/1")),
        ("tiny", None, None),
        ("./ada/tiny", None, None),
        ("/ada/tiny", None, None),
        ("runs/easy/world", None, None),
        ("genie_core/hub", None, None),
        (Path("ada/tiny"), None, None),
    ],
)
def test_a_folder_or_an_address(world: str | Path, revision: str | None, address: Address | None) -> None:
    assert find_address(world, revision) == address
    assert address is None or str(address) in (world, f"{world}@{revision}")


@pytest.mark.parametrize(
    ("world", "revision", "words"),
    [("tiny", "v1", "folder"), ("ada/tiny@v1", "v2", "contradict"), ("ada/tiny@", None, "after the @")],
)
def test_addresses_that_make_no_sense(world: str, revision: str | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        find_address(world, revision)


@pytest.mark.parametrize("name", ["tiny", "ada/", "/tiny", "a/b/c", "ada/tiny@v1", ""])
def test_names_to_publish_under(name: str) -> None:
    with pytest.raises(ConfigError, match="OWNER/NAME"):
        require_repository(name)


# ---- download


def test_the_files_needed_are_those_of_a_world(tiny_world: Path) -> None:
    assert {*FILES, "README.md"} == set(contents(tiny_world))


def test_only_the_files_needed_are_fetched_and_only_once(
    hub: LocalHub, repo: Repo, home: Path, tiny_world: Path
) -> None:
    folder = fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url))
    assert contents(folder) == {path: (tiny_world / path).read_bytes() for path in FILES}
    assert {line.split("/resolve/")[1].split()[0].split("/", 1)[1] for line in hub.answered(".*/resolve/.*")} == {
        *FILES
    }
    asked = len(hub.answered("GET .*(resolve|store).*"))
    assert fetched(run(["-c", FETCH, "ada/tiny@v1"], home, hub.url)) == folder
    assert len(hub.answered("GET .*(resolve|store).*")) == asked == len(FILES)


def test_pictures_to_start_from_come_with_a_world(hub: LocalHub, repo: Repo, home: Path) -> None:
    pictures = {"starts/start-1.png": b"one", "starts/start-7.png": b"one too many", "starts/note.txt": b"of somebody"}
    repo.commit(pictures)
    folder = fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url))
    assert {path.name for path in (folder / "starts").iterdir()} == {"start-1.png"}


def test_a_world_is_weighed_before_anything_is_downloaded(
    hub: LocalHub, repo: Repo, home: Path, tiny_world: Path
) -> None:
    ended = run(["-c", WEIGH, "ada/tiny"], home, hub.url)
    size = sum((tiny_world / path).stat().st_size for path in FILES)
    assert ended.stdout.split() == [repo.commits[-1][0], str(size), str(size)], ended.stderr
    assert not hub.answered("GET .*store.*")


def test_a_world_leaves_the_cache_and_others_stay(hub: LocalHub, repo: Repo, home: Path) -> None:
    old = repo.tags["v1"]
    repo.commit({"config.json": b"{}"})
    first, second = (fetched(run(["-c", FETCH, f"ada/tiny{at}"], home, hub.url)) for at in (f"@{old}", ""))
    (second.parents[1] / "blobs/1234.incomplete").write_text("half")
    assert run(["-c", FORGET, "ada/tiny", old], home, hub.url).returncode == 0
    assert not first.exists() and (second / WEIGHTS).is_file()
    assert not list(second.parents[1].glob("blobs/*.incomplete"))
    assert run(["-c", WEIGH, "ada/tiny"], home, hub.url).stdout.split()[2] == "0"
    assert run(["-c", FORGET, "ada/other", old], home, hub.url).returncode == 0, "there is nothing to forget"


def test_a_pinned_commit_asks_nobody(hub: LocalHub, repo: Repo, home: Path) -> None:
    old = repo.tags["v1"]
    repo.commit({"config.json": b"{}"})
    folder = fetched(run(["-c", FETCH, f"ada/tiny@{old}"], home, hub.url))
    assert folder.name == old and folder != fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url))
    hub.log.clear()
    fetched(run(["-c", FETCH, f"ada/tiny@{old}"], home, hub.url))
    assert not [line for line in hub.log if "ada/tiny" in line]


def test_what_was_fetched_is_there_offline(hub: LocalHub, repo: Repo, home: Path) -> None:
    folder = fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url))
    assert fetched(run(["-c", FETCH, "ada/tiny"], home, closed_port())) == folder
    assert fetched(run(["-c", FETCH, "ada/tiny"], home, closed_port(), HF_HUB_OFFLINE="1")) == folder
    repo.fault = (500, {})
    assert fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url)) == folder


def test_a_private_world_is_there_for_its_owner(hub: LocalHub, repo: Repo, home: Path) -> None:
    repo.private = True
    refused(run(["-c", FETCH, "ada/tiny"], home, hub.url), "private", "hf auth login")
    fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url, HF_TOKEN=TOKEN))


def test_the_bar_tells_sizes_where_there_is_something_to_fetch(hub: LocalHub, repo: Repo, home: Path) -> None:
    kilobytes = sum(len(repo.commits[-1][1][path]) for path in FILES) / 1000
    shown = [on_a_terminal(["-c", FETCH, "ada/tiny"], home, hub.url) for _ in range(2)]
    assert re.search(rf"downloading: .*/ +{kilobytes:.0f}kB", shown[0]), shown[0]
    assert "downloading" not in shown[1] and "Fetching" not in shown[0] + shown[1]


def on_a_terminal(words: list[str], home: Path, url: str) -> str:
    """What the same shows on stderr where that is a terminal, of 20 rows and 80 columns."""
    reader, writer = os.openpty()
    os.set_blocking(reader, False)
    try:
        environment = hub_environment(home, url) | {"TQDM_NROWS": "20", "TQDM_NCOLS": "80"}
        subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=writer, check=True
        )
        return os.read(reader, 1 << 16).decode()
    except BlockingIOError:  # nothing was written
        return ""
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.slow
def test_a_download_that_is_cut_goes_on_where_it_was(hub: LocalHub, repo: Repo, home: Path) -> None:
    """With a file as large as the shipped world's, in one part of a download that nothing loads yet."""
    repo.commit({WEIGHTS: (SHIPPED / WEIGHTS).read_bytes()})
    hub.cuts, hub.cut_after = 3, 3 << 20  # the small files come whole before that, and are hung up on all the same
    folder = fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url))
    assert len(hub.answered("GET /store/.* cut")) == 3
    assert len(hub.answered("GET /store/.* 206")) == 1
    assert contents(folder) == {path: repo.commits[-1][1][path] for path in FILES}


@pytest.mark.slow
def test_a_download_that_breaks_off_is_completed_by_the_next(
    hub: LocalHub, repo: Repo, home: Path, tiny_world: Path
) -> None:
    hub.cuts = 10**6
    refused(run(["-c", FETCH, "ada/tiny"], home, hub.url), "broke off", "run this again")
    hub.cuts = 0
    refused(run(["-c", FETCH, "ada/tiny"], home, closed_port()), "broke off", "connect and run this again")
    hub.log.clear()
    folder = fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url))
    assert not hub.answered("GET .*config.json .*"), "it was there already"
    assert contents(folder) == {path: (tiny_world / path).read_bytes() for path in FILES}


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut short", "changed", "gone"])
def test_a_damaged_copy_is_mended(hub: LocalHub, repo: Repo, home: Path, damage: str) -> None:
    blob = (fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url)) / WEIGHTS).resolve()
    content = blob.read_bytes()
    if damage == "gone":
        blob.unlink()
    else:
        blob.write_bytes(content[:500] if damage == "cut short" else content[:-1] + bytes([content[-1] ^ 1]))
    refused(run(["-c", LOAD, "ada/tiny"], home, closed_port()), "ada/tiny", "connect and run this again")
    hub.log.clear()
    ended = run(["-c", LOAD, "ada/tiny"], home, hub.url)
    assert (ended.returncode, ended.stdout) == (0, "ada/tiny\n"), ended.stderr
    assert blob.read_bytes() == content
    assert len(hub.answered("GET /store/.*")) == 1


@pytest.mark.slow
def test_a_world_that_is_wrong_on_the_hub_is_not_fetched_twice(hub: LocalHub, repo: Repo, home: Path) -> None:
    repo.commit({WEIGHTS: b"something else"})
    refused(run(["-c", LOAD, "ada/tiny"], home, hub.url), "dynamics/model.safetensors is not a readable")
    assert len(hub.answered("GET /store/.*")) == 3


@pytest.mark.slow
def test_a_newer_world_says_so(hub: LocalHub, repo: Repo, home: Path, tiny_world: Path) -> None:
    newer = json.loads((tiny_world / "config.json").read_text()) | {"format_version": 3}
    repo.commit({"config.json": json.dumps(newer).encode()})
    refused(run(["-c", LOAD, "ada/tiny"], home, hub.url), "format 3", "update the program")


# ---- failures

FAULTS = {
    "gated": ((403, {"code": "GatedRepo"}), ("is gated", "accept its terms at http://", "/ada/tiny", "hf auth login")),
    "token": ((401, {"message": "Invalid credentials in Authorization header"}), ("token", "hf auth login")),
    "forbidden": ((403, {"message": "Not for you"}), ("forbids", "Not for you", "hf auth login")),
    "rate limited": ((429, {}), ("too often", "wait a few minutes")),
    "out of order": ((500, {}), ("out of order", "500", "--worlds")),
    "unheard of": ((418, {}), ("refuses (418", "--worlds")),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_refusal_is_told_with_a_way_on(hub: LocalHub, repo: Repo, home: Path, kind: str) -> None:
    repo.fault, words = FAULTS[kind]
    refused(run(["-c", FETCH, "ada/tiny"], home, hub.url), *words)


def test_no_such_repository(hub: LocalHub, home: Path) -> None:
    for token in ("", TOKEN):
        ended = run(["-c", FETCH, "ada/tiny"], home, hub.url, HF_TOKEN=token)
        refused(ended, "neither a folder ada/tiny here nor a world", "check the name")


def test_no_such_revision(hub: LocalHub, repo: Repo, home: Path) -> None:
    refused(run(["-c", FETCH, "ada/tiny@v9"], home, hub.url), "no revision 'v9'", "leave it out", f"{hub.url}/ada/tiny")


def test_not_a_world(hub: LocalHub, home: Path) -> None:
    hub.repos["ada/text"] = Repo()
    hub.repos["ada/text"].commit({"config.json": b"{}", "model.safetensors": b"x"})
    refused(run(["-c", FETCH, "ada/text"], home, hub.url), "not a world", f"lacks {', '.join(NEEDED[1:])}")


def test_not_a_name(home: Path, hub: LocalHub) -> None:
    refused(run(["-c", FETCH, "ada/ti--ny"], home, hub.url), "ada/ti--ny", "write OWNER/NAME")


def test_no_network_and_nothing_cached(home: Path) -> None:
    url = closed_port()
    refused(run(["-c", FETCH, "ada/tiny"], home, url), "not in the cache", f"{url} cannot be reached", "--worlds")
    offline = run(["-c", FETCH, "ada/tiny"], home, url, HF_HUB_OFFLINE="1")
    refused(offline, "not in the cache", "unset HF_HUB_OFFLINE")


def test_a_full_disk(hub: LocalHub, repo: Repo, home: Path) -> None:
    refused(run(["-c", FETCH, "ada/tiny"], home, hub.url, most_bytes=8192), "no room", "HF_HOME")


def test_a_cache_that_cannot_be_written(hub: LocalHub, repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(run(["-c", FETCH, "ada/tiny"], tmp_path / "file", hub.url), "cannot be written", "HF_HOME")


# ---- networks that lead nowhere

IMPATIENT = "import genie_core.hub.probe as probe; probe.ANSWER_S, probe.WHOLE_S = 0.5, 2.0\n"
WELCOME = b"<html><h1>Welcome to the hotel. Please log in.</h1></html>"
ANSWERS = {  # status, headers, body of what is no Hub; None never answers, and a body of no end comes drop by drop
    "a portal": (200, {"Content-Type": "text/html", "Content-Length": str(len(WELCOME))}, WELCOME),
    "another service": (200, {"Content-Type": "application/json", "Content-Length": "2"}, b"[]"),
    "a circle": (302, {"Location": "/login", "Content-Length": "0"}, b""),
    "drops": (200, {"Content-Length": "100000"}, b"x"),
    "silence": None,
}


@contextmanager
def nowhere(kind: str) -> Iterator[str]:
    """The address of a server that answers everything in the same way."""
    ended = threading.Event()

    class Nowhere(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = ANSWERS[kind]
            if answer is None:
                ended.wait()
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)
            while kind == "drops" and not ended.wait(0.1):
                self.wfile.write(b"x")

        do_HEAD = do_POST = do_GET  # names of http.server

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nowhere)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        ended.set()
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_network_that_leads_nowhere_is_told_of_and_a_cached_world_plays(
    hub: LocalHub, repo: Repo, home: Path, tmp_path: Path, kind: str
) -> None:
    words = "does not answer within" if kind in ("drops", "silence") else "does not answer as a Hub does"
    folder = fetched(run(["-c", FETCH, "ada/tiny"], home, hub.url))
    with nowhere(kind) as url:
        ended = run(["-c", IMPATIENT + FETCH, "ada/tiny"], tmp_path / "empty", url)
        refused(ended, "ada/tiny is not in the cache", words, "proxy and HF_ENDPOINT")
        assert fetched(run(["-c", IMPATIENT + FETCH, "ada/tiny"], home, url)) == folder


@pytest.mark.slow
def test_publishing_to_no_hub_is_refused(home: Path, tmp_path: Path) -> None:
    with nowhere("a portal") as url:
        code = IMPATIENT + UPLOAD.format(tmp_path, "'ada/tiny'")
        refused(run(["-c", code], home, url, HF_TOKEN=TOKEN), "cannot be published", "does not answer as a Hub does")


@pytest.mark.parametrize("proxy", [{"ALL_PROXY": "socks5://127.0.0.1:1"}, {"HTTP_PROXY": "foo://bar"}])
def test_a_proxy_that_cannot_be_used_is_named(home: Path, proxy: dict[str, str]) -> None:
    ended = run(["-c", FETCH, "ada/tiny"], home, "http://example.invalid", **proxy)
    refused(ended, "proxy", "unset ALL_PROXY, HTTP_PROXY and HTTPS_PROXY")


# ---- the command line, and back


def launched(words: list[str | Path], home: Path, url: str, **environment: str) -> Ended:
    return run(["launch.py", *map(str, words)], home, url, **environment)


def played(world: str, to: Path, home: Path, url: str) -> np.ndarray:
    """uint8 frames (21, H, W, 3)."""
    play = ["--play", "assets/coinrun.png", "--actions", "right*20", "--quiet", "--save", to, "--world", world]
    ended = launched(play, home, url, OMP_NUM_THREADS="1")
    assert (ended.returncode, ended.stderr) == (0, "")
    with np.load(to) as saved:
        return saved["frames"]


@pytest.mark.slow
def test_the_shipped_world_is_published_and_played(hub: LocalHub, home: Path, tmp_path: Path) -> None:
    publish = ["--publish", "ada/coinrun", "--revision", "v1", "--quiet"]
    ended = launched(publish, home, hub.url, HF_TOKEN=TOKEN)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr
    sha, files = hub.repos["ada/coinrun"].commits[-1]
    assert f"commit {sha}" in ended.stdout and hub.repos["ada/coinrun"].tags == {"v1": sha}
    pictures = {str(path.relative_to(SHIPPED)) for path in SHIPPED.rglob("*.png")}  # of its actions, and to start from
    assert set(files) == {*FILES, "README.md", "play.gif", *pictures}
    assert all(files[path] == (SHIPPED / path).read_bytes() for path in FILES if path != "config.json")
    (tmp_path / "config.json").write_bytes(files["config.json"])  # in the format of new worlds
    assert read_config(tmp_path) == read_config(SHIPPED)
    with Image.open(io.BytesIO(files["play.gif"])) as gif:
        assert gif.n_frames > 20, "the animation is played by the world"
    for route in ("POST /ada/coinrun.git/info/lfs/objects/batch", "PUT /store/.*", "POST /api/verify"):
        assert len(hub.answered(f"{route} 200")) == (1 if "batch" in route else 4)

    truth = played(str(SHIPPED), tmp_path / "p.npz", home, hub.url)
    for revision in ("", "@v1"):
        assert np.array_equal(played(f"ada/coinrun{revision}", tmp_path / "p.npz", home, hub.url), truth)
    listed = launched(["--worlds"], home, hub.url).stdout
    assert re.search(r"^ada/coinrun +coinrun +64×64 +[\d.]+ MB +[\d.]+ frames/s", listed, re.MULTILINE)

    gone = closed_port()
    assert np.array_equal(played("ada/coinrun", tmp_path / "p.npz", home, gone), truth)
    play = ["--play", "assets/coinrun.png", "--actions", "left", "--save", tmp_path / "p.gif", "--world"]
    refused(launched([*play, "ada/conrun"], home, gone), "cannot be reached", "did you mean --world ada/coinrun")


@pytest.mark.slow
def test_publishing_again_sends_only_what_changed(hub: LocalHub, home: Path, tiny_world: Path) -> None:
    publish = ["--publish", "ada/tiny", "--world", tiny_world, "--private", "--quiet"]
    for _ in range(2):
        ended = launched(publish, home, hub.url, HF_TOKEN=TOKEN)
        assert ended.returncode == 0, ended.stderr
    assert hub.repos["ada/tiny"].private
    assert len(hub.answered("PUT /store/.*")) == 3


@pytest.mark.slow
def test_of_an_older_world_nothing_stays_where_another_is_published(
    hub: LocalHub, repo: Repo, home: Path, tiny_world: Path
) -> None:
    """Players would get its pictures and graphs. What somebody else put there stays."""
    own = {"notes.txt": b"hello", "old/model.safetensors": b"x", ".gitattributes": b"lfs", "starts/mine.png": b"mine"}
    repo.commit(own | dict.fromkeys(("starts/start-1.png", "starts/start-6.png", "effects.png", "play.gif"), b"old"))
    before = len(repo.commits)
    publish = ["--publish", "ada/tiny", "--world", tiny_world, "--quiet"]
    ended = launched(publish, home, hub.url, HF_TOKEN=TOKEN)
    assert ended.returncode == 0, ended.stderr
    assert len(repo.commits) == before + 1, "one commit, so that nobody gets a mixture"
    assert {*repo.commits[-1][1]} == {*own, *FILES, "README.md"}
    assert repo.commits[-1][1].items() >= own.items()


def test_a_world_without_graphs_takes_those_of_another_away(
    hub: LocalHub, repo: Repo, home: Path, tmp_path: Path, tiny_world: Path
) -> None:
    bare = Path(shutil.copytree(tiny_world, tmp_path / "bare", ignore=shutil.ignore_patterns("*.onnx")))
    ended = run(["-c", UPLOAD.format(bare, "'ada/tiny', ours=WORLD")], home, hub.url, HF_TOKEN=TOKEN)
    assert ended.returncode == 0, ended.stderr
    assert {*repo.commits[-1][1]} == {*NEEDED, "README.md", "notes.txt", "old/model.safetensors"}


@pytest.mark.slow
def test_a_dry_run_shows_all_and_sends_nothing(hub: LocalHub, home: Path) -> None:
    ended = launched(["--publish", "ada/coinrun", "--dry-run", "--quiet"], home, hub.url)
    assert ended.returncode == 0, ended.stderr
    for file in (*FILES, "README.md", "play.gif"):
        assert f"bytes  {file}\n" in ended.stdout
    assert f"{(SHIPPED / WEIGHTS).stat().st_size:,} bytes  {WEIGHTS}" in ended.stdout
    assert "--world ada/coinrun`" in ended.stdout and "](play.gif)" in ended.stdout
    assert hub.log == [] and hub.repos == {}


@pytest.mark.slow
def test_a_dry_run_on_a_full_disk_is_told_in_words(home: Path, tiny_world: Path) -> None:
    words = ["launch.py", "--publish", "ada/tiny", "--dry-run", "--quiet", "--world", str(tiny_world)]
    refused(run(words, home, closed_port(), most_bytes=8192), "cannot be written", "make room")


@pytest.mark.slow
def test_a_world_that_does_not_load_is_not_published(
    hub: LocalHub, home: Path, tmp_path: Path, tiny_world: Path
) -> None:
    shutil.copytree(tiny_world, tmp_path / "world")
    (tmp_path / "world" / WEIGHTS).write_bytes(b"damaged")
    ended = launched(["--publish", "ada/tiny", "--world", tmp_path / "world"], home, hub.url, HF_TOKEN=TOKEN)
    refused(ended, WEIGHTS, "is not a readable safetensors file")
    spoilt = f"""
from genie_core import World
world = World.from_pretrained({str(tiny_world)!r})
world.dynamics.position.fill_(float("nan"))
world.push_to_hub("ada/tiny")
"""
    ended = run(["-c", spoilt], home, hub.url, HF_TOKEN=TOKEN)
    assert "CheckpointError" in ended.stderr and "NaN" in ended.stderr
    assert hub.log == [] and hub.repos == {}


@pytest.mark.slow
def test_refusals_to_publish(hub: LocalHub, repo: Repo, home: Path, tiny_world: Path) -> None:
    def publish(arguments: str, url: str = hub.url, token: str = TOKEN) -> Ended:
        return run(["-c", UPLOAD.format(tiny_world, arguments)], home, url, HF_TOKEN=token)

    refused(publish("'ada/new'", token=""), "hf auth login", "token")
    refused(publish("'ada/tiny', tag='v1'"), "has a revision v1 already", "another name")
    refused(publish("'ada/tiny', private=True"), "is public", "leave out --private")
    refused(publish("'tiny'"), "'tiny' is not OWNER/NAME")
    refused(publish("'ada/tiny'", url=closed_port()), "cannot be published", "connect and run this again")
    assert len(repo.commits) == 2 and "ada/new" not in hub.repos
