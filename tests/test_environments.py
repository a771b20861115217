"""`--collect ENV`: any Gymnasium environment becomes a data set, and what goes wrong is told and leaves nothing."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import launch

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is only in tests/requirements.txt")

from gymnasium import spaces  # noqa: E402
from tiny_environments import HIGHEST_STEP  # noqa: E402

from app.cli.collect import MODE  # noqa: E402
from genie_core import games  # noqa: E402
from genie_core.data.dataset import VideoDataset  # noqa: E402
from genie_core.data.environments import record  # noqa: E402
from genie_core.data.environments.action_set import ActionSet  # noqa: E402
from genie_core.data.environments.opening import open_environment, own_fps  # noqa: E402
from genie_core.data.environments.record import record_environment  # noqa: E402
from genie_core.data.frame_size import usual_size  # noqa: E402
from genie_core.errors import ConfigError, DataError, MissingExtraError  # noqa: E402

SHADES = "tiny_environments:Shades-v0"


def collected(folder: Path, name: str = SHADES, frames: int = 100, **arguments: object) -> VideoDataset:
    record_environment(folder, name, frames, progress=False, **arguments)  # type: ignore[arg-type]
    return VideoDataset(folder)


def digests(path: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())}


def test_frames_and_actions_belong_together(tmp_path: Path) -> None:
    dataset = collected(tmp_path / "set", fps=30)
    assert (len(dataset), dataset.info.frame_size, dataset.info.fps) == (100, (64, 96), 30)
    assert dataset.episodes[0, 1] == HIGHEST_STEP + 1 and dataset.episodes[:, 1].min() >= 2
    for first, length, seed in dataset.episodes:
        frames, actions = dataset.clip(first, length)[:, 40, 40], dataset.true_actions(first, length)
        assert frames[1:, 0].tolist() == (50 + 50 * actions.astype(int)).tolist()
        assert frames[:, 1].tolist() == [10 * step for step in range(length)]
        assert frames[0, 2] == gymnasium.utils.seeding.np_random(int(seed))[0].integers(200)
    assert len({int(seed) for seed in dataset.episodes[:, 2]}) == len(dataset.episodes)


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("5", 5),
        ("false", False),
        ("False", False),
        ("None", None),
        ("[1, 2]", [1, 2]),
        ("1,2", "1,2"),
        ("{1}", "{1}"),
        ("blank", "blank"),
    ],
)
def test_an_option_is_json_or_a_word_of_python_or_text(told: str, value: object) -> None:
    """As text, False would count as true."""
    assert MODE.options["env_options"]["type"](f"last={told}") == ("last", value)


def test_the_source_tells_the_environment_and_no_game(tmp_path: Path) -> None:
    call = ["--collect", SHADES, "--out", str(tmp_path / "set"), "--frames", "60", "--seed", "7", "--quiet"]
    assert launch.main([*call, "--frame-size", "32x48", "--env-options", "last=5", "fault=blank"]) == 0
    info = VideoDataset(tmp_path / "set").info
    assert info.source == {
        "environment": "Shades-v0",
        "module": "tiny_environments",
        "options": {"last": 5, "fault": "blank"},
        "policy": "explore",
        "seed": 7,
        "steps_a_frame": 2,
        "actions": [0, 1, 2, 3],
    }
    assert (info.fps, info.frame_size) == (15, (32, 48))
    assert games.find(info.game).name == "unknown" and info.game == info.source["environment"]


@pytest.mark.parametrize("name", [SHADES, "CartPole-v1"])
def test_same_arguments_same_bytes(tmp_path: Path, name: str) -> None:
    for folder, seed in (("one", 3), ("two", 3), ("three", 4)):
        collected(tmp_path / folder / "set", name, 25, seed=seed)
    one, two, three = (digests(tmp_path / folder / "set") for folder in ("one", "two", "three"))
    assert one == two
    assert one["true_actions.npy"] != three["true_actions.npy"]


def test_steps_are_left_out_to_reach_the_rate_asked_for(tmp_path: Path) -> None:
    dataset = collected(tmp_path / "set", fps=10, frames=30)
    assert dataset.info.source["steps_a_frame"] == 3 and dataset.info.fps == 10
    green = dataset.clip(0, int(dataset.episodes[0, 1]))[:, 40, 40, 1]
    assert green.tolist() == [0, 30, 60, 90, 120]
    assert collected(tmp_path / "fast", fps=90, frames=30).info.fps == 30, "no faster than the environment itself"


def test_explore_holds_keys_and_random_does_not(tmp_path: Path) -> None:
    changes = {}
    for policy in ("explore", "random"):
        dataset = collected(tmp_path / policy, frames=400, fps=30, policy=policy)
        pairs = [np.diff(dataset.true_actions(first, length)) != 0 for first, length, _ in dataset.episodes]
        changes[policy] = np.concatenate(pairs).mean()
    assert changes["explore"] < 0.25 < 0.5 < changes["random"]


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    dataset = collected(tmp_path / "set", policy="tiny_environments:always_two", frames=20)
    assert set(dataset.true_actions(0, 5).tolist()) == {2}
    near = collected(tmp_path / "near", "tiny_environments:Moved-v0", 20, policy="tiny_environments:nearly_right")
    assert near.info.source["actions"][near.true_actions(0, 2)[0]] == [1, 0, 0], "the nearest of the few is kept"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("exlpore", "there is no policy exlpore; did you mean explore?"),
        ("best", "expected random, explore or your own module:function"),
        ("nowhere:act", "there is no module nowhere, which"),
        ("tiny_environments:fly", "tiny_environments has no function fly"),
        ("tiny_environments:nine", "the policy gave '9', which is no action of"),
        (
            "tiny_environments:hasty",
            r"hasty failed to choose an action: KeyError: 'speed' \(tiny_environments.py, line",
        ),
    ],
)
def test_a_bad_policy_is_told(tmp_path: Path, policy: str, words: str) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        collected(tmp_path / "set", policy=policy)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("open", "failed when it was opened: RuntimeError: no such cartridge"),
        ("step", r"failed to take action \d: ZeroDivisionError: speed \(tiny_environments.py, line \d+\)"),
        ("none", "draws None, expected rgb_array pictures"),
        ("float", r"draws float64 \(40, 60, 3\), expected"),
        ("size", r"changed its picture from \(40, 60, 3\) to \(42, 60, 3\)"),
    ],
)
def test_a_faulty_environment_is_told_and_leaves_nothing(tmp_path: Path, fault: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        collected(tmp_path / "set", options={"fault": fault})
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_nothing_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["--collect", SHADES, "--out", str(tmp_path / "set"), "--policy", "tiny_environments:interrupted"]
    assert launch.main([*call, "--format", "lerobot"]) == launch.main(call) == 130
    assert "stopped; nothing was kept" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_episodes_without_a_second_frame(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ended 100 episodes in a row before a second frame"):
        collected(tmp_path / "set", options={"fault": "blank", "last": 1})


def test_an_episode_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "LONGEST_EPISODE", 9)
    dataset = collected(tmp_path / "set", frames=28, options={"fault": "endless"})
    assert dataset.episodes[:, 1].tolist() == [9, 9, 8, 2] or dataset.episodes[:, 1].tolist() == [9, 9, 10]
    assert len(dataset) == 28


def test_a_picture_of_one_colour_at_the_end_is_left_out(tmp_path: Path) -> None:
    dataset = collected(tmp_path / "set", frames=50, fps=30, options={"fault": "blank"})
    assert dataset.episodes[0, 1] == HIGHEST_STEP
    assert all(dataset.clip(int(start), 1).any() for start in dataset.clip_starts(1))


BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 2], np.float32))


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (spaces.Discrete(3, start=5), [5, 6, 7]),
        (BOX, [[0, 0], [-1, 0], [1, 0], [0, 2]]),
        (spaces.Box(2, np.inf, (2,), np.float32), [[2, 2], [3, 2], [2, 3]]),
        (spaces.Box(-np.inf, np.array([0, -3], np.float32), (2,), np.float32), [[0, -3], [-1, -3], [0, -4]]),
        (spaces.MultiBinary(2), [[0, 0], [1, 0], [0, 1]]),
        (spaces.MultiDiscrete([3, 2]), [[0, 0], [1, 0], [2, 0], [0, 1]]),
        (spaces.Tuple([spaces.Discrete(2), BOX]), [[0, [0, 0]], [1, [0, 0]], [0, [-1, 0]], [0, [1, 0]], [0, [0, 2]]]),
        (spaces.Dict(a=spaces.Discrete(2)), [{"a": 0}, {"a": 1}]),
    ],
    ids=str,
)
def test_any_action_space_becomes_a_short_list(space: spaces.Space, told: list[object]) -> None:
    actions = ActionSet("E", space)
    assert actions.told() == told
    assert all(space.contains(action) for action in actions.actions)
    assert [actions.accept(action)[1] for action in actions.actions] == list(range(len(told)))


def test_what_is_no_short_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes actions of Text"):
        collected(tmp_path / "set", "tiny_environments:Sentences-v0")
    with pytest.raises(ConfigError, match="has 128 actions to choose from, expected 2 to 127"):
        ActionSet("E", spaces.Discrete(500))
    with pytest.raises(DataError, match="is no action of E"):
        ActionSet("E", BOX).accept([np.nan, 0])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CartPol-v1", "there is no environment CartPol-v1; did you mean CartPole-v1?"),
        ("CartPole-v77", "there is no environment CartPole-v77; did you mean CartPole-v1?"),
        ("tiny_environments:Shade-v0", "did you mean Shades-v0?"),
        ("qqq", "expected an id such as CartPole-v1"),
        ("nowhere:Env-v0", "there is no module nowhere, which"),
    ],
)
def test_an_unknown_environment(tmp_path: Path, name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch.main(["--collect", name, "--out", str(tmp_path / "set")]) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_slip_in_a_known_game(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch.main(["--collect", "coinrum", "--out", str(tmp_path / "set")]) == 1
    assert "there is no game coinrum; did you mean coinrun?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "name", "words"),
    [
        ("ale_py", "ALE/Breakout-v5", "pip install ale-py"),
        ("Box2D", "CarRacing-v3", "pip install box2d"),
        ("Box2D", "genie_core.games.car_environments:Cars-v0", "pip install box2d"),
        ("vizdoom.gymnasium_wrapper", "VizdoomBasic-v1", "pip install --no-deps vizdoom"),
        ("minigrid", "MiniGrid-Empty-5x5-v0", "pip install minigrid"),
        ("gymnasium", "ALE/Breakout-v5", "pip install 'gymnasium>=1.1,<2' ale-py"),
        ("gymnasium", "VizdoomBasic-v1", "pip install 'gymnasium>=1.1,<2'$"),
    ],
)
def test_a_missing_package_is_told_with_its_pip_line(
    monkeypatch: pytest.MonkeyPatch, missing: str, name: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    for loaded in ("genie_core.games.car_environments", "gymnasium.envs.box2d", "gymnasium.envs.box2d.car_racing"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    with pytest.raises(MissingExtraError, match=words.replace("+", r"\+")):
        open_environment(name, {})


@pytest.mark.parametrize(
    ("name", "kwargs", "told", "fps"),
    [
        ("ALE/Breakout-v5", {"frameskip": 4}, 30, 15),
        ("ALE/Breakout-v0", {"frameskip": (2, 5)}, 30, 20),
        ("VizdoomBasic-v1", {"frame_skip": 4}, 35, 8.75),
        ("VizdoomBasic-v1", {}, 35, 35),
        ("CarRacing-v3", {}, 50, 50),
        ("My-v0", {}, np.int64(8), 8),
        ("My-v0", {}, None, None),
    ],
)
def test_the_pace_at_which_people_play(name: str, kwargs: dict[str, object], told: object, fps: float | None) -> None:
    """An emulated console has 60 pictures a second, whatever its environment says, and each step skips some."""
    env = SimpleNamespace(spec=SimpleNamespace(id=name, kwargs=kwargs), metadata={"render_fps": told})
    assert own_fps(env) == fps


@pytest.mark.parametrize(
    ("picture", "frame"),
    [
        ((210, 160), (80, 64)),
        ((400, 600), (64, 96)),
        ((240, 320), (64, 88)),
        ((64, 64), (64, 64)),
        ((10, 500), (64, 256)),
    ],
)
def test_the_usual_frame_keeps_the_shape_of_the_picture(picture: tuple[int, int], frame: tuple[int, int]) -> None:
    assert usual_size(*picture) == frame
