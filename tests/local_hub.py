"""A small Hugging Face Hub over real HTTP. It speaks the protocol of huggingface_hub and holds repositories in memory.

A test can make it refuse requests or hang up. Large files travel as weights do on the real Hub: asked for by hash in a
batch, put, verified and named in the commit; a download of one is redirected to another host."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import yaml

TOKEN = "hf_of_the_tests"
LARGE = (".safetensors", ".gif", ".parquet")
REPO = r"(?P<repo>(?:(?:spaces|datasets)/)?[^/]+/[^/]+)"  # Spaces and data sets have this before their name
MODEL = rf"/api/(?:models/|(?=spaces/|datasets/)){REPO}"


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Repo:
    """`commits` are hash and files, the newest last; `fault`, if set, is the status and headers of every answer."""

    private: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=lambda: [("0" * 40, {})])
    tags: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    fault: tuple[int, dict[str, str]] | None = None

    def commit(self, files: dict[str, bytes], deleted: Iterable[str] = ()) -> str:
        """Adds `files` to the newest ones without those `deleted`; the new commit's hash."""
        now = {path: content for path, content in self.commits[-1][1].items() if path not in {*deleted}} | files
        told = "".join(f"{path} {sha256(content)}" for path, content in sorted(now.items()))
        self.commits.append((git_hash(f"{len(self.commits)} {told}".encode()), now))
        return self.commits[-1][0]

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        sha = self.commits[-1][0] if revision == "main" else self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit[0] == sha), None)


class LocalHub:
    """`log` holds each answered request as `METHOD path status`. The next `cuts` downloads of large files stop
    after `cut_after` bytes."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.large: dict[str, bytes] = {}
        self.verified: set[str] = set()
        self.log: list[str] = []
        self.cuts = 0
        self.cut_after = 0
        self.url = ""

    def answered(self, pattern: str) -> list[str]:
        return [line for line in self.log if re.fullmatch(pattern, line)]


class Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.headers = status, {"X-Error-Code": code, "X-Error-Message": message}


class Handler(BaseHTTPRequestHandler):
    """One request; a route is a method, a pattern of the path and what answers."""

    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def answer(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        try:
            for method, pattern, function in ROUTES:
                found = re.fullmatch(pattern, path)
                if found and self.command in method.split():
                    return function(self, **found.groupdict())
            self.send(404, {"error": f"no route {path}"})
        except Refused as refused:
            self.send(refused.status, {"error": str(refused)}, refused.headers)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Nothing on stderr; `send` keeps the log."""

    def send(self, status: int, content: bytes | dict[str, Any] | list[Any] = b"", headers: dict | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.hub.log.append(f"{self.command} {self.path.split('?')[0]} {status}")
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def repo(self, name: str) -> Repo:
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self.may_write()):
            raise Refused(404 if self.may_write() else 401, "RepoNotFound", "Repository not found")
        if repo.fault:
            status, headers = repo.fault
            raise Refused(status, headers.get("code", ""), headers.get("message", ""))
        return repo

    def files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        found = self.repo(name).at(revision)
        if found is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found

    def may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def require_writer(self) -> None:
        if not self.may_write():
            raise Refused(401, "", "Invalid username or password.")


# ---- reading


def info(self: Handler, repo: str, revision: str = "main") -> None:
    sha, files = self.files(repo, revision)
    siblings = [{"rfilename": path} for path in files]
    self.send(200, {"id": repo, "sha": sha, "private": self.repo(repo).private, "tags": [], "siblings": siblings})


def tree(self: Handler, repo: str, revision: str, folder: str | None = None) -> None:
    """The files in a folder; where they are not asked for at any depth, also the folders in it."""
    inside, rows = f"{folder}/" if folder else "", []
    deep = "recursive=true" in self.path.lower()
    for path, content in self.files(repo, revision)[1].items():
        if not path.startswith(inside):
            continue
        name, deeper, _ = path.removeprefix(inside).partition("/")
        if deeper and not deep:
            if (row := row_of(inside + name)) not in rows:
                rows.append(row)
            continue
        rows.append(row_of(path, content))
    if folder and not rows:
        raise Refused(404, "EntryNotFound", f"{folder} does not exist")
    self.send(200, rows)


