"""A second game goes all the way: recorded, trained in three stages, measured, played alone and in the browser.

Nothing of the program knows this game: its frames are wide, its camera is fixed, it has three buttons.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import ferry
import numpy as np
import pytest
import torch
from PIL import Image
from training_clock import count_steps, minutes

from app.play import commands as c
from app.play.start import Start, begin
from genie_core.data import VideoDataset
from genie_core.engine import WorldEngine
from genie_core.evaluation.buttons import mutual_information
from genie_core.evaluation.measure import Effort, evaluate
from genie_core.pictures import load_picture
from genie_core.rollout import rollout
from genie_core.training.run import train
from genie_core.training.settings import STAGES
from genie_core.world import World

pytestmark = pytest.mark.slow

torch.set_num_threads(1)  # networks as small as these only lose by sharing the work

STEPS = {"tokenizer": 60, "latent_action": 85, "dynamics": 140}
MIDDLE = 40  # where a ferry can go either way
QUICK = Effort(clips=4, longest=12, scenes=4, rollouts=1, steps=20)


class Learnt(NamedTuple):
    run: Path
    data: VideoDataset
    world: World
    inferred: np.ndarray  # codes of episodes that were not trained on
    buttons: np.ndarray  # that were really pressed there
    codes: dict[int, int]  # of each button, the code inferred most
    pressed: dict[int, int]  # of each code, the button pressed most


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    folder = tmp_path_factory.mktemp("ferry")
    data, settings = ferry.record(folder / "data"), folder / "tiny.toml"
    settings.write_text(ferry.SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        count_steps(patch)
        patch.setattr("genie_core.training.fit.LOOK_EVERY_STEPS", 20)
        patch.setattr("genie_core.training.building.LOOK_CLIPS", 6)
        patch.setattr("genie_core.training.assemble.NAMING_PROMPTS", 48)  # names are asked for here
        for stage, steps in STEPS.items():
            resume = stage != "tokenizer"
            train(data.paths, folder / "run", settings, stage, minutes(steps), resume, device="cpu", quiet=True)
    world = World.from_pretrained(folder / "run" / "world")
    codes, buttons = inferred(world)
    counts = np.zeros((3, ferry.CODES))
    np.add.at(counts, (buttons, codes), 1)
    most = (dict(enumerate(counts.argmax(side).tolist())) for side in (1, 0))
    return Learnt(folder / "run", data, world, codes, buttons, *most)


def inferred(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Codes of episodes that were not trained on, and the buttons that were really pressed."""
    rng = np.random.default_rng(9)
    played = [ferry.episode(rng) for _ in range(20)]
    codes = world.infer_actions(torch.from_numpy(np.stack([frames for frames, _ in played])))
    return codes.numpy().ravel(), np.stack([buttons for _, buttons in played]).ravel()


@pytest.mark.parametrize("stage", STAGES)
def test_the_loss_of_each_stage_falls(learnt: Learnt, stage: str) -> None:
    with (learnt.run / stage / "metrics" / "from-000000" / "metrics.csv").open() as file:
        losses = [float(row["val/loss"]) for row in csv.DictReader(file) if row.get("val/loss")]
    assert len(losses) >= STEPS[stage] // 20 and losses[-1] < losses[0] / 2


def test_the_world_has_the_shape_of_the_game_and_names_for_directions_alone(learnt: Learnt) -> None:
    config = learnt.world.config
    assert config.game == "ferry" and config.fps == 10 and config.frame_size == (ferry.HEIGHT, ferry.WIDTH)
    assert config.tokenizer.grid == (8, 12)
    named = {action.name: action for action in config.actions if action.name != f"action_{action.id}"}
    ways = {"left", "right", "up", "down"}
    assert all(set(name.split("_")) <= ways or name == "stay" for name in named)
    # a code more than there are buttons may share one of them, and two codes alike have no names
    assert {"left", "right"} & set(named) and all(action.evidence for action in config.actions)
    for name, sign in (("left", -1), ("right", 1)):
        if name in named:
            assert sign * named[name].motion_px[0] > 1 and named[name].keys[0] == name
    assert not any(action.keys for action in config.actions if action.name not in named)
    assert config.training["settings"]["tokenizer"]["learning_rate"] == 4e-3
    assert not [rule for rule in config.training["rules"] if "mirrored" not in rule]


