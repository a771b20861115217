"""Which clips each global batch has: a pure function of the seed and the step, shared out among the ranks.

So the place in the data is the number of the step and nothing else: a run that resumes, or runs on another number of
ranks with the same global batch, learns from the same clips in the same order.
"""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from genie_core.errors import ConfigError, GenieError
from genie_core.training.order import Rows
from genie_core.training.stage import Batch

AHEAD = 4  # batches that a loader process has ready


class Sample:
    """Gives the rows of a batch of `batch_size`: a subclass says what they hold."""

    batch_size: int

    def __call__(self, rows: Rows) -> Batch:
        raise NotImplementedError(f"{type(self).__name__} must say what a batch holds")


class Batches(IterableDataset):
    """This rank's rows of each global batch of `sample`, from step `first_step` on, without end.

    Rank r of R has a run of `batch_size` / R rows. Several loader processes take the steps in turn. An error that can
    be told in a sentence is the last item: raised, it would arrive with a traceback in its message.
    """

    def __init__(self, sample: Sample, seed: int, first_step: int = 0, rank: int = 0, ranks: int = 1) -> None:
        if sample.batch_size % ranks:
            raise ConfigError(
                f"batch_size {sample.batch_size} does not divide among {ranks} processes; change it, or --devices"
            )
        self.sample, self.seed, self.first_step = sample, seed, first_step
        self.first, self.stop = (sample.batch_size * number // ranks for number in (rank, rank + 1))

    def __iter__(self) -> Iterator[Batch | GenieError]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        try:
            for step in itertools.count(self.first_step + number, workers):
                yield self.at(step)
        except GenieError as error:
            yield error

    def at(self, step: int) -> Batch:
        """This rank's rows of the batch of a step."""
        return self.sample(Rows(self.seed, step, self.first, self.stop))


def load(batches: Batches, workers: int = 1, pin_memory: bool = False) -> Iterator[Batch]:
    """The batches, made ready by `workers` processes beside this one; raises the GenieError that ends them."""
    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        pin_memory=pin_memory,
        worker_init_fn=_quiet_worker,
    )
    for batch in loader:
        if isinstance(batch, GenieError):
            raise batch
        yield batch


def _quiet_worker(_: int) -> None:
    """Ctrl-C is for the training process, which reads the loader's errors; a connection cut by its end is none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to the whole group, it must not end what a last step waits for
    sys.excepthook = lambda *_: None
    torch.set_num_threads(1)
