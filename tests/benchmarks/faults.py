"""Stops each long operation at a random moment, fills its disk, takes its inputs away; then looks at what is left.

    unshare -rm python tests/benchmarks/faults.py [--times N] [--only NAME ...] [--faults NAME ...] [--json FILE]

An operation runs as a command does, in a process forked from one that has torch loaded. Half the moments are the n-th
time that it opens, renames or removes a file of its own, at random; the others are random in time. After each
fault: what lies under final names is old or new, never half; what is said is one sentence; no process is left over; and
the same command, with --resume for a training, then gives what an undisturbed one gave, and clears up. Needs Linux.

With --json the counts are kept in FILE, and the next run goes on from there: until each fault of each operation that
is asked for was tried N times. The operations take turns, so that a run stopped at any time has tried all as often.
"""

from __future__ import annotations

import argparse
import atexit
import collections
import contextlib
import ctypes
import json
import os
import random
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from faults_operations import DAMAGED, EFFORT, Left, Operation, make_inputs, operations

from app.site.ort import cache, is_cached
from genie_core.evaluation.measure import EFFORTS
from genie_core.files import write_whole
from genie_core.training import fit

SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "KILL": signal.SIGKILL}
FAULTS = (*SIGNALS, "full", "read-only", "gone")
# What the operations import, so that a fault meets their work and not the start of Python.
LOADED = ["app.play.record", "app.site.export", "genie_core.data.environments.record", "genie_core.data.prepare.run"]
LOADED += ["genie_core.evaluation.compare", "genie_core.evaluation.report", "genie_core.graphs", "genie_core.hub.space"]
LOADED += ["genie_core.runtimes.making", "genie_core.runtimes.onnx_runtime", "genie_core.training.run"]
LOADED += ["matplotlib.pyplot", "pyarrow.parquet", "tiny_environments"]
WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir"}
PATIENCE_S = 300.0
WRONG = "WRONG: "
# Python tells so of what a process that was killed left to its own helper, which removes it.
TRACKER = re.compile(r".*resource_tracker: There appear to be \d+ leaked semaphore objects.*\n.*\n")
ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT
MS_RDONLY, MS_REMOUNT = 1, 32
LINGER_S = 10.0  # that a process may take to end after the one that started it


class Ended(NamedTuple):
    code: int
    said: str
    events: int
    seconds: float
    left_over: list[int]


class Moment(NamedTuple):
    """When `do` is called: at the event of that number in `folder`, or after so many seconds."""

    event: int
    seconds: float
    folder: Path
    do: Callable[[int], object]  # given the process; False if it could not be done, and is tried again a little later


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100, help="of each fault of each operation (default 100)")
    parser.add_argument("--only", nargs="+", default=[""], help="operations whose names begin so")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.sched_setaffinity(0, {random.choice([*os.sched_getaffinity(0)])})  # --prepare then has one worker
    fit.SAVE_EVERY, fit.LOOK_EVERY_STEPS = timedelta(seconds=0.02), 3
    EFFORTS["quick"] = EFFORT
    base = Path(mkdtemp(prefix="faults-"))
    for name in LOADED:
        import_module(name)
    run_here(lambda: make_inputs(base / "in"), base)
    asked = [each for each in operations(cache() if is_cached() else None) if each.name.startswith(tuple(args.only))]
    told = json.loads(args.json.read_text()) if args.json and args.json.is_file() else {}
    trials = [Trial(base, operation, args.seed, told.get(operation.name, {})) for operation in asked]
    for number in range(args.times):  # all of them once, and again: stopped at any time, they have met equally much
        for trial in trials:
            for fault in args.faults:
                if trial.counts[fault]["tried"] > number:
                    continue
                trial.meet(fault, number)
                if args.json:
                    told |= {trial.operation.name: trial.counts for trial in trials}
                    write_whole(args.json, json.dumps(told, indent=1))
        print(f"{number + 1} of {args.times}", flush=True)
    for trial in trials:
        for fault, counts in trial.counts.items():
            print(f"{trial.operation.name:30}{fault:10}", dict(sorted(counts.items())))
    if any(name.startswith(WRONG) for trial in trials for counts in trial.counts.values() for name in counts):
        print(f"some went wrong; see {base}/wrong")
        return 1
    shutil.rmtree(base)
    return 0


