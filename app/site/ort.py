"""ONNX Runtime Web, which plays a world's graphs in the browser: the files of its npm package that the site needs.

They are pinned by hash, and downloaded once, into the user's cache, by the commands that write a site.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, NoReturn

import platformdirs
from tqdm import tqdm

from genie_core.errors import MissingExtraError
from genie_core.files import disk_refusals, write_whole

NAME, VERSION = "onnxruntime-web", "1.30.0"
# SHA-512 of the package, as npm writes it.
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FILES = {  # SHA-256; the first three play by WASM, the others by WebGPU
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    "ort.jspi.min.mjs": "bc57179d923fda2d88d4a395359c8df44399dde087bf9ff44fc0e40ab398e4d9",
    "ort-wasm-simd-threaded.jspi.mjs": "270e2c6da9f297239d301d329782b6446641cb1e16a77967690adcfca35f3268",
    "ort-wasm-simd-threaded.jspi.wasm": "a54c76f86b0f0d9572380cf1c6292a7b3903716ffcbcd6b0e5c7050bf430eb93",
}
REGISTRY = "https://registry.npmjs.org"  # npm's own setting of another is obeyed
MOST_BYTES = 2**26
PIECE = 2**18
SECONDS = 30  # without an answer
BY_HAND = f"or get it elsewhere (npm pack {NAME}@{VERSION}) and name the file with --ort"


def runtime_files(given: Path | None, quiet: bool = False) -> dict[str, bytes]:
    """The content of each of FILES: from `given`, a package as npm packs or installs it, else cached or downloaded.

    Raises MissingExtraError if they cannot be had, or are not the pinned ones.
    """
    if given is not None:
        return _checked(_packed(given) if given.is_file() else _installed(given), str(given))
    cached = cache()
    if is_cached():
        return _checked(lambda name: _read(cached / name), f"{cached} (delete that folder)")
    files = _checked(_unpacked(io.BytesIO(_download(quiet)), "the package"), "the package")
    with disk_refusals(cached):
        cached.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(cached / name, content)
    return files


def cache() -> Path:
    """Where the files are kept once they were downloaded."""
    return Path(platformdirs.user_cache_dir("genie", appauthor=False)) / f"{NAME}-{VERSION}"


def is_cached() -> bool:
    return all((cache() / name).is_file() for name in FILES)


def _checked(read: Callable[[str], bytes], where: str) -> dict[str, bytes]:
    files = {name: read(name) for name in FILES}
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != FILES[name]:
            raise MissingExtraError(f"{name} of {where} is not that of {NAME} {VERSION} (sha256 differs); {BY_HAND}")
    return files


def _installed(folder: Path) -> Callable[[str], bytes]:
    """Reads from a package's folder, or its dist/, or the folder that it is installed in."""
    places = (folder, folder / "dist", folder / NAME / "dist", folder / "node_modules" / NAME / "dist")
    place = next((place for place in places if (place / next(iter(FILES))).is_file()), None)
    if place is None:
        raise MissingExtraError(f"{folder} has no {next(iter(FILES))}; expected {NAME} {VERSION} as npm installs it")
    return lambda name: _read(place / name)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MissingExtraError(f"{file} cannot be read ({error.strerror}); {BY_HAND}") from error


def _packed(file: Path) -> Callable[[str], bytes]:
    return _unpacked(io.BytesIO(_read(file)), str(file))


def _unpacked(package: IO[bytes], where: str) -> Callable[[str], bytes]:
    """Reads the files out of a package; only those asked for are unpacked, and not onto the disk."""
    found = {}
    try:
        with tarfile.open(fileobj=package, mode="r:gz") as archive:
            for member in archive:
                name = member.name.removeprefix("package/dist/")
                content = archive.extractfile(member) if name in FILES and member.size < MOST_BYTES else None
                if content is not None:
                    found[name] = content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise MissingExtraError(f"{where} is not a package as npm packs it ({error}); {BY_HAND}") from error

    def read(name: str) -> bytes:
        if name not in found:
            raise MissingExtraError(f"{where} lacks {name}; expected {NAME} {VERSION}; {BY_HAND}")
        return found[name]

    return read


def _download(quiet: bool) -> bytes:
    registry = os.environ.get("NPM_CONFIG_REGISTRY", REGISTRY).rstrip("/")
    url = f"{registry}/{NAME}/-/{NAME}-{VERSION}.tgz"
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            package = _received(answer, quiet)
    except (urllib.error.URLError, OSError, ValueError) as error:
        _refuse(f"{NAME} {VERSION} could not be downloaded from {registry} ({getattr(error, 'reason', error)})")
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != INTEGRITY:
        _refuse(f"what {registry} sent is not {NAME} {VERSION} (its hash differs)")
    return package


def _received(answer: IO[bytes], quiet: bool) -> bytes:
    package = bytearray()
    with tqdm(desc=f"downloading {NAME}", unit="B", unit_scale=True, delay=2, disable=quiet) as bar:
        while piece := answer.read(PIECE):
            package += piece
            bar.update(len(piece))
            if len(package) > MOST_BYTES:
                _refuse(f"the package {NAME} has over {MOST_BYTES:,} bytes, expected 33 million")
    return bytes(package)


def _refuse(what: str) -> NoReturn:
    raise MissingExtraError(f"{what}; run the command again when there is a connection, {BY_HAND}")
