"""`--prepare --ray`: a cluster of two nodes on this machine, one of which is killed at work."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from films import encode
from test_prepare import scenery

from genie_core.data.dataset import VideoDataset
from genie_core.data.prepare.cluster import INSTALL
from genie_core.data.prepare.run import prepare
from genie_core.errors import DataError

pytest.importorskip("ray", reason=f"the cluster needs Ray: {INSTALL}")

VIDEOS = 24


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for i in range(VIDEOS):
        encode(folder / f"{i:02d}.mp4", scenery(200, i, (240, 320)), preset="ultrafast")
    return folder


@pytest.mark.slow
@pytest.mark.long
def test_a_node_killed_at_work_loses_and_doubles_nothing(films: Path, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    alone = prepare([films], tmp_path / "alone", quiet=True)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    doomed = cluster.add_node(num_cpus=1)
    parts = tmp_path / "shared" / ".preparing" / "parts"
    seen: list[int] = []

    def kill() -> None:
        while len(list(parts.glob("*/part.json"))) < VIDEOS // 4:
            time.sleep(0.05)
        cluster.remove_node(doomed, allow_graceful=False)
        seen.append(len(list(parts.glob("*/part.json"))))

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    began = time.monotonic()
    try:
        shared = prepare([films], tmp_path / "shared", quiet=True, ray=cluster.address)
    finally:
        cluster.shutdown()
    print(f"node killed with {seen} of {VIDEOS} parts whole; all done after {time.monotonic() - began:.0f} s")
    assert seen and seen[0] < VIDEOS
    assert shared.splitlines()[1:] == alone.splitlines()[1:]
    for name in ("train", "test"):
        mine, other = VideoDataset(tmp_path / "shared" / name), VideoDataset(tmp_path / "alone" / name)
        assert mine.provenance == other.provenance and np.array_equal(mine.episodes, other.episodes)
        assert [shard.sha256 for shard in mine.info.shards] == [shard.sha256 for shard in other.info.shards]


@pytest.mark.slow
@pytest.mark.long
def test_no_cluster_is_told(films: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no Ray cluster answers at 127.0.0.1:1 .*ray start --head"):
        prepare([films], tmp_path / "out", quiet=True, ray="127.0.0.1:1")
    assert not (tmp_path / "out").exists()
