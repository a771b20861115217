"""Inputs that `benchmarks/fuzz.py` found, small: each is refused in words now, or takes little."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.data.footer import DATA_AT, FOOTER
from genie_core.data.lerobot.read import LeRobotFolder
from genie_core.data.lerobot.tables import read_batches
from genie_core.data.thrift import Thrift, Wanted
from genie_core.errors import DataError, PictureError
from genie_core.video import read_video

DATA = Path(__file__).parent / "data"
# SizeStatistics that no column without repetition has: field 16 of a column, with a histogram of three
BAD_STATISTICS = bytes([0x0C, 16 << 1, 0x29, 0x36, 2, 4, 6, 0])


class ColumnEnds(Thrift):
    """Notes where the description of each column ends."""

    ends: list[int]

    def struct(self, wanted: Wanted, depth: int = 0) -> dict[int, Any]:
        found = super().struct(wanted, depth)
        if DATA_AT in wanted:
            self.ends.append(self.at - 1)
        return found


def with_bad_statistics(content: bytes) -> bytes:
    """A Parquet file, whose first column now has `BAD_STATISTICS`."""
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8]
    reader = ColumnEnds(footer)
    reader.ends = []
    reader.struct(FOOTER)
    footer = footer[: reader.ends[0]] + BAD_STATISTICS + footer[reader.ends[0] :]
    return content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def test_statistics_at_which_arrow_ends_the_process_do_no_harm_in_a_lerobot_table(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(DATA / "lerobot", folder)
    before = [actions.tolist() for actions in LeRobotFolder(folder).actions()]
    file = folder / "data/chunk-000/file-000.parquet"
    content = bytearray(file.read_bytes())
    content[2820] = 8  # as it was found: two numbers in a histogram that has one
    file.write_bytes(content)
    assert [actions.tolist() for actions in LeRobotFolder(folder).actions()] == before


def test_statistics_at_which_arrow_ends_the_process_are_refused_in_a_shard(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, source={"game": "noise"}, frame_size=(8, 8), shard_bytes=2**20) as writer:
        writer.add_episode(np.zeros((9, 8, 8, 3), np.uint8))
    (shard,) = tmp_path.glob("*.parquet")
    content = with_bad_statistics(shard.read_bytes())
    shard.write_bytes(content)
    told = json.loads((tmp_path / "dataset.json").read_text())
    told["shards"][0] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "dataset.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match="truncated or damaged"):
        VideoDataset(tmp_path).clip(0, 9)


def promise_less(file: Path, true: int) -> None:
    """Lets the footer of a Parquet file say 8 bytes where it says `true`."""

    def varint(number: int, length: int) -> bytes:
        return bytes(number * 2 >> 7 * at & 127 | (128 if at < length - 1 else 0) for at in range(length))

    content = file.read_bytes()
    length = -(-(true * 2).bit_length() // 7)
    file.write_bytes(content.replace(varint(true, length), varint(8, length)))


def unpacked(file: Path) -> int:
    size: int = pq.ParquetFile(file).metadata.row_group(0).column(0).total_uncompressed_size
    return size


def test_a_table_is_held_against_its_pages_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    options = {"use_dictionary": False, "compression": "zstd", "row_group_size": 2**26}
    pq.write_table(pa.table({"x": np.zeros(2**25 + 1)}), file, **options)
    for _ in range(2):
        with pytest.raises(DataError, match="has a column of over 268,435,456 bytes in one row group"):
            list(read_batches(file, {"x": 1}, 2**26))
        if unpacked(file) > 8:
            promise_less(file, unpacked(file))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a megabyte of text"] * 3, "has string in the column x, expected numbers"),
        ([[0.0]] * 2 + [[0.0] * 999], "has 1,001 values in the column x of a row group, expected at most 15"),
    ],
)
def test_a_table_of_something_else_is_refused(tmp_path: Path, values: list[object], words: str) -> None:
    file = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": pa.array(values)}), file)
    with pytest.raises(DataError, match=words):
        list(read_batches(file, {"x": 5}, 9))
    with pytest.raises(DataError, match="has 3 rows, expected at most 2"):
        list(read_batches(file, {"x": 5}, 2))
    with pytest.raises(DataError, match="lacks the column y"):
        list(read_batches(file, {"y": 5}, 9))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc")
def test_a_gif_that_promises_200_million_pixels_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "giant.gif"
    made = [Image.new("RGB", (32, 32), (50 * number, 0, 0)) for number in range(3)]
    made[0].save(file, save_all=True, append_images=made[1:])
    content = file.read_bytes()
    file.write_bytes(content[:6] + struct.pack("<HH", 17_856, 11_826) + content[10:])
    with pytest.raises(PictureError, match="no whole frame"):
        read_video(file, (16, 16), 15)  # what reading brings is there before it is measured
    before = memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    with pytest.raises(PictureError, match="no whole frame"):
        read_video(file, (16, 16), 15)
    assert memory_mb("VmHWM") - before < 100


def memory_mb(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0
