"""What a training writes down to be watched, and its quick look at the unfinished world."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboardX.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tiny import make_world, random_frames

from genie_core.evaluation import metrics
from genie_core.rollout import rollout
from genie_core.training.probes import HELD, STEPS, probe
from genie_core.training.records import PICTURE_SCALE, Records
from genie_core.world import World

CLIPS = random_frames(3, 6).numpy()
CODES = 4


def events(folder: Path) -> list[Event]:
    """All events of a folder of TensorBoard's, which are framed by their lengths and checksums."""
    found = []
    for file in sorted(folder.iterdir()):
        rest = file.read_bytes()
        while rest:
            (length,) = struct.unpack("<Q", rest[:8])
            found.append(Event.FromString(rest[12 : 12 + length]))
            rest = rest[16 + length :]
    return found


def test_numbers_are_written_for_a_table_and_for_tensorboard(tmp_path: Path) -> None:
    records = Records(tmp_path, "dynamics", 40)
    records.numbers({"train/loss": 2.5}, 60)
    records.numbers({"val/loss": 3.5, "found_again": 0.25}, 60)
    records.numbers({"train/loss": 1.5}, 80)
    with (tmp_path / "dynamics/metrics/from-000040/metrics.csv").open() as stream:  # while it is being written
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream)]
    assert rows == [
        {"step": 60, "train/loss": 2.5},
        {"step": 60, "val/loss": 3.5, "found_again": 0.25},
        {"step": 80, "train/loss": 1.5},
    ]
    records.close()
    told = [
        (event.step, value.tag, value.simple_value)
        for event in events(tmp_path / "tensorboard/dynamics")
        for value in event.summary.value
    ]
    assert told == [(60, "train/loss", 2.5), (60, "val/loss", 3.5), (60, "found_again", 0.25), (80, "train/loss", 1.5)]


def test_pictures_and_films_are_kept_whole(tmp_path: Path) -> None:
    records = Records(tmp_path, "dynamics", 0)
    records.rows("step", CLIPS, 20)
    records.film("held", CLIPS // 128 * 255, 20)
    records.close()
    with Image.open(tmp_path / "dynamics/pictures/step-000020.png") as sheet:
        shown = np.asarray(sheet)[::PICTURE_SCALE, ::PICTURE_SCALE]
    assert np.array_equal(shown, np.concatenate([np.concatenate(list(clip), 1) for clip in CLIPS]))
    with Image.open(tmp_path / "dynamics/pictures/held-000020.gif") as film:
        assert (film.n_frames, film.size) == (6, (3 * 16 * PICTURE_SCALE, 16 * PICTURE_SCALE))  # type: ignore[attr-defined]
    pictures = {
        value.tag: value.image.encoded_image_string
        for event in events(tmp_path / "tensorboard/dynamics")
        for value in event.summary.value
    }
    files = {name: tmp_path / f"dynamics/pictures/{name}-000020" for name in ("step", "held")}
    assert pictures == {
        "step": files["step"].with_suffix(".png").read_bytes(),
        "held": files["held"].with_suffix(".gif").read_bytes(),
    }


def test_a_run_that_goes_on_writes_beside_what_it_wrote(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Also one that was killed before it saved, and starts at the same step again."""
    for step in (0, 0, 40):
        records = Records(tmp_path, "tokenizer", step)
        records.numbers({"train/loss": 1.0}, step + 20)
        records.close()
    tables = sorted(path.parent.name for path in (tmp_path / "tokenizer/metrics").glob("*/metrics.csv"))
    assert tables == ["from-000000", "from-000040"]
    assert not [warning for warning in recwarn if "lightning" in str(warning.filename)]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def test_a_look_at_a_world_gives_what_is_played_and_found(world: World) -> None:
    found = probe(world, CLIPS, seed=1)
    assert found.film.shape == (CODES, HELD + 1, 16, 16, 3)
    inferred = world.infer_actions(torch.from_numpy(CLIPS)).cpu().numpy()
    hits = []
    for code in range(CODES):
        actions = np.concatenate([inferred[:, :2], np.full((len(CLIPS), HELD), code)], axis=1)
        played = rollout(world, CLIPS[:, :3], actions, 1)
        assert np.array_equal(played[0, 2:], found.film[code])
        hits.append(world.infer_actions(torch.from_numpy(played)).cpu().numpy()[:, 2:] == code)
    assert found.figures["found_again"] == pytest.approx(np.mean(hits))
    assert found.figures["found_again_chance"] == 1 / CODES
    told = rollout(world, CLIPS[:, 0], inferred[:, :STEPS], 1)[:, STEPS]
    random = np.random.default_rng(1).integers(CODES, size=(len(CLIPS), STEPS))
    other = rollout(world, CLIPS[:, 0], random, 1)[:, STEPS]
    gains = metrics.psnr(CLIPS[:, STEPS], told) - metrics.psnr(CLIPS[:, STEPS], other)
    assert found.figures["delta_psnr"] == pytest.approx(gains.mean())
    assert found.figures["delta_psnr_error"] == pytest.approx(gains.std(ddof=1) / 3**0.5)


def test_a_world_that_ignores_its_actions_is_seen_through() -> None:
    world = make_world()
    with torch.no_grad():
        embedding = world.dynamics.action_embed.weight
        embedding.copy_(embedding[:1].expand_as(embedding))
    figures = probe(world, CLIPS).figures
    assert figures["delta_psnr"] == figures["delta_psnr_error"] == 0
    assert figures["found_again"] == pytest.approx(1 / CODES)
