"""Damaged inputs by the thousand: each is accepted, or refused in words, within a second or so and a gigabyte.

    python tests/benchmarks/fuzz.py [--kind KIND …] [--inputs N] [--seed N] [--log FILE]
    python tests/benchmarks/fuzz.py --kind KIND --seed N --only NUMBER [--keep FOLDER]

Each kind has a corpus of valid inputs, made anew in memory, and changes them: bits, bytes and lengths anywhere; values
of JSON; words of a small language; and checksums are made right again, so that damage gets past them. The input goes to
the function that takes such inputs from outside. Anything but a GenieError or acceptance is found: another exception, a
crash, a hang, over 1.5 s of CPU, over 1 GB.

The kinds take turns, a batch each, until there are N inputs in all; a cheap kind has larger batches, and no kind more
than its even share of what is left. With --log the
counts are kept in FILE, from which the next run goes on. The second form makes one input again and shows what it does.

Why neither atheris nor Hypothesis: most of our parsers are C libraries, into which atheris, guided by the coverage of
Python code, does not see; and it needs a build of its own for each Python. Hypothesis takes about a millisecond for a
value of a few fields, more than most inputs here take altogether. It runs the engine in tests/test_state_machine.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", MALLOC_ARENA_MAX="2", HF_HUB_OFFLINE="1")
os.environ.update(SDL_VIDEODRIVER="dummy", PYGAME_HIDE_SUPPORT_PROMPT="1")

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fuzzing.kind import Kind
from fuzzing.kinds import KINDS
from fuzzing.worker import Tally, chance, try_batch

from genie_core.errors import GenieError

MEMORY = Path("/dev/shm")  # files there cost no disk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--inputs", type=int, default=100_000, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--only", type=int, help="the number of one input")
    parser.add_argument("--keep", type=Path, help="where that input's files are kept")
    args = parser.parse_args()
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        os.environ["XDG_CACHE_HOME"] = folder  # no graphs of tiny worlds among a user's
        kinds = [made(name, Path(folder)) for name in args.kind]
        if args.only is not None:
            show(kinds[0], args.seed, args.only, args.keep)
            return
        told = json.loads(args.log.read_text()) if args.log and args.log.is_file() else {}
        tallies = {kind.name: Tally(**told.get(kind.name, {})) for kind in kinds}
        while (left := args.inputs - sum(tally.inputs for tally in tallies.values())) > 0:
            take_turns(kinds, tallies, args.seed, left)
            if args.log:
                args.log.write_text(json.dumps({name: dataclasses.asdict(tally) for name, tally in tallies.items()}))
        tell(tallies)


def made(name: str, folder: Path) -> Kind:
    (folder / name).mkdir()
    return KINDS[name](folder / name)


def take_turns(kinds: list[Kind], tallies: dict[str, Tally], seed: int, most: int) -> None:
    """Tries one batch of each kind, or its even share of `most` inputs where that is less. Prints what is new."""
    share = math.ceil(most / len(kinds))
    for kind in kinds:
        tally, count = tallies[kind.name], min(kind.batch, share, most)
        known = set(tally.found)
        tally.add(try_batch(kind, seed, tally.inputs, tally.inputs + count))
        most -= count
        print(f"{kind.name}: {tally.inputs:,} inputs, {sum(tally.found.values())} found", flush=True)
        for what in tally.found.keys() - known:
            print(f"  {what}: {tally.first[what]}", flush=True)


def tell(tallies: dict[str, Tally]) -> None:
    for name, tally in tallies.items():
        print(
            f"| {name} | {tally.inputs:,} | {tally.refused:,} refused, {tally.accepted:,} accepted, "
            f"{sum(tally.found.values())} found | {tally.cpu_s:.0f} s of CPU, slowest {tally.slowest_s:.2f} s "
            f"({tally.slowest_at}) | {tally.peak_mb} MB ({tally.peak_at}) |"
        )
        for what, count in sorted(tally.found.items(), key=lambda each: -each[1]):
            print(f"  {count} times {what}, first {tally.first[what].splitlines()[0]}")
    every = tallies.values()
    print(f"{sum(tally.inputs for tally in every):,} inputs, {sum(tally.cpu_s for tally in every):,.0f} s of CPU")


def show(kind: Kind, seed: int, number: int, keep: Path | None) -> None:
    files = kind.damaged(chance(kind, seed, number))
    for name, content in files.items():
        if keep is not None:
            (keep / name).parent.mkdir(parents=True, exist_ok=True)
            (keep / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes: {content[:300]!r}")
    try:
        kind.use(files)
        print("accepted")
    except GenieError as error:
        print(f"refused: {error}")
    except Exception:
        traceback.print_exc()


if __name__ == "__main__":
    main()