def test_codes_say_which_button_was_pressed(learnt: Learnt) -> None:
    """But for a ferry at the bank, which a button does not move."""
    codes, buttons = learnt.inferred, learnt.buttons
    assert len(set(learnt.codes.values())) == 3
    assert np.mean(np.vectorize(learnt.pressed.get)(codes) == buttons) > 0.9
    assert mutual_information(codes, buttons) > 0.7


def test_the_frame_that_follows_depends_on_the_action(learnt: Learnt) -> None:
    """Each code does what its button does, one step after a picture."""
    buttons = (ferry.STAY, ferry.LEFT, ferry.RIGHT)
    prompts = np.stack([ferry.show(MIDDLE)] * 3)
    played = rollout(learnt.world, prompts, np.array([[learnt.codes[button]] for button in buttons]))
    stay, left, right = np.diff(ferry.place(played))[:, 0]
    assert abs(stay) < 2 and left < -3 and right > 3


def test_an_evaluation_leaves_out_what_the_game_cannot_tell(learnt: Learnt, short_benchmark: None) -> None:
    report = evaluate(learnt.world, learnt.data, QUICK, quiet=True).report
    assert report["rollout"]["psnr"]["mean"] > 20
    assert report["delta_psnr"]["value"]["mean"] > 0.5  # the codes matter to the frames
    assert report["latent_action"]["nmi"] > 0.7  # its true actions are known
    reasons = report["not_measured"]
    assert "opposites" in reasons["control.opposite_actions"] and "do nothing" in reasons["drift.idle"]
    assert not [name for name in ("lands", "walls", "player_alive_200") if name in str(report)]


def test_a_session_plays_what_the_player_holds(learnt: Learnt) -> None:
    """Any picture, here a much larger one, begins it; going back and forth again shows the same frames."""
    picture = ferry.show(MIDDLE).repeat(5, 0).repeat(5, 1)
    session = begin(WorldEngine(learnt.world, seed=3), Start(picture, seed=3))
    frames = [session.frame]
    for _ in range(3):
        session.handle(c.Hold(learnt.codes[ferry.RIGHT]))
        session.tick()
        frames.append(session.frame)
    assert {frame.shape for frame in frames} == {(ferry.HEIGHT, ferry.WIDTH, 3)}
    assert ferry.place(frames[1]) > ferry.place(frames[0]) + 3
    alone = WorldEngine(learnt.world, seed=3)
    assert np.array_equal(frames[0], alone.reset(picture))
    for frame in frames[1:]:
        assert np.array_equal(frame, alone.step(learnt.codes[ferry.RIGHT]))


def test_the_web_plays_it_as_the_engine_does(learnt: Learnt, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="pip install -r requirements.txt")
    import gradio_client
    from webdemo import in_this_process

    picture = tmp_path / "middle.png"
    Image.fromarray(ferry.show(MIDDLE)).save(picture)
    engine = WorldEngine(learnt.world, seed=5)
    with in_this_process(learnt.run / "world", seats=1) as demo:
        client = gradio_client.Client(demo.url, verbose=False)
        file = gradio_client.handle_file(str(picture))
        token, frame = client.predict(image=file, world="world", seed=5, api_name="/start")
        assert np.array_equal(load_picture(frame), engine.reset(load_picture(picture)))
        for action in learnt.codes.values():
            name = learnt.world.config.actions[action].name
            frame = client.predict(token=token, action=name, api_name="/step")
            assert np.array_equal(load_picture(frame), engine.step(action))
