"""Commands where a machine is poor or odd: no home, a read-only one, LANG=C, any letters in paths, little memory.

    unshare -m python tests/benchmarks/surroundings.py [--only NAME ...] [--commands NAME ...]

Each is a process of its own, which must end well, with the files of an ordinary machine. Needs Linux; little
memory and half a core need cgroups of version 1, and root.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from test_training import SETTINGS, record

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "play": ["--play", str(ROOT / "assets/coinrun.png"), "--actions", "right*9,jump*3", "--save", "{}/play.npz"],
    "collect": ["--collect", "tiny_environments:Shades-v0", "--frames", "60", "--out", "{}/set"],
    "train": [
        "--train",
        "--data",
        "{}/squares",
        "--config",
        "{}/steps.toml",
        "--out",
        "{}/run",
        "--stage",
        "tokenizer",
    ],
}
MADE = {"play": "play.npz", "collect": "set/frames-00000.parquet", "train": "run/tokenizer/last.ckpt"}
CGROUPS = Path("/sys/fs/cgroup")


class Surrounding(NamedTuple):
    """Changes of the environment, None to remove; a folder's name; what is done in the new process before it begins."""

    environment: dict[str, str | None]
    folder: str = "ordinary"
    begin: Callable[[], object] | None = None
    cgroup: tuple[str, dict[str, int]] | None = None


SURROUNDINGS = {
    "ordinary": Surrounding({}),
    "no HOME": Surrounding({"HOME": None}),
    "HOME is not there": Surrounding({"HOME": "/nowhere/at/all"}),
    "HOME is read-only": Surrounding({"HOME": "{read-only}"}),
    "LANG=C": Surrounding({"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
    "letters of any kind": Surrounding({"HOME": "{folder}"}, "мир 世界 é 'x' &"),
    "LANG=C, any letters": Surrounding({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "мир 世界"),
    "one core": Surrounding({}, begin=lambda: os.sched_setaffinity(0, {0})),
    "half a core": Surrounding({}, cgroup=("cpu", {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 50_000})),
    "2 GB of memory": Surrounding({}, cgroup=("memory", {"memory.limit_in_bytes": 2_000_000_000})),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[*SURROUNDINGS], choices=[*SURROUNDINGS])
    parser.add_argument("--commands", nargs="+", default=[*COMMANDS], choices=[*COMMANDS])
    args = parser.parse_args()
    names = ["ordinary", *(name for name in args.only if name != "ordinary")]
    expected: dict[str, str] = {}
    wrong = 0
    for name in names:
        for command in args.commands:
            code, said, made, seconds = run(SURROUNDINGS[name], command)
            equal = made == expected.setdefault(command, made) or command == "train"  # whose state tells the time
            told = "well" if code == 0 and made and equal else f"WRONG: exit code {code}, {said[-300:]!r}, {equal=}"
            wrong += told != "well"
            print(f"{name:22}{command:9}{told} ({seconds:.1f} s of a core)", flush=True)
    return int(wrong > 0)


def run(surrounding: Surrounding, command: str) -> tuple[int, str, str, float]:
    """Exit code, what was said, a hash of what was made, and seconds of a core."""
    with TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch, surrounding.folder)
        folder.mkdir()
        if command == "train":
            record(folder / "squares")
            (folder / "steps.toml").write_text(SETTINGS.replace("batch_size = 4\n", "batch_size = 4\nsteps = 3\n", 1))
        closed = stack.enter_context(read_only(Path(scratch, "closed")))
        environment = dict(os.environ) | {"PYTHONPATH": str(ROOT / "tests"), "TMPDIR": str(folder)}
        for key, value in surrounding.environment.items():
            environment.pop(key, None)
            if value is not None:
                environment[key] = {"{read-only}": str(closed), "{folder}": str(folder)}.get(value, value)
        enter = stack.enter_context(limited(surrounding.cgroup))
        begins = [begin for begin in (surrounding.begin, enter) if begin is not None]
        before = os.times()
        ended = subprocess.run(
            [sys.executable, str(ROOT / "launch.py"), *(word.replace("{}", str(folder)) for word in COMMANDS[command])],
            cwd=folder,
            env=environment,
            capture_output=True,
            preexec_fn=lambda: [begin() for begin in begins],
        )
        after, made = os.times(), folder / MADE[command]
        seconds = after.children_user + after.children_system - before.children_user - before.children_system
        content = hashlib.sha256(made.read_bytes()).hexdigest() if made.exists() else ""
        return ended.returncode, ended.stderr.decode(errors="replace"), content, seconds


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """A folder that nobody may write into, not even root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@contextmanager
def limited(cgroup: tuple[str, dict[str, int]] | None) -> Iterator[Callable[[], object] | None]:
    """What a new process calls to enter a cgroup of those limits."""
    if cgroup is None:
        yield None
        return
    group = CGROUPS / cgroup[0] / f"surroundings-{os.getpid()}"
    group.mkdir()
    for name, value in cgroup[1].items():
        (group / name).write_text(str(value))
    yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    while (group / "cgroup.procs").read_text().strip():
        time.sleep(0.1)
    group.rmdir()


if __name__ == "__main__":
    assert shutil.which("mount"), "needs mount, and the rights to: unshare -m as root"
    sys.exit(main())
