"""A world of CoinRun from nothing: record both players, train the three stages, evaluate; each step with its seconds.

    python -m genie_core.games.coinrun.on_a_gpu --out OUT [--config FILE] [--frames N] [--recorders N]
        [--modes MODE [MODE]] [--quick]

OUT gets data/ and test/, the recordings; run/, whose world/ is the world; figures.json and report/. Settings and sizes
are for a GPU of 80 GB or more with 16 cores beside it, where all of it shall take 12 minutes: not tried on one yet.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from genie_core.errors import GenieError

ROOT = Path(__file__).resolve().parents[3]
POLICIES = ("explore", "random")
TRAIN_LEVELS, TEST_LEVELS = (0, 10_000), (20_000, 21_000)
TEST_SHARE = 50  # one frame for the evaluation of so many to train on


def record(out: Path, frames: int, levels: tuple[int, int], modes: Sequence[str], recorders: int) -> list[Path]:
    """Record `frames` of both players in levels of each of `modes`, with `recorders` processes, each into a data set of
    its own below `out`."""
    kinds = [(policy, mode) for policy in POLICIES for mode in modes]
    each = max(1, recorders // len(kinds))
    share = frames // (each * len(kinds))
    span = (levels[1] - levels[0]) // each
    folders, running = [], []
    for index in range(each):
        first = levels[0] + index * span
        for policy, mode in kinds:
            folders.append(out / f"{mode}-{policy}-{index}")
            asked: list[str | Path] = ["--collect", "coinrun", "--out", folders[-1], "--frames", str(share)]
            asked += [
                "--seed",
                str(index),
                "--policy",
                policy,
                "--mode",
                mode,
                "--levels",
                f"{first}:{first + span}",
                "--quiet",
            ]
            running.append(subprocess.Popen(launch(asked), cwd=ROOT))
    ended = [process.wait() for process in running]
    if any(ended):
        raise GenieError(f"a recording in {out} failed: see above; remove {out} and run the same command again")
    return folders


def launch(arguments: Sequence[str | Path]) -> list[str | Path]:
    return [sys.executable, ROOT / "launch.py", *arguments]


def run(arguments: Sequence[str | Path]) -> None:
    """One call of the program; GenieError if it fails."""
    if subprocess.run(launch(arguments), cwd=ROOT, check=False).returncode:
        raise GenieError(f"launch.py {' '.join(map(str, arguments))} failed: see above")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("gpu.toml"))
    parser.add_argument("--frames", type=int, default=1_600_000, help="to train on, 12 kB each (default 1,600,000)")
    parser.add_argument("--recorders", type=int, default=os.cpu_count() or 1, help="processes (default one a core)")
    modes = ["easy", "hard"]
    parser.add_argument("--modes", nargs="+", choices=modes, default=modes, help="of the levels (default both)")
    parser.add_argument("--quick", action="store_true", help="evaluate on few clips")
    args = parser.parse_args()
    out, begun = args.out.resolve(), time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begun:7.0f} s  {what}", flush=True)

    data = record(out / "data", args.frames, TRAIN_LEVELS, args.modes, args.recorders)
    test = record(out / "test", args.frames // TEST_SHARE, TEST_LEVELS, args.modes, 1)
    tell(f"recorded {args.frames:,} frames")
    run(["--train", "--data", *data, "--out", out / "run", "--config", args.config.resolve()])
    tell("trained")
    judged = ["--evaluate", "--world", out / "run/world", "--data", *test]
    run([*judged, "--json", out / "figures.json", "--report", out / "report", *["--quick"] * args.quick])
    tell(f"evaluated: {out / 'figures.json'}")


if __name__ == "__main__":
    try:
        main()
    except GenieError as error:
        sys.exit(f"error: {error}")
