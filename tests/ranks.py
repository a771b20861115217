"""Trainings in processes of their own, forked from this one: as Lightning's launcher starts them, without the wait."""

from __future__ import annotations

import csv
import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Sequence
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from genie_core.training import fit, progress, run

FORK = multiprocessing.get_context("fork")


def start(ranks: int, data: Path, out: Path, config: Path | None = None, **options: Any) -> list[BaseProcess]:
    """Processes that train together, the first of rank 0; what one prints is in `out`-RANK.txt."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes: list[BaseProcess] = []
    for rank in range(ranks):
        place = {
            "LOCAL_RANK": rank,
            "NODE_RANK": 0,
            "WORLD_SIZE": ranks,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        processes.append(
            FORK.Process(target=_train, args=(place if ranks > 1 else {}, ranks, data, out, config, options))
        )
        processes[-1].start()
    return processes


def together(ranks: int, data: Path, out: Path, config: Path | None = None, **options: Any) -> None:
    """Train in `ranks` processes, which must end well."""
    join(start(ranks, data, out, config, **options), [0] * ranks)


def join(processes: Sequence[BaseProcess], codes: Sequence[int]) -> None:
    """Wait for processes, which must end with `codes`."""
    for process in processes:
        process.join(120)
    ended = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert ended == list(codes)


def losses(out: Path, stage: str) -> dict[int, float]:
    """The loss of each step, of all that was written down."""
    found = {}
    for table in sorted((out / stage / "metrics").glob("*/metrics.csv")):
        with table.open() as stream:
            found |= {int(row["step"]): float(row["train/loss"]) for row in csv.DictReader(stream) if row["train/loss"]}
    return found


def _train(
    place: dict[str, Any], ranks: int, data: Path, out: Path, config: Path | None, options: dict[str, Any]
) -> None:
    os.setpgrp()
    os.environ.update({name: str(value) for name, value in place.items()})
    progress.LOG_EVERY_STEPS = 1
    if not options.pop("world", False):
        run.assemble = lambda *_: None  # type: ignore[assignment]  # which takes longer than such a training
    fit.SAVE_EVERY = timedelta(seconds=options.pop("save_every", 180))
    log = out.with_name(f"{out.name}-{place.get('LOCAL_RANK', 0)}.txt").open("w")
    sys.stdout = sys.stderr = log
    code = 1
    try:
        run.train([data], out, config, device="cpu", quiet=True, devices=ranks, **options)
        code = 0
    except KeyboardInterrupt:
        code = 130
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    log.close()
    os._exit(code)
