"""Maps a function over videos with the processes of this machine, and goes on where a decoder brings one down."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

Given = TypeVar("Given")
Got = TypeVar("Got")

TELL_EVERY_S = 0.5
AHEAD = 4  # tasks in the queue for each process
_done_s: Any = None  # in a worker: seconds of video that all workers have done, shared with the parent


class Mapper(Protocol):
    """Maps a function over tasks, in whatever processes and on whatever machines."""

    def map(
        self,
        work: Callable[[Given], Got],
        tasks: Sequence[Given],
        crashed: Callable[[Given], Got],
        told: Callable[[float], None],
    ) -> Iterator[tuple[int, Got]]:
        """(index, result) of each task as it is done. Of a task that ends its process, `crashed` gives the result.

        `told` hears, now and then, how many seconds of video are done by all. Exceptions of `work` come through.
        """
        ...


def tell(seconds: float) -> None:
    """Called in a worker: so much more video is done. Without a lock, which a killed worker would keep for ever."""
    if _done_s is not None:
        _done_s.value += seconds


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes:
    """A process for each core. To be used in a `with`, which ends them."""

    def __init__(self) -> None:
        self._done_s = multiprocessing.get_context("spawn").RawValue("d", 0.0)
        self._pool = self._new(cores())

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *details: Any) -> None:
        for process in [] if error_type is None else list((self._pool._processes or {}).values()):
            process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _new(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (self._done_s,))

    def map(
        self,
        work: Callable[[Given], Got],
        tasks: Sequence[Given],
        crashed: Callable[[Given], Got],
        told: Callable[[float], None],
    ) -> Iterator[tuple[int, Got]]:
        left = dict(enumerate(tasks))
        while left:
            try:
                for index, result in self._map(self._pool, work, dict(left), told):
                    del left[index]
                    yield index, result
            except BrokenProcessPool:
                self._pool = self._new(cores())
                for index in list(left)[: cores()]:  # tasks begin in order: each that may have been running, alone
                    yield index, self._alone(work, left.pop(index), crashed)

    def _map(
        self,
        pool: ProcessPoolExecutor,
        work: Callable[[Given], Got],
        left: dict[int, Given],
        told: Callable[[float], None],
    ) -> Iterator[tuple[int, Got]]:
        waiting: dict[Future[Got], int] = {}
        while left or waiting:
            while left and len(waiting) < AHEAD * cores():
                index = next(iter(left))
                waiting[pool.submit(work, left.pop(index))] = index
            done, _ = wait(waiting, TELL_EVERY_S, FIRST_COMPLETED)
            told(self._done_s.value)
            for future in sorted(done, key=lambda each: waiting[each]):
                yield waiting.pop(future), future.result()

    def _alone(self, work: Callable[[Given], Got], task: Given, crashed: Callable[[Given], Got]) -> Got:
        with self._new(1) as pool:
            try:
                return pool.submit(work, task).result()
            except BrokenProcessPool:
                return crashed(task)


def _begin(done_s: Any) -> None:
    global _done_s
    _done_s = done_s
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the work
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
