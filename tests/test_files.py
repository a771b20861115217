"""Files written whole: what killed processes leave goes away, what living ones write does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genie_core.files import whole_folder, write_whole

fcntl = pytest.importorskip("fcntl", reason="without locks nothing is removed")
ROOT = Path(__file__).parents[1]
WRITES = """
import sys, time
from pathlib import Path
from genie_core.files import whole_file, whole_folder
target = Path(sys.argv[1])
with whole_file(target) if target.suffix else whole_folder(target, "") as partial:
    (partial if target.suffix else partial / "one").write_bytes(b"half")
    print("begun", flush=True)
    time.sleep(600)
"""


@contextmanager
def writing(target: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has begun to write."""
    process = subprocess.Popen([sys.executable, "-c", WRITES, target], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "begun\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("name", ["set.npz", "site"])
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    others = [tmp_path / f".{name}.notes", tmp_path / f".{name}.1.part.txt", tmp_path / f".other{name}.1.part"]
    for other in others:
        other.write_text("mine")

    def write() -> None:
        if target.suffix:
            write_whole(target, b"whole")
        else:
            with whole_folder(target, "") as partial:
                partial.rename(target)

    with writing(target) as process:
        left = tmp_path / f".{name}.{process.pid}.part"
        write()
        assert left.exists(), "it is being written"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert left.exists()
        if target.is_dir():
            target.rmdir()
        write()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, *(other.name for other in others)])


def test_a_folder_that_cannot_be_locked_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise OSError("no locks here")

    left = tmp_path / ".a.txt.1.part"
    left.touch()
    monkeypatch.setattr(fcntl, "flock", refuses)
    write_whole(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert left.exists(), "nobody knows whether its process lives"
    assert not list(tmp_path.glob(f"*.{os.getpid()}.part"))