class Trial:
    """An operation, run undisturbed first. `counts` are those of earlier runs."""

    def __init__(self, base: Path, operation: Operation, seed: int, counts: dict[str, dict[str, int]]) -> None:
        self.base, self.operation, self.seed = base, operation, seed
        self.counts = {fault: collections.Counter[str](counts.get(fault, {})) for fault in FAULTS}
        self.inputs, self.out, self.disk = base / "in", base / "disk/out", base / "disk"
        self.there: list[str] = []  # after the fault
        self._clear()
        self.old = operation.left(self.out)
        self.whole = self._run()
        self.new = operation.left(self.out)
        self.bytes = used(self.disk)
        assert self.whole.code == 0, (operation.name, self.whole.said)
        if operation.name == "train latent_action":  # the stage after it begins with a run that has two
            self._keep_run()

    def meet(self, fault: str, number: int) -> None:
        """Meet a fault for the time of that number, and count what became of it."""
        ended = self._disturbed(fault, number)
        counts = self.counts[fault]
        counts["tried"] += 1
        counts[kind_of(ended)] += 1
        if self.operation.torn and DAMAGED in self.operation.left(self.out).values():
            counts["left what is refused as damaged"] += 1
        for wrong in self._wrong(fault, ended):
            counts[WRONG + wrong] += 1
            self._remember(fault, number, wrong, ended)
        self._clear()

    def _disturbed(self, fault: str, number: int) -> Ended:
        self._clear(full=fault in ("full", "read-only"))
        rng = random.Random(f"{self.seed} {self.operation.name} {fault} {number}")
        at = rng.randrange(max(1, self.whole.events)) + 1
        event, seconds = (at, 0.0) if number % 2 == 0 else (0, rng.uniform(0, self.whole.seconds))
        if fault in SIGNALS:
            everybody = fault == "INT" or rng.random() < 0.5  # a terminal's Ctrl-C goes to all; others may not
            send = os.killpg if everybody else os.kill
            return self._run(Moment(event, seconds, self.base, lambda process: send(process, SIGNALS[fault])))
        if fault == "gone":
            hide = lambda process: (self.base / "in").rename(self.base / "hidden")  # noqa: E731
            ended = self._run(Moment(event, seconds, self.base, hide))
            if (self.base / "hidden").exists():
                (self.base / "hidden").rename(self.base / "in")
            return ended
        if fault == "read-only":
            if not number:  # from the start, before any moment
                self._mount("remount,ro")
            ended = self._run(Moment(event, seconds, self.base, lambda process: now_read_only(self.disk)))
        else:
            room = used(self.disk) + rng.randrange(4096, 2 * self.bytes + 8192)
            self._mount(f"remount,size={room // 4096 * 4}k")
            ended = self._run()
        self._mount("remount,rw,size=1g")
        return ended

    def _wrong(self, fault: str, ended: Ended) -> list[str]:
        """What is not as promised, after the fault and after going on."""
        wrong = []
        left = self.operation.left(self.out)
        self.there = [str(path.relative_to(self.base)) for path in sorted(self.disk.rglob("*"))]
        if half := self._half(left):
            wrong.append(f"half-written: {', '.join(half)}")
        said = TRACKER.sub("", ended.said) if ended.code < 0 else ended.said
        if "Traceback" in said or "Exception ignored" in said:
            wrong.append("traceback")
        elif len(said.strip().splitlines()) > 1:
            wrong.append("more than a sentence")
        if ended.code not in (0, 1, 130, *(-number for number in SIGNALS.values())):
            wrong.append(f"exit code {ended.code}")
        if ended.left_over:
            wrong.append("process left over")
        if ended.code == 0 and left != self.new:
            wrong.append("said to be done and is not")
        if not (ended.code == 0 and left == self.new):
            wrong += self._wrong_after(left)
        return wrong

    def _wrong_after(self, left: Left) -> list[str]:
        """What is not as promised once the command is given again."""
        again = self.operation.again if (self.out / self.operation.begun).exists() and self.operation.begun else ()
        after = self._run(words=again)
        if after.code != 0 and not (self.operation.once and left == self.new):
            return [f"does not go on: {after.said.strip()[-200:]}"]
        if self.operation.left(self.out) != self.new:
            return ["goes on to another result"]
        left_over = [path.name for path in self.out.rglob(".*.part")]
        return [f"leaves {', '.join(left_over)}"] if left_over else []

    def _half(self, left: Left) -> list[str]:
        """The names of what is neither old nor new, or damaged."""
        if DAMAGED in left.values() and self.operation.torn:
            return []
        odd = [n for n, value in left.items() if value == DAMAGED or value not in (self.old.get(n), self.new.get(n))]
        mixed = self.operation.whole and left not in (self.old, self.new)
        return odd or ["some of each"] * mixed

    def _run(self, moment: Moment | None = None, words: tuple[str, ...] = ()) -> Ended:
        given = [word.replace("{i}", str(self.inputs)).replace("{o}", str(self.out)) for word in self.operation.words]
        extra = [*words] if self.operation.words[0] == "-c" else [*words, "--quiet"]
        if self.operation.again and not words and (self.out / self.operation.begun).exists():
            extra += self.operation.again
        return run_here(lambda: become([*given, *extra], self.base), self.base, moment)

    def _clear(self, full: bool = False) -> None:
        """An empty disk, of its own if it is to be filled, with what is there before."""
        while os.path.ismount(self.disk):
            subprocess.run(["umount", self.disk], check=True)
        for name in ("disk", "home"):
            shutil.rmtree(self.base / name, ignore_errors=True)
            (self.base / name).mkdir()
        if full:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "none", self.disk], check=True)
        for folder in (self.out, self.disk / "tmp"):
            folder.mkdir()
        self.operation.before(self.inputs, self.out)

    def _mount(self, options: str) -> None:
        subprocess.run(["mount", "-o", options, self.disk], check=True)

    def _keep_run(self) -> None:
        self._run_stage_before()
        shutil.copytree(self.out / "run", self.inputs / "run")

    def _run_stage_before(self) -> None:
        words = [word.replace("latent_action", "tokenizer") for word in self.operation.words]
        before = self.operation
        self.operation = before._replace(words=words)
        assert self._run(words=("--resume",)).code == 0
        self.operation = before

    def _remember(self, fault: str, number: int, wrong: str, ended: Ended) -> None:
        note = self.base / "wrong" / f"{self.operation.name}-{fault}-{number}.txt".replace(" ", "_")
        note.parent.mkdir(exist_ok=True)
        note.write_text("\n".join([wrong, str(ended), "", ended.said, "", *self.there]) + "\n")


