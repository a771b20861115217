"""Damaged data sets by the thousand: each is read, or refused in words, in little memory.

    python -X faulthandler tests/benchmarks/fuzz_data.py [--inputs N] [--seed N]

Four small data sets, of Parquet with and without checksums, of .npy and of .npz files, are changed in one or two files:
bits, bytes, lengths, pieces moved or cut, numbers in headers, any value of dataset.json. Nine in ten Parquet sets tell
their new sizes and hashes, as a stranger's would. What comes out but a GenieError is kept in a folder and shown.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import copy
import dataclasses
import hashlib
import json
import random
import resource
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pyarrow.parquet as pq

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.errors import GenieError

KINDS = ("parquet", "unchecked", "npy", "npz")
NUMBERS = [0, 1, 2, 7, 8, 15, 31, 32, 40, 64, 127, 128, 191, 192, 193, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31]
NUMBERS += [2**32 - 1, 2**63 - 1]
VALUES: list[Any] = [None, True, False, *NUMBERS, -1, 90, 91, 10**30, 10**400, 1e308, -1e-300, float("nan")]
VALUES += [float("inf"), "", "x", "../x.npy", "/etc/passwd", "frames-00000.npy", "a" * 300, "\x00", "é\ud800"]
VALUES += [[], {}, [8, 8], [8], [[]]]
Files = dict[str, bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rng, found, began = random.Random(args.seed), collections.Counter[str](), time.monotonic()
    with TemporaryDirectory() as folder:
        sets = {kind: make(Path(folder) / kind, kind) for kind in KINDS}
        for number in range(args.inputs):
            kind = rng.choice(KINDS)
            files = damaged(rng, sets[kind], kind)
            found[f"{kind} {judged(Path(folder) / 'input', files)}"] += 1
            if (number + 1) % 1000 == 0:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                print(f"{number + 1:,} inputs, {time.monotonic() - began:.0f} s, peak {peak} MB", flush=True)
    print(dict(sorted(found.items())))


def make(out: Path, kind: str) -> Files:
    """The files of a data set of 90 frames, 8×8, in six episodes and three shards."""
    rng, plain = np.random.default_rng(0), pq.ParquetWriter
    unchecked = mock.patch.object(pq, "ParquetWriter", lambda *a, **b: plain(*a, **b | {"write_page_checksum": False}))
    with (
        unchecked if kind == "unchecked" else contextlib.nullcontext(),
        DatasetWriter(out, source={"game": "noise"}, frame_size=(8, 8), shard_bytes=40 * 192) as writer,
    ):
        for number in range(6):
            frames = rng.integers(0, 256, (15, 4, 4, 3), np.uint8).repeat(2, 1).repeat(2, 2)
            writer.add_episode(frames, np.arange(14) % 5, number, {"file": f"{number}.mp4", "from": 0.5})
    if kind in ("npy", "npz"):
        write_as_before(out, kind)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def write_as_before(out: Path, kind: str) -> None:
    dataset = VideoDataset(out)
    every = np.concatenate([dataset.clip(int(first), int(length)) for first, length, _ in dataset.episodes])
    shards = []
    for number, first in enumerate(range(0, len(every), 40)):
        file, frames = out / f"frames-{number:05d}.{kind}", every[first : first + 40]
        if kind == "npy":
            np.save(file, frames)
        else:
            np.savez_compressed(file, frames=frames)
        file.with_suffix(".parquet").unlink()
        shards.append({"file": file.name, "frames": len(frames)})
    told = dataclasses.asdict(dataset.info) | {"format_version": 2, "shards": shards}
    (out / "dataset.json").write_text(json.dumps(told))


def damaged(rng: random.Random, files: Files, kind: str) -> Files:
    files = dict(files)
    for _ in range(rng.choice([1, 1, 1, 2])):
        shards = [name for name in files if name.startswith("frames")]
        name = rng.choice([*(name for name in files if name not in shards), *rng.choices(shards, k=3)])
        if rng.random() < 0.02:
            del files[name]
        elif name.endswith("json") and rng.random() < 0.75:
            files[name] = other_json(rng, files[name])
        else:
            files[name] = other_bytes(rng, files[name])
    if kind in ("parquet", "unchecked") and rng.random() < 0.9:
        with contextlib.suppress(Exception):  # where the description is none any more
            told = json.loads(files["dataset.json"])
            for shard in told["shards"]:
                body = files[shard["file"]]
                shard |= {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            files["dataset.json"] = json.dumps(told).encode()
    return files


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
            body[at : at + width] = (rng.choice(NUMBERS) % (1 << 8 * width)).to_bytes(width, "little")
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
    """One to three values left out, added, moved a little or replaced by any other."""
    try:
        told = json.loads(before)
    except (ValueError, RecursionError):
        return other_bytes(rng, before)
    for _ in range(rng.choice([1, 1, 2, 3])):
        places = list(inside(told))
        if not places:
            break
        holder, key = rng.choice(places)
        change, value = rng.randrange(4), copy.deepcopy(rng.choice(VALUES))
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, list):
            holder.insert(key, value)
        elif change == 2 and type(holder[key]) is int and abs(holder[key]) < 2**63:
            holder[key] = rng.choice([holder[key] + 1, holder[key] - 1, 2 * holder[key], float(holder[key])])
        else:
            holder[key] = value
    return json.dumps(told).encode("utf-8", "surrogatepass")


def inside(told: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a JSON value, as what holds it and the key there."""
    if isinstance(told, dict | list):
        for key in list(told) if isinstance(told, dict) else range(len(told)):
            yield told, key
            yield from inside(told[key])


def judged(folder: Path, files: Files) -> str:
    """What becomes of reading all that a training or an evaluation reads."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, body in files.items():
        (folder / name).write_bytes(body)
    try:
        dataset = VideoDataset(folder)
        starts = dataset.clip_starts(10)
        for start in starts[np.linspace(0, len(starts) - 1, 10).astype(int)]:
            dataset.clip(int(start), 10)
        dataset.provenance, dataset.fingerprint()
        if dataset.has_true_actions:
            dataset.true_actions(0, 5)
    except GenieError:
        return "refused"
    except Exception:
        kept = Path(mkdtemp(prefix="fuzz_data-"))
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        print(f"kept in {kept}")
        traceback.print_exc()
        return "NOT IN WORDS"
    return "read"


if __name__ == "__main__":
    main()
