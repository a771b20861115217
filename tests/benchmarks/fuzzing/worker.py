"""Tries inputs in a process of their own, with little memory and time for each, and says what became of them."""

from __future__ import annotations

import collections
import dataclasses
import faulthandler
import json
import mmap
import os
import random
import re
import resource
import signal
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from fuzzing.kind import REPOSITORY, Kind
from genie_core.errors import GenieError

MOST_CPU_S = 1.5  # of one input: a second or so
HANGS_S = 20  # of CPU, then the process is ended
STALLS_S = 180  # of the clock, for an input that waits for something
MOST_RSS_MB = 1024
ROOM = 3 * 2**29  # of address space beyond what is taken before: threads reserve some that they never use


@dataclass
class Tally:
    """What became of inputs. `found` counts what is neither accepted nor refused in words; `first` shows one of each.

    `peak_mb` is of the whole process, its libraries included; `peak_at` and `slowest_at` are inputs' numbers.
    """

    inputs: int = 0
    refused: int = 0
    accepted: int = 0
    cpu_s: float = 0.0
    slowest_s: float = 0.0
    slowest_at: int = -1
    peak_mb: int = 0
    peak_at: int = -1
    found: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        if other.peak_mb > self.peak_mb:
            self.peak_mb, self.peak_at = other.peak_mb, other.peak_at
        if other.slowest_s > self.slowest_s:
            self.slowest_s, self.slowest_at = other.slowest_s, other.slowest_at
        for name in ("inputs", "refused", "accepted", "cpu_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.found = dict(collections.Counter(self.found) + collections.Counter(other.found))
        self.first = other.first | self.first

    def note(self, what: str, number: int, story: str) -> None:
        self.found[what] = self.found.get(what, 0) + 1
        self.first.setdefault(what, f"input {number}\n{story}")


def chance(kind: Kind, seed: int, number: int) -> random.Random:
    """The generator of one input, which any later run makes again."""
    return random.Random(f"{kind.name} {seed} {number}")


def try_batch(kind: Kind, seed: int, start: int, stop: int) -> Tally:
    """Tries the inputs `start` to `stop` - 1 in a process. What an input ends, the inputs before and after do anew."""
    if start >= stop:
        return Tally()
    at, result = mmap.mmap(-1, 8), kind.folder / "result"
    with (kind.folder / "stderr").open("wb+") as errors:
        child = os.fork()
        if not child:
            _child(kind, seed, range(start, stop), at, result, errors.fileno())
        _, status = os.waitpid(child, 0)
        errors.seek(0)
        story = errors.read()[-3000:].decode(errors="replace")
    if status == 0:
        return Tally(**json.loads(result.read_text()))
    number = int.from_bytes(at[:8], "little")
    tally = try_batch(kind, seed, start, number)
    tally.inputs += 1
    tally.note(_how(status), number, story)
    tally.add(try_batch(kind, seed, number + 1, stop))
    return tally


def _how(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"ENDS with {os.WEXITSTATUS(status)}"
    name = signal.Signals(os.WTERMSIG(status)).name
    return {"SIGPROF": f"HANGS over {HANGS_S} s", "SIGALRM": f"STALLS over {STALLS_S} s"}.get(name, f"CRASHES: {name}")


def _child(kind: Kind, seed: int, numbers: range, at: mmap.mmap, result: Path, errors: int) -> None:
    code = 1
    try:
        os.dup2(errors, 2)  # libraries complain of each damaged file
        faulthandler.enable()
        faulthandler.register(signal.SIGPROF, chain=True)
        warnings.simplefilter("ignore")
        most = _kilobytes("VmSize") * 1024 + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        result.write_text(json.dumps(dataclasses.asdict(_try(kind, seed, numbers, at))))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _try(kind: Kind, seed: int, numbers: range, at: mmap.mmap) -> Tally:
    tally, begun = Tally(len(numbers)), time.process_time()
    Path("/proc/self/clear_refs").write_text("5")
    signal.alarm(STALLS_S)
    for number in numbers:
        at[:8] = number.to_bytes(8, "little")
        signal.setitimer(signal.ITIMER_PROF, HANGS_S)
        files = kind.damaged(chance(kind, seed, number))
        before = time.process_time()
        try:
            kind.use(files)
            tally.accepted += 1
        except GenieError:
            tally.refused += 1
        except Exception as error:
            tally.note(_where(error), number, "".join(traceback.format_exception(error, limit=-8))[-3000:])
        took = time.process_time() - before
        if took > MOST_CPU_S:
            tally.note("SLOW", number, f"{took:.1f} s")
        if took > tally.slowest_s:
            tally.slowest_s, tally.slowest_at = took, number
        if not number % kind.measured:
            _look_at_memory(tally, number)
            signal.alarm(STALLS_S)
    _look_at_memory(tally, numbers[-1])
    tally.cpu_s = time.process_time() - begun
    return tally


def _look_at_memory(tally: Tally, number: int) -> None:
    peak = _kilobytes("VmHWM") // 1024
    if peak > MOST_RSS_MB:
        tally.note("LARGE", number, f"{peak} MB")
    if peak > tally.peak_mb:
        tally.peak_mb, tally.peak_at = peak, number
    Path("/proc/self/clear_refs").write_text("5")  # the next peak is of the next inputs alone


def _where(error: BaseException) -> str:
    """The kind of an exception, and the innermost line of ours that it passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if str(REPOSITORY) in frame.filename]
    ours = [frame for frame in frames if "benchmarks" not in frame.filename] or frames
    last = Path(ours[-1].filename).relative_to(REPOSITORY) if ours else "?"
    return f"{type(error).__name__} at {last}:{ours[-1].lineno if ours else 0}"


def _kilobytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0
