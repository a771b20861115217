"""What a fault leaves: the old or the new, no process, no traceback. `benchmarks/faults.py` tries it by the hundred."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_write import full_disk
from tiny import make_world

from app.site import export
from genie_core import World
from genie_core.data.prepare.pool import Processes
from genie_core.errors import CheckpointError, WriteError

ROOT = Path(__file__).parents[1]
POSIX = pytest.mark.skipif(os.name != "posix", reason="only POSIX has these signals")
INTERRUPTED = """
import os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run behind a shell, it is ignored
def at(event, args):
    if event == "import" and args[0] == "app.cli.options":
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(at)
sys.argv = ["launch.py", "--worlds"]
sys.path.insert(0, os.getcwd())
runpy.run_path("launch.py", run_name="__main__")
"""


def test_a_disk_that_is_full_half_way_leaves_the_world_that_was_there(tmp_path: Path) -> None:
    old, new, folder = make_world(0), make_world(1), tmp_path / "world"
    old.save_pretrained(folder)
    sizes = sorted(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with full_disk(sizes[-1] - 1), pytest.raises(WriteError, match="cannot be written"):  # the others find room
        new.save_pretrained(folder)
    assert World.from_pretrained(folder).fingerprint() == old.fingerprint()
    assert not list(folder.rglob(".*"))
    new.save_pretrained(folder)
    assert World.from_pretrained(folder).fingerprint() == new.fingerprint()


def test_a_file_that_vanishes_while_a_world_is_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(0).save_pretrained(tmp_path / "world")
    weights, is_file = tmp_path / "world/dynamics/model.safetensors", Path.is_file

    def last_seen(path: Path) -> bool:
        there = is_file(path)
        if path == weights and inspect.stack()[1].function == "check_file":
            path.unlink()
        return there

    monkeypatch.setattr(Path, "is_file", last_seen)
    with pytest.raises(CheckpointError, match=r"model.safetensors cannot be read \(No such file or directory\)"):
        World.from_pretrained(tmp_path / "world")


def test_ctrl_c_while_a_site_is_replaced_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, made = tmp_path / "site", tmp_path / "made"
    for folder, words in ((site, "old"), (made, "new")):
        folder.mkdir()
        (folder / "index.html").write_text(words)
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path == made:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export._swap(made, site)
    assert (site / "index.html").read_text() == "old"


@POSIX
def test_ctrl_c_while_the_program_loads_ends_without_a_word() -> None:
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def rest(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def work_for_ever(folder: str) -> None:
    with Processes() as processes:
        list(processes.map(rest, [folder], lambda task: None, lambda seconds: None))


@POSIX
@pytest.mark.slow
def test_the_workers_of_a_killed_process_end(tmp_path: Path) -> None:
    parent = multiprocessing.get_context("spawn").Process(target=work_for_ever, args=(str(tmp_path),))
    parent.start()
    while not (begun := [int(path.name) for path in tmp_path.iterdir()]):
        assert parent.is_alive()
        time.sleep(0.05)
    parent.kill()
    parent.join()
    deadline = time.monotonic() + 60
    while alive(begun[0]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_tests_that_the_table_names_exist() -> None:
    named = re.findall(r"\b(test_\w+)(\.py)?", (ROOT / "tests/README.md").read_text(encoding="utf-8"))
    written = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").glob("test_*.py"))
    assert [name for name, file in named if file and not (ROOT / f"tests/{name}.py").exists()] == []
    assert [name for name, file in named if not file and f"def {name}(" not in written] == []
    assert len(named) > 30


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")  # an orphan's new parent may be slow to bury it
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
