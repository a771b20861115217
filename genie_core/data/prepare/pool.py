"""Maps a function over videos with the processes of this machine, and goes on where a decoder brings one down."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Given = TypeVar("Given")
Got = TypeVar("Got")
TELL_EVERY_S = 0.5
_done_s: Any = None  # in a worker: seconds of video that all workers have done, shared with the parent


def _begin(done_s: Any) -> None:
    global _done_s
    _done_s = done_s
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the work


def tell(seconds: float) -> None:
    """Called in a worker: so much more video is done. Without a lock, which a killed worker would keep for ever."""
    if _done_s is not None:
        _done_s.value += seconds


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_processes(
    work: Callable[[Given], Got], tasks: Sequence[Given], crashed: Callable[[Given], Got], told: Callable[[float], None]
) -> Iterator[tuple[int, Got]]:
    """(index, result) of each task as it is done. Of a task that ends its process, `crashed` gives the result.

    `told` hears, now and then, how many seconds of video are done by all.
    """
    done_s = multiprocessing.get_context("spawn").RawValue("d", 0.0)
    left = dict(enumerate(tasks))
    suspects: list[int] = []  # after a crash, each is tried alone
    while left:
        workers = 1 if suspects else min(cores(), len(left))
        batch = [suspects.pop()] if suspects else list(left)
        with _Pool(workers, done_s) as pool:
            waiting = {pool.submit(work, left[index]): index for index in batch}
            try:
                while waiting:
                    done, _ = wait(waiting, TELL_EVERY_S, FIRST_COMPLETED)
                    told(done_s.value)
                    for future in done:
                        result = future.result()
                        index = waiting.pop(future)
                        del left[index]
                        yield index, result
            except BrokenProcessPool:
                if len(batch) == 1:
                    yield batch[0], crashed(left.pop(batch[0]))
                else:
                    suspects = list(left)[:workers]  # tasks begin in order


class _Pool(ProcessPoolExecutor):
    """Ends its processes at once when it is left by an exception."""

    def __init__(self, workers: int, done_s: Any) -> None:
        super().__init__(workers, multiprocessing.get_context("spawn"), _begin, (done_s,))

    def __exit__(self, error_type: type[BaseException] | None, *details: Any) -> None:
        processes = list((self._processes or {}).values())
        if error_type is not None:
            for process in processes:
                process.terminate()
        self.shutdown(wait=True, cancel_futures=True)
