"""Maps a function over videos with Ray Data, on machines that see the videos and DIR by the same paths.

What is done on a machine that is lost is done again elsewhere, up to three times, as Ray does; a part that was whole is
found and not made again.
"""

from __future__ import annotations

import logging
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from genie_core.errors import DataError, GenieError, MissingExtraError

Given = TypeVar("Given")
Got = TypeVar("Got")

PACKAGE = Path(__file__).parents[2]
ANSWER_S = 10.0
INSTALL = "pip install -r genie_core/data/prepare/requirements-ray.txt"


class Cluster:
    """A connection to the Ray cluster at `address`, such as auto or HOST:6379. To be used in a `with`.

    Raises MissingExtraError without Ray, DataError if no cluster answers.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise MissingExtraError(f"--ray needs Ray Data; {INSTALL}") from error
        try:
            _knock(address)
            ray.init(
                address,
                runtime_env={"py_modules": [str(PACKAGE)]},
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(
                f"no Ray cluster answers at {address} ({str(error).splitlines()[0]}); start one with: ray start --head"
            ) from error
        self._ray = ray

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *details: object) -> None:
        self._ray.shutdown()

    def map(
        self,
        work: Callable[[Given], Got],
        tasks: Sequence[Given],
        crashed: Callable[[Given], Got],
        told: Callable[[float], None],
    ) -> Iterator[tuple[int, Got]]:
        """As `pool.Mapper` says; nothing is told before a task is done."""
        if not tasks:
            return
        context = self._ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # a block is one task
        rows = [{"index": index, "task": pickle.dumps(task)} for index, task in enumerate(tasks)]
        dataset = self._ray.data.from_items(rows, override_num_blocks=len(rows))
        left = dict(enumerate(tasks))
        for row in dataset.map(_Call(work), num_cpus=1).iter_rows():
            result = pickle.loads(row["result"])
            if isinstance(result, GenieError):
                raise result
            if left.pop(row["index"], None) is not None:
                yield row["index"], result
        for index, task in left.items():
            yield index, crashed(task)


def _knock(address: str) -> None:
    """Raises OSError if nobody listens at HOST:PORT, for which Ray would wait for minutes."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), ANSWER_S).close()


class _Call:
    """`work` on a row, its result or its GenieError as bytes: Arrow knows no class of ours."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            result = self._work(pickle.loads(row["task"]))
        except GenieError as error:
            result = error
        return {"index": row["index"], "result": pickle.dumps(result)}
