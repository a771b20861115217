"""The endpoints for programs, by Gradio's own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

import gradio_client
from webdemo import Demo, in_this_process, wait_for

from app.web import limits
from genie_core import World, WorldEngine
from genie_core.pictures import load_picture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tiny_world: Path) -> Iterator[Demo]:
    with in_this_process(tiny_world, seats=2) as running:
        yield running


@pytest.fixture(scope="module")
def client(demo: Demo) -> Any:
    return gradio_client.Client(demo.url, verbose=False)


def handed(path: Path) -> Any:
    return gradio_client.handle_file(str(path))


def test_the_page_of_the_api_describes_the_endpoints_and_their_arguments(client: Any) -> None:
    described = client.view_api(return_format="dict")["named_endpoints"]
    assert set(described) == {"/start", "/step", "/steps", "/leave", "/rollout"}
    assert [each["parameter_name"] for each in described["/start"]["parameters"]] == ["image", "world", "seed"]
    assert all(each["description"] for each in described.values())


def test_a_program_steps_a_world_as_the_engine_does(
    demo: Demo, client: Any, picture_file: Path, tiny_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = WorldEngine(World.from_pretrained(tiny_world), seed=5)
    token, frame = client.predict(image=handed(picture_file), world="tiny", seed=5, api_name="/start")
    assert np.array_equal(load_picture(frame), engine.reset(load_picture(picture_file)))
    for told, action in (("right", 0), ("jump", 1), ("4", 4), ("left", 3)):
        frame = client.predict(token=token, action=told, api_name="/step")
        assert np.array_equal(load_picture(frame), engine.step(action))
    assert demo.health()["players"] == 1
    for wrong, word in (("fly", "names no action"), ("left*2", "/steps"), ("9", "names no action")):
        with pytest.raises(Exception, match=word):
            client.predict(token=token, action=wrong, api_name="/step")
    with np.load(client.predict(token=token, actions="right*30,left*2", api_name="/steps")) as batch:
        assert batch["actions"].tolist() == [0] * 30 + [3] * 2
        assert all(
            np.array_equal(frame, engine.step(a)) for frame, a in zip(batch["frames"], batch["actions"], strict=True)
        )
    monkeypatch.setattr(limits, "PROGRAM_IDLE_SECONDS", 0.1)
    wait_for(lambda: demo.health()["players"] == 0, "the seat of a program that has gone")
    with pytest.raises(Exception, match="No game has this token"):
        client.predict(token=token, action="left", api_name="/step")


def test_programs_do_not_take_seats_that_are_not_there_and_give_theirs_back(
    demo: Demo, client: Any, picture_file: Path
) -> None:
    def start() -> str:
        return client.predict(image=handed(picture_file), world="tiny", seed=0, api_name="/start")[0]

    tokens = [start(), start()]
    with pytest.raises(Exception, match="All 2 seats are taken"):
        start()
    for token in tokens:
        client.predict(token=token, api_name="/leave")
    assert demo.health()["players"] == 0
    with pytest.raises(Exception, match="No game has this token"):
        client.predict(token=tokens[0], api_name="/leave")


def test_a_script_becomes_a_film(client: Any, picture_file: Path) -> None:
    import av

    film = client.predict(
        image=handed(picture_file), actions="right*5,jump*4", world="tiny", seed=0, api_name="/rollout"
    )
    path = film["video"] if isinstance(film, dict) else film
    with av.open(path) as video:
        assert sum(1 for _ in video.decode(video=0)) == 10
    for actions, word in (("fly*3", "names no action"), ("right*5000", "at most 900"), ("", "names no action")):
        with pytest.raises(Exception, match=word) as refused:
            client.predict(image=handed(picture_file), actions=actions, world="tiny", seed=0, api_name="/rollout")
        assert "--" not in str(refused.value), "no advice for a command line"


@pytest.mark.parametrize("kind", ["text", "cut", "bomb", "svg"])
def test_uploads_that_are_no_picture_are_refused_in_words(client: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("picture.svg" if kind == "svg" else "picture.png")
    Image.new("1", (7000, 7000)).save(tmp_path / "bomb.png")
    content = {
        "text": b"not a picture",
        "cut": (tmp_path / "bomb.png").read_bytes()[:2000],
        "bomb": (tmp_path / "bomb.png").read_bytes(),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    }[kind]
    path.write_bytes(content)
    word = "at most 40 million" if kind in ("bomb", "cut") else "is not a picture"
    with pytest.raises(Exception, match=word) as refused:
        client.predict(image=handed(path), world="tiny", seed=0, api_name="/start")
    assert "/gradio/" not in str(refused.value), "where files lie here is nobody's business"


def test_a_seed_that_is_no_whole_number_is_refused_in_words(client: Any, picture_file: Path) -> None:
    for seed, word in (
        (2.7, "Seed 2.7 is not a whole"),
        (-3, "from 0 to"),
        (3e9, "from 0 to"),
        (None, "seed is empty"),
    ):
        with pytest.raises(Exception, match=word):
            client.predict(image=handed(picture_file), world="tiny", seed=seed, api_name="/start")


@pytest.mark.parametrize("world", ["../tiny", "/etc", "checkpoints/coinrun", "nobody", "a" * 500, ""])
def test_a_visitor_names_no_folder_of_this_machine(client: Any, picture_file: Path, world: str) -> None:
    with pytest.raises(Exception, match="neither of tiny"):
        client.predict(image=handed(picture_file), world=world, seed=0, api_name="/start")


def test_a_giant_upload_is_refused(demo: Demo, tmp_path: Path) -> None:
    import httpx

    giant = {"files": ("giant.png", b"\0" * 25_000_000)}
    assert httpx.post(f"{demo.url}/gradio_api/upload", files=giant, timeout=60).status_code == 413