def row_of(path: str, content: bytes | None = None) -> dict[str, Any]:
    """What a listing says of a file, or of a folder if there is no content."""
    if content is None:
        return {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}
    row = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
    if path.endswith(LARGE):
        row["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 130}
    return row


def paths_info(self: Handler, repo: str, revision: str) -> None:
    files, rows = self.files(repo, revision)[1], []
    for path in parse_qs(self.body.decode())["paths"]:
        if path in files:
            rows.append(row_of(path, files[path]))
        elif any(each.startswith(f"{path}/") for each in files):
            rows.append(row_of(path))
    self.send(200, rows)


def refs(self: Handler, repo: str) -> None:
    known = self.repo(repo)
    tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": sha} for tag, sha in known.tags.items()]
    branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": known.commits[-1][0]}]
    self.send(200, {"branches": branches, "converts": [], "tags": tags})


def resolve(self: Handler, repo: str, revision: str, path: str) -> None:
    sha, files = self.files(repo, revision)
    headers = {"X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
    if path not in files:
        raise Refused(404, "EntryNotFound", "Entry not found")
    content = files[path]
    if not path.endswith(LARGE):
        return send_range(self, content, headers | {"ETag": f'"{git_hash(content)}"'})
    oid = sha256(content)
    self.hub.large[oid] = content
    store = self.hub.url.replace("127.0.0.1", "localhost")  # to huggingface_hub another host, as the real store is
    headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content)), "Location": f"{store}/store/{oid}"}
    self.send(302, b"", headers)


def stored(self: Handler, oid: str) -> None:
    content = self.hub.large[oid]
    if self.command == "GET" and self.hub.cuts > 0:
        self.hub.cuts -= 1
        return cut(self, content[asked_range(self, content).start :])
    send_range(self, content, {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})


def asked_range(self: Handler, content: bytes) -> range:
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
    if not asked:
        return range(len(content))
    return range(int(asked[1]), min(len(content), int(asked[2] or len(content)) + 1))


def send_range(self: Handler, content: bytes, headers: dict[str, str]) -> None:
    part = asked_range(self, content)
    if len(part) == len(content):
        return self.send(200, content, headers)
    span = {"Content-Range": f"bytes {part.start}-{part.stop - 1}/{len(content)}"}
    self.send(206, content[part.start : part.stop], headers | span)


def cut(self: Handler, content: bytes) -> None:
    """Promise the whole content and hang up in the middle."""
    self.hub.log.append(f"{self.command} {self.path} cut")
    self.send_response(206 if self.headers.get("Range") else 200)
    self.send_header("Content-Length", str(len(content)))
    self.end_headers()
    self.wfile.write(content[: self.hub.cut_after])
    self.close_connection = True


# ---- writing


