"""The web demo in a real browser: keys, clicks and fingers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")
pytest.importorskip("playwright", reason="pip install -r tests/requirements.txt")

from web_visitor import BROWSER, NO_SOCKETS, ROOT, Visitor, open_browser
from webdemo import Demo, as_command, free_port, in_this_process, wait_for

from app.web import limits
from genie_core.checkpoint import read_config
from genie_core.games.coinrun.camera import player_motion

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no browser to drive: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo of the shipped world, as the command."""
    port = free_port()
    words = ["--web", "--port", str(port), "--max-players", "2", "--quiet"]
    with as_command(words, tmp_path_factory.mktemp("demo"), port) as running:
        yield running


@pytest.fixture(scope="module")
def tiny(tiny_world: Path) -> Iterator[Demo]:
    """A demo of the tiny world, for what is the same in every world."""
    with in_this_process(tiny_world, seats=2, fps=30) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as running:
        yield running


def moved_right_px(frames: list[np.ndarray]) -> float:
    """Mean motion of the player to the right, relative to the scenery, in pixels a step."""
    return float(player_motion(np.stack(frames))[..., 0].mean())


RIGHT, STAY, LEFT = "0", "2", "3"  # ids in the tiny world of conftest.py


def ids_of(*names: str) -> list[str]:
    """The ids of actions of the shipped world."""
    ids = {action.name: str(action.id) for action in read_config(ROOT / "checkpoints/coinrun").actions}
    return [ids[name] for name in names]


def test_upload_hold_right_let_go(browser: Any, demo: Demo) -> None:
    right_id, left_id, stay_id = ids_of("right", "left", "stay")
    with Visitor(browser, demo) as visitor:
        visitor.upload(ROOT / "assets" / "coinrun-ledge.png")
        page = visitor.page
        page.keyboard.down("ArrowRight")
        visitor.until(f"drawn.filter(f => f.action == {right_id}).length > 12")
        page.keyboard.up("ArrowRight")
        visitor.until(f"drawn.slice(-10).every(f => f.action == {stay_id})")
        drawn = visitor.drawn()
        right = [picture for _, action, picture in drawn if action == right_id]
        assert moved_right_px(right) > 0.5
        assert abs(moved_right_px([picture for _, _, picture in drawn[-6:]])) < 0.3
        page.keyboard.down("ArrowRight")
        visitor.until(f"d.action == {right_id}")
        page.keyboard.press("Tab")  # the focus goes elsewhere while the key is down
        visitor.until(f"d.action == {stay_id}")
        page.keyboard.up("ArrowRight")
        page.click(".stage")
        page.keyboard.down("ArrowLeft")
        visitor.until(f"d.action == {left_id}")
        page.evaluate("window.dispatchEvent(new Event('blur'))")
        visitor.until(f"d.action == {stay_id}")


