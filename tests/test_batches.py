"""The order of clips: each once an epoch, by one rank, the same after a resume and on any number of ranks."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.errors import ConfigError, DataError
from genie_core.training.batches import Batches, Sample, load
from genie_core.training.clips import FrameClips
from genie_core.training.order import Order, Rows
from genie_core.training.stage import Batch

ENDS = np.array([40, 41, 90, 100])  # of shards, in clips


class Numbers(Sample):
    """Batches of the numbers of clips, and of what a row draws at random."""

    def __init__(self, clips: int, batch_size: int, stride: int = 1, ends: np.ndarray | None = None) -> None:
        self.batch_size, self.order = batch_size, Order(clips, batch_size, stride, ends)

    def __call__(self, rows: Rows) -> Batch:
        return {"clips": torch.from_numpy(self.order(rows)), "chance": torch.from_numpy(rows.random().astype(float))}


def taken(sample: Sample, steps: range, seed: int = 0, rank: int = 0, ranks: int = 1) -> dict[str, torch.Tensor]:
    """What the steps hold, one after the other."""
    batches = Batches(sample, seed, steps.start, rank, ranks)
    found = list(itertools.islice(batches, len(steps)))
    return {name: torch.cat([batch[name] for batch in found]) for name in found[0]}


ORDERS = {
    "at random": lambda: Numbers(100, 4),
    "odd numbers": lambda: Numbers(97, 6, stride=5),
    "by shards": lambda: Numbers(100, 4, stride=3, ends=ENDS),
    "fewer clips than rows": lambda: Numbers(3, 8, stride=4, ends=np.array([2, 3])),
    "one clip": lambda: Numbers(1, 2, stride=16),
}


@pytest.mark.parametrize("kind", ORDERS)
def test_an_epoch_has_each_clip_once(kind: str) -> None:
    sample = ORDERS[kind]()
    clips, rows = sample.order.clips, sample.batch_size
    found = taken(sample, range(3 * clips // rows + 1))["clips"][: 3 * clips].reshape(3, clips)
    assert all(sorted(epoch.tolist()) == list(range(clips)) for epoch in found)
    if clips > 50:
        assert not torch.equal(found[0], found[1]), "each epoch has an order of its own"
        assert not torch.equal(found[0], taken(sample, range(clips // rows), seed=1)["clips"][:clips])


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_together_take_what_one_rank_takes(kind: str, ranks: int) -> None:
    """Row by row, so that what is drawn at random for a row is the same as well."""
    if ORDERS[kind]().batch_size % ranks:
        return
    steps = range(5, 60)
    shares = [taken(ORDERS[kind](), steps, 3, rank, ranks) for rank in range(ranks)]
    whole = taken(ORDERS[kind](), steps, 3)
    for name, values in whole.items():
        together = torch.cat([share[name].view(len(steps), -1) for share in shares], 1)
        assert torch.equal(together.flatten(), values)


@pytest.mark.parametrize("kind", ORDERS)
def test_a_resumed_run_takes_what_an_unbroken_one_takes(kind: str) -> None:
    whole = taken(ORDERS[kind](), range(70))
    parts = [taken(ORDERS[kind](), steps) for steps in (range(31), range(31, 70))]
    for name, values in whole.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), values)


def test_the_order_is_the_one_of_earlier_versions() -> None:
    """A run of days goes on after an update of this program or of NumPy."""
    assert taken(Numbers(20, 4, 3), range(2), seed=7)["clips"].tolist() == [14, 8, 2, 17, 11, 5, 10, 16]
    assert taken(Numbers(100, 4, 3, ENDS), range(2), seed=7)["clips"].tolist() == [92, 59, 62, 8, 98, 74, 50, 5]


def test_a_pass_sees_all_frames_before_any_clip_overlaps_its_neighbour() -> None:
    passes = taken(Numbers(96, 4, stride=8), range(24))["clips"].view(8, 12)
    assert all(sorted(each.tolist()) == list(range(int(each.min()), 96, 8)) for each in passes)


def test_a_pass_reads_a_shard_in_one_row_and_at_one_time() -> None:
    """Ten shards of 40 clips in 4 lanes: a lane has two or three, one after the other."""
    sample = Numbers(400, 4, stride=4, ends=np.arange(40, 401, 40))
    rows = taken(sample, range(25))["clips"].view(25, 4) // 40
    for lane in rows.T:
        stays = [shard for shard, _ in itertools.groupby(lane.tolist())]
        assert len(stays) == len(set(stays)) <= 4, "a shard that was left is not needed again"
    shared = [shard for shard in range(10) if sum(shard in lane for lane in rows.T.tolist()) > 1]
    assert len(shared) <= 3, "lanes share a shard at most where they are cut"


def test_a_batch_that_ranks_cannot_share_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="batch_size 6 does not divide among 4 processes"):
        Batches(Numbers(10, 6), 0, 0, 0, 4)


# ---- from a data set


@pytest.fixture
def dataset(tmp_path: Path) -> VideoDataset:
    """Frame i is grey level i; two shards, two episodes."""
    with DatasetWriter(tmp_path / "grey", source={}, frame_size=(4, 4), shard_bytes=20 * 48) as writer:
        for first in (0, 20):
            writer.add_episode(
                np.broadcast_to(np.arange(first, first + 20)[:, None, None, None], (20, 4, 4, 3)).astype(np.uint8)
            )
    return VideoDataset(tmp_path / "grey")


def test_loader_processes_take_the_steps_in_turn(dataset: VideoDataset) -> None:
    sample = FrameClips(dataset, dataset.clip_starts(4), 4, 2)
    batches = Batches(sample, 0, first_step=3)
    alone = [batch["frames"] for batch in itertools.islice(batches, 7)]
    beside = [batch["frames"] for batch in itertools.islice(load(batches, workers=2), 7)]
    assert all(map(torch.equal, alone, beside))


def test_a_shard_deleted_under_a_running_training_is_told_in_words(dataset: VideoDataset) -> None:
    batches = load(Batches(FrameClips(dataset, dataset.clip_starts(4), 4, 2), 0))
    next(batches)
    (Path(dataset.paths[0]) / "frames-00001.parquet").unlink()
    with pytest.raises(DataError, match=r"frames-00001\.parquet is no longer there; .*--resume") as told:
        list(itertools.islice(batches, 50))
    assert "Traceback" not in str(told.value)


@pytest.mark.slow
def test_what_was_learnt_is_saved_when_a_shard_goes(
    dataset: VideoDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genie_core.training.run import train
    from genie_core.training.saved import load_state

    shard, config = Path(dataset.paths[0]) / "frames-00001.parquet", tmp_path / "tiny.toml"
    tokenizer = "[tokenizer]\nchannels = [8]\ndecoder_blocks = 1\ncode_bits = 4\n"
    training = "[train.tokenizer]\nbatch_size = 2\ntexture_window = 2\n"
    config.write_text(f"num_actions = 2\nheld_out_every = 2\n{tokenizer}{training}")
    call = FrameClips.__call__

    def without_the_shard(self: FrameClips, rows: Rows) -> Batch:
        if rows.step == 5 and rows.stop == 2 and shard.exists():
            shard.rename(tmp_path / "away")
        return call(self, rows)

    monkeypatch.setattr(FrameClips, "__call__", without_the_shard)
    with pytest.raises(DataError, match=r"frames-00001\.parquet is no longer there"):
        train([dataset.path], tmp_path / "run", config, "tokenizer", minutes=5, device="cpu", quiet=True)
    assert load_state(tmp_path / "run", "tokenizer")["global_step"] >= 5


def test_half_of_the_rows_have_a_known_button_on_any_number_of_ranks(dataset: VideoDataset) -> None:
    buttons = np.full(40, -1, np.int8)
    buttons[5] = 2
    sample = FrameClips(dataset, dataset.clip_starts(4), 4, 4, buttons)
    whole = taken(sample, range(10))["buttons"]
    assert ((whole[::2] == 2).any(1)).all() and not (whole[1::2] == 2).any(1).all()
    halves = [taken(sample, range(10), 0, rank, 2)["buttons"].view(10, 2, -1) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves, 1).flatten(0, 1), whole)