def create(self: Handler) -> None:
    self.require_writer()
    asked = json.loads(self.body)
    kind = "spaces/" if asked.get("type") == "space" else ""
    name = f"{kind}{asked.get('organization') or 'tests'}/{asked['name']}"
    if kind and asked.get("sdk") not in ("gradio", "static"):
        raise Refused(400, "", "a Space needs an sdk")
    if name in self.hub.repos:
        return self.send(409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"})
    self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
    self.send(200, {"url": f"{self.hub.url}/{name}", "name": name})


def preupload(self: Handler, repo: str, revision: str) -> None:
    self.require_writer()
    mode = {True: "lfs", False: "regular"}
    asked = [file["path"] for file in json.loads(self.body)["files"]]
    files = [{"path": path, "uploadMode": mode[path.endswith(LARGE)], "shouldIgnore": False} for path in asked]
    self.send(200, {"files": files})


def batch(self: Handler, repo: str) -> None:
    self.require_writer()
    self.repo(repo)
    objects = []
    for asked in json.loads(self.body)["objects"]:
        link = {"href": f"{self.hub.url}/store/{asked['oid']}"}
        actions = {"upload": link, "verify": {"href": f"{self.hub.url}/api/verify"}}
        known = asked["oid"] in self.hub.verified
        objects.append(asked if known else asked | {"actions": actions})
    self.send(200, {"transfer": "basic", "objects": objects})


def put(self: Handler, oid: str) -> None:
    if sha256(self.body) != oid:
        raise Refused(400, "", "the content has another hash")
    self.hub.large[oid] = self.body
    self.send(200)


def verify(self: Handler) -> None:
    self.require_writer()
    asked = json.loads(self.body)
    if len(self.hub.large.get(asked["oid"], b"")) != asked["size"]:
        raise Refused(422, "", "the content has another size")
    self.hub.verified.add(asked["oid"])
    self.send(200)


def commit(self: Handler, repo: str, revision: str) -> None:
    self.require_writer()
    files, deleted = {}, []
    for line in map(json.loads, self.body.splitlines()):
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            if value["oid"] not in self.hub.verified:
                raise Refused(400, "", f"{value['path']} was not uploaded")
            files[value["path"]] = self.hub.large[value["oid"]]
        elif line["key"] == "deletedFile":
            if value["path"] not in self.repo(repo).commits[-1][1]:
                raise Refused(400, "", f"{value['path']} is not there to be deleted")
            deleted.append(value["path"])
    sha = self.repo(repo).commit(files, deleted)
    self.send(200, {"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{repo}/commit/{sha}"})


def tag(self: Handler, repo: str, revision: str) -> None:
    self.require_writer()
    self.repo(repo).tags[json.loads(self.body)["tag"]] = self.files(repo, revision)[0]
    self.send(200)


def variables(self: Handler, repo: str) -> None:
    self.require_writer()
    asked = json.loads(self.body)
    self.repo(repo).variables[asked["key"]] = asked["value"]
    self.send(200, {key: {"key": key, "value": value} for key, value in self.repo(repo).variables.items()})


def validate(self: Handler) -> None:
    """As the real Hub: the metadata of a model card must be YAML."""
    text = json.loads(self.body)["content"]
    try:
        fine = isinstance(yaml.safe_load(text.split("---")[1]), dict)
    except (yaml.YAMLError, IndexError):
        fine = False
    self.send(200 if fine else 400, {"errors": [] if fine else [{"message": "bad metadata"}], "warnings": []})


ROUTES = [
    ("GET", MODEL, info),
    ("GET", MODEL + r"/revision/(?P<revision>[^/]+)", info),
    ("GET", MODEL + r"/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", tree),
    ("POST", MODEL + r"/paths-info/(?P<revision>[^/]+)", paths_info),
    ("GET", MODEL + r"/refs", refs),
    ("GET HEAD", rf"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", resolve),
    ("GET HEAD", r"/store/(?P<oid>\w+)", stored),
    ("POST", r"/api/repos/create", create),
    ("POST", MODEL + r"/preupload/(?P<revision>[^/]+)", preupload),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", batch),
    ("PUT", r"/store/(?P<oid>\w+)", put),
    ("POST", r"/api/verify", verify),
    ("POST", MODEL + r"/commit/(?P<revision>[^/]+)", commit),
    ("POST", MODEL + r"/tag/(?P<revision>[^/]+)", tag),
    ("POST", MODEL + r"/variables", variables),
    ("POST", r"/api/validate-yaml", validate),
]


@contextmanager
def serve() -> Iterator[LocalHub]:
    """A Hub on a free port of this machine, closed at the end."""
    hub = LocalHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
