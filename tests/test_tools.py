"""The scripts that make parts of shipped worlds."""

import dataclasses
from pathlib import Path

import torch
from tiny import make_world, walking_squares

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.tools.average_worlds import average


def test_worlds_are_averaged_by_their_shares(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "squares", source={}, frame_size=(16, 16)) as writer:
        for clip in walking_squares(3, 4).frames.numpy():
            writer.add_episode(clip)
    worlds = [make_world(seed) for seed in (1, 2)]
    for number, world in enumerate(worlds, 1):
        done = {"stages": {"dynamics": {"steps": number, "minutes": 10.0 * number}}}
        world.config = dataclasses.replace(world.config, training=done)
    weights = [{key: value.clone() for key, value in world.dynamics.state_dict().items()} for world in worlds]
    tokenizer = worlds[0].tokenizer.state_dict()
    averaged = average(worlds, (0.25, 0.75), VideoDataset(tmp_path / "squares"))
    for name, value in averaged.dynamics.state_dict().items():
        torch.testing.assert_close(value, 0.25 * weights[0][name] + 0.75 * weights[1][name])
    assert all(torch.equal(value, tokenizer[name]) for name, value in averaged.tokenizer.state_dict().items())
    told = averaged.config.training["averaged"]
    assert told == [{"share": 0.25, "steps": 1, "minutes": 10.0}, {"share": 0.75, "steps": 2, "minutes": 20.0}]
    assert len(averaged.config.actions) == 4