def now_read_only(disk: Path) -> bool:
    """Make a disk read-only, unless a file on it is open for writing: whether it is now."""
    return not ctypes.CDLL(None).mount(b"none", os.fsencode(disk), b"tmpfs", MS_REMOUNT | MS_RDONLY, None)


def used(folder: Path) -> int:
    """Bytes of whole pages."""
    return sum(path.stat().st_size // 4096 * 4096 + 4096 for path in folder.rglob("*"))


def kind_of(ended: Ended) -> str:
    return {0: "done", 1: "said so", 130: "stopped", -signal.SIGINT: "stopped"}.get(ended.code, "killed")


def run_here(work: Callable[[], object], base: Path, moment: Moment | None = None) -> Ended:
    """Do `work` in a process forked from this one, the first of a session of its own; meet the moment meanwhile."""
    said, counted, began = base / "said.txt", base / "events.txt", time.monotonic()
    process = os.fork()
    if process == 0:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
        written = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(written, 2)
        count = watch(base / "disk", base / "in", moment)
        end(work, lambda: counted.write_text(str(count())))
    if moment is not None and not moment.event:
        time.sleep(moment.seconds)
        with contextlib.suppress(ProcessLookupError):
            while moment.do(process) is False and os.waitid(os.P_PID, process, ENDED) is None:
                time.sleep(0.001)
    status = waited(process)
    left_over = lingering(process)
    for each in left_over:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    events = int(counted.read_text()) if moment is None and counted.exists() else 0
    return Ended(status, said.read_text(errors="replace"), events, time.monotonic() - began, left_over)


def waited(process: int) -> int:
    """The exit code of `process`, as subprocess has it."""
    deadline = time.monotonic() + PATIENCE_S
    while (ended := os.waitpid(process, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.killpg(process, signal.SIGKILL)
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(ended[1])


def lingering(session: int) -> list[int]:
    """Processes of a session that do not end."""
    deadline = time.monotonic() + LINGER_S
    while (found := members(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def members(session: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, *others = stat.read_text().rpartition(")")[2].split()
            if int(others[2]) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def watch(disk: Path, inputs: Path, moment: Moment | None) -> Callable[[], int]:
    """Count what this process does to files of the operation, and meet the moment at its event."""
    folders, count, process = (os.fsencode(disk), os.fsencode(inputs)), 0, os.getpid()
    left = moment.event if moment is not None else 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count, left
        if event not in WATCHED or not isinstance(args[0], (str, bytes, os.PathLike)):
            return
        if os.fsencode(args[0]).startswith(folders) and os.getpid() == process:
            count += 1
            if moment is not None and left and count >= left:
                left = 0  # what is done now may be such an event itself
                left = count + 1 if moment.do(process) is False else 0

    sys.addaudithook(hook)
    return lambda: count


def become(words: list[str], base: Path) -> None:
    """Be `python WORDS`: its folder, environment and arguments, then its code."""
    path = os.environ["PATH"]
    os.environ.clear()
    os.environ.update(PATH=path, HOME=str(base / "home"), TMPDIR=str(base / "disk/tmp"), OMP_NUM_THREADS="1")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    os.chdir(base)
    first, *rest = words
    if first == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = words
        runpy.run_path(first, run_name="__main__")


def end(work: Callable[[], object], last: Callable[[], object]) -> None:
    """Do `work`, then end this process as Python ends."""
    code: Any = 0
    try:
        work()
        last()
    except SystemExit as asked:
        last()
        code = asked.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    sys.exit(main())