def test_rewind_branch_download_and_reload_give_the_same_frames(browser: Any, tiny: Demo, tmp_path: Path) -> None:
    import av

    with Visitor(browser, tiny) as visitor:
        visitor.upload(ROOT / "assets" / "coinrun.png")
        page = visitor.page
        page.keyboard.down("ArrowRight")
        visitor.until("d.step > 25")
        page.keyboard.up("ArrowRight")
        page.keyboard.press("k")
        page.wait_for_selector("[data-kept]")
        first = {step: picture for step, _, picture in visitor.drawn()}
        page.keyboard.down("Backspace")
        visitor.until("d.step < 12")
        page.keyboard.up("Backspace")
        visitor.until("d.status === 'resting'")
        step, _, seen = visitor.drawn()[-1]
        assert np.array_equal(seen, first[step])
        page.keyboard.down("ArrowLeft")
        visitor.until(f"d.action == {LEFT} && d.step > {step + 5}")
        page.keyboard.up("ArrowLeft")
        page.keyboard.press("p")
        visitor.until("d.status === 'paused'")
        page.click("[data-kept]")
        visitor.until("d.step > 24")
        (step, _, seen), tip = visitor.drawn()[-1], int(visitor.state()["tip"])
        assert np.array_equal(seen, first[step])
        page.keyboard.press("b")
        visitor.word("Branch 2, at step")
        page.keyboard.press("l")
        visitor.word(f"Back at step {step}, which you kept.")
        visitor.until(f"d.step == {step} && d.tip == {tip}")
        for file in ("mp4", "genie"):
            with page.expect_download() as loading:
                page.click(f"[data-file={file}]")
            loading.value.save_as(tmp_path / f"play.{file}")
        with av.open(str(tmp_path / "play.mp4")) as film:
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert len(frames) == tip + 1
        small = frames[step][3::6, 3::6].astype(int)  # back to one pixel of six
        assert np.abs(small - first[step]).mean() < 6
        page.keyboard.press("r")
        visitor.until("d.step == 0")
        page.get_by_role("tab", name="A saved session").click()
        page.set_input_files("#saved input[type=file]", str(tmp_path / "play.genie"))
        visitor.until(f"d.step == {step} && d.tip == {tip}")
        assert np.array_equal(visitor.drawn()[-1][2], first[step])


def test_the_fifth_wheel_waits_and_a_closed_tab_frees_its_seat(
    browser: Any, tiny: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWAY_SECONDS", "AWAY_WAITED_SECONDS", "PARKED_SECONDS"):
        monkeypatch.setattr(limits, name, 0.2)
    monkeypatch.setattr(limits, "IDLE_SECONDS", 900.0)
    picture = ROOT / "assets" / "coinrun.png"
    with Visitor(browser, tiny) as first, Visitor(browser, tiny) as second, Visitor(browser, tiny) as third:
        first.upload(picture), second.upload(picture)
        third.page.set_input_files("#picture input[type=file]", str(picture))
        third.word("You are number 1 in the queue, about ")
        assert third.page.is_visible(".attract"), "something to watch meanwhile"
        first.page.wait_for_selector(".audience", state="visible")
        assert "they see this picture and my moves" in first.page.inner_text(".audience")
        assert not first.page.is_checked("[data-set=watched]"), "nobody is watched without leave"
        first.page.check("[data-set=watched]")
        third.word("Meanwhile you watch another player")
        first.page.click(".stage")
        first.page.keyboard.down("ArrowLeft")
        third.playing()
        third.until(f"drawn.some(f => f.action == {LEFT})")
        first.page.keyboard.up("ArrowLeft")
        assert "One person waits for a seat and watches your game." in first.page.inner_text(".audience")
        seen, played = third.drawn(), {step: picture for step, _, picture in first.drawn()}
        both = [(picture, played[step]) for step, _, picture in seen if step in played]
        assert both and all(np.array_equal(*pictures) for pictures in both)
        first.page.uncheck("[data-set=watched]")
        third.page.wait_for_selector(".attract", state="visible")
        first.page.check("[data-set=watched]")
        third.page.wait_for_selector(".attract", state="hidden")
        first.page.close()
        third.page.wait_for_function("game.dataset.place === undefined && +game.dataset.step < 20")
        third.playing()
        second.until("drawn.length > 5")
        assert tiny.health()["players"] == 2
    wait_for(lambda: tiny.health()["guests"] == 0, "all seats to be free")


def test_a_drawing_becomes_a_world_that_warns_and_fields_keep_their_keys(browser: Any, tiny: Demo) -> None:
    with Visitor(browser, tiny) as visitor:
        page = visitor.page
        page.get_by_role("tab", name="Draw one").click()
        canvas = page.locator("#drawing canvas").first
        canvas.wait_for()
        page.wait_for_timeout(500)  # it takes a while until it takes the pen
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.6, steps=8)
        page.mouse.up()
        page.click("#start-drawing")
        visitor.word("far from what the world knows")
        visitor.word("Hold a key to play all the same, or choose another picture.")
        page.wait_for_selector("[data-status=resting][data-step='0']")  # it can be seen before it melts
        shown = page.get_attribute("[data-frames]", "data-frames")
        page.click("#start-drawing")  # another game, while this one rests
        page.wait_for_selector(f"[data-frames]:not([data-frames='{shown}'])")
        assert "Hold a key to play all the same" in page.inner_text(".word")
        page.keyboard.press("p")
        visitor.playing()
        assert "all the same" not in page.inner_text(".word")
        page.click(".more summary")
        script = page.locator("[data-set=script]")
        script.click()
        page.keyboard.type("wasd 1 r p")
        assert script.input_value() == "wasd 1 r p"
        visitor.until("d.status === 'resting'")  # while the player is at the settings
        assert {action for _, action, _ in visitor.drawn()} <= {STAY, "255"}


def test_without_web_sockets_it_plays_and_says_so(browser: Any, tiny: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_SECONDS", "AWAY_SECONDS", "PARKED_SECONDS"):
        monkeypatch.setattr(limits, name, 2.0)
    with Visitor(browser, tiny, NO_SOCKETS) as visitor:
        visitor.upload(ROOT / "assets" / "coinrun.png")
        assert "no WebSocket" in visitor.page.inner_text("[data-hud=link]")
        visitor.page.keyboard.down("ArrowRight")
        visitor.until(f"drawn.filter(f => f.action == {RIGHT}).length > 5")
        visitor.page.keyboard.up("ArrowRight")
        visitor.until(f"d.action == {STAY}")
        visitor.page.goto("about:blank")
        wait_for(lambda: tiny.health()["guests"] == 0, "the seat to be free")


def test_keyboard_alone_and_the_other_tabs(browser: Any, demo: Demo, tmp_path: Path) -> None:
    with Visitor(browser, demo, reduced_motion="reduce") as visitor:
        page = visitor.page
        page.focus("#view .pad, #view .stage")
        page.locator(".pixels button >> visible=true").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-status=resting]")
        assert page.evaluate("document.activeElement.className").startswith("stage"), "keys play at once"
        page.keyboard.press("p")
        visitor.playing()
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "the focus can be seen"
        page.locator("[data-do=pause]").focus()
        page.keyboard.press("Enter")
        visitor.until("d.status === 'paused'")
        with page.expect_download() as loading:
            page.locator("[data-file=mp4]").focus()
            page.keyboard.press("Enter")
        loading.value.save_as(tmp_path / "play.mp4")
        page.get_by_role("tab", name="What each action does").click()
        page.click("#look-current")
        page.wait_for_selector("#each-action [data-actions='8'] figure:nth-child(8)")
        assert page.get_attribute("#seen .verdict", "data-unfamiliar") == "False"
        assert page.locator("#tokens .tokens span").count() == 64
        source = page.evaluate("document.querySelector('#each-action img').currentSrc")
        assert source.startswith("data:image/png"), "who wants no motion gets stills"
        page.get_by_role("tab", name="Imitate a video").click()
        assert page.is_disabled("#live"), "there is nothing to play yet"
        page.set_input_files("#clip input[type=file]", str(tmp_path / "play.mp4"))
        page.wait_for_selector("#course .course")
        assert int(page.get_attribute("#course .course", "data-steps")) >= int(visitor.state()["tip"]) - 1
        page.locator(".pixels button >> visible=true").nth(3).click()
        page.wait_for_function("document.querySelector('#film video')?.readyState > 1")
        page.click("#live")
        visitor.until("d.status === 'autoplay' || d.step > 0")
        page.wait_for_selector("#view .stage", state="visible")


def test_it_ends_when_told_though_a_page_is_open(browser: Any, demo: Demo) -> None:
    """The last test of this file: `demo` checks that its process ends well."""
    with Visitor(browser, demo) as visitor:
        visitor.upload(ROOT / "assets" / "coinrun.png")
        demo.end()
        visitor.word("emo starts anew; reconnecting")
