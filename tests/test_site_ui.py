"""The page of the static site in a real browser, on a stub of the engine; the engine is tests/test_site_engine.py's."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ACTIONS
from PIL import Image, ImageSequence

from app.play.keymap import build_keymap, doubles, resolve
from app.play.session_file import parse_session
from genie_core import World
from genie_core.config import Action
from genie_core.pictures import fit, load_picture

pytest.importorskip("playwright", reason="pip install -r tests/requirements.txt")

from site_page import (
    EAST,
    HEIGHT,
    HOP,
    HOP_2,
    HOP_EAST,
    NAMES,
    PATIENCE,
    PHONE,
    STAY,
    WEST,
    WIDTH,
    Visitor,
    as_file,
    fingers,
    hand_over,
    noise,
    stub_site,
)
from static_site import BROWSER, ROOT, STATIC, browsing, export, needs_browser, served

PAGE = (STATIC / "index.html").read_text(encoding="utf-8")
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
driven = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no browser to drive: apt-get install chromium")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(stub_site(tmp_path_factory.mktemp("site") / "page")) as running:
        yield running.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing(*CAMERA) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def real_url(tmp_path_factory: pytest.TempPathFactory, tiny_world: Path) -> Iterator[str]:
    """The whole site of a world that is quick to open, and that guesses each frame but the first."""
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(tiny_world, folder / "tiny")
    config = json.loads((folder / "tiny/config.json").read_text()) | {"guessing_above": 0.0}
    (folder / "tiny/config.json").write_text(json.dumps(config))
    with served(export(folder / "site", folder / "tiny")) as running:
        yield running.url


@pytest.fixture
def visitor(browser: Any, url: str) -> Iterator[Visitor]:
    with Visitor(browser, url) as page:
        yield page


def test_the_page_runs_nothing_inline_and_names_no_other_site() -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', PAGE)
    assert policy and "default-src 'none'" in policy[1] and "'unsafe-inline'" not in policy[1]
    assert "'unsafe-eval'" not in policy[1].replace("'wasm-unsafe-eval'", "")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)", PAGE)
    ours = [path for path in STATIC.rglob("*") if path.suffix in (".html", ".css", ".js", ".webmanifest")]
    for path in ours:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", re.sub(r"^ *(//|\*).*", "", text, flags=re.M)), path


def test_it_can_be_installed() -> None:
    manifest = json.loads((STATIC / "app.webmanifest").read_text(encoding="utf-8"))
    assert manifest["display"] == "standalone" and manifest["start_url"] and manifest["name"]
    sizes = {}
    for icon in manifest["icons"]:
        if icon["type"] == "image/png":
            with Image.open(STATIC / icon["src"]) as picture:
                assert f"{picture.width}x{picture.height}" == icon["sizes"]
            sizes[icon["sizes"], icon.get("purpose", "any")] = icon["src"]
    assert {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")} <= sizes.keys()


class TestKeys:
    pytestmark = driven

    def test_the_world_moves_by_itself_until_the_first_touch(self, visitor: Visitor) -> None:
        visitor.until("d.mode === 'attract' && d.step > 20")
        keyed = {i for i, (_, keys) in enumerate(NAMES) if keys}
        assert set(visitor.actions()) <= keyed, "it moves by what a person could hold"
        visitor.page.keyboard.press("Tab")
        visitor.until(f"d.step > {visitor.step() + 3} && d.mode === 'attract'")
        visitor.page.keyboard.press("Escape")
        visitor.until("d.mode === 'playing'")
        visitor.until("d.step > 5 && d.step < 20", 5)
        assert set(visitor.actions()) == {STAY}, "from the first frame: what it did by itself is gone"
        assert not visitor.page.is_visible("#invite")

    def test_a_click_ends_it_too_and_the_next_picture_comes_otherwise(self, browser: Any, url: str) -> None:
        with Visitor(browser, url, script="const now = Math.random; Math.random = () => 0.5 * now();") as visitor:
            visitor.until("stub.prompts.length > 1", 60)
            assert visitor.state()["mode"] == "attract", "another picture moves by itself"
            visitor.page.click("#stage")
            visitor.until("d.mode === 'playing'")

    @pytest.mark.parametrize("begin", ["click", "key"])
    def test_who_wants_no_motion_gets_a_still_picture(self, browser: Any, url: str, begin: str) -> None:
        with Visitor(browser, url, reduced_motion="reduce") as visitor:
            visitor.until("d.mode === 'resting' && !document.getElementById('invite').hidden")
            visitor.page.wait_for_timeout(300)
            assert visitor.step() <= 1
            if begin == "click":
                visitor.page.click("#stage")
            else:
                visitor.page.keyboard.press("ArrowRight")
            visitor.until("d.step > 3 && document.getElementById('invite').hidden")

    def test_keys_are_held_and_released(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.until("d.mode === 'attract' && d.step > 0")
        page.keyboard.down("ArrowRight")
        visitor.until(f"d.mode === 'playing' && d.action == {EAST}")
        page.keyboard.down("ArrowUp")
        visitor.until(f"d.action == {HOP_EAST}")
        page.keyboard.up("ArrowRight")
        visitor.until(f"d.action == {HOP}")
        page.keyboard.up("ArrowUp")
        visitor.until(f"d.action == {STAY}")
        page.keyboard.down("4")
        visitor.until(f"d.action == {WEST}")
        page.keyboard.up("4")
        page.keyboard.press("a")
        visitor.until(f"stub.client.actions.slice(-40).includes({WEST}) && d.action == {STAY}")

    @pytest.mark.parametrize(
        "leave", ["window.dispatchEvent(new Event('blur'))", "document.getElementById('speed').focus()"]
    )
    def test_all_keys_are_released_when_the_focus_goes(self, visitor: Visitor, leave: str) -> None:
        visitor.until("d.mode === 'attract' && d.step > 0")
        visitor.page.click("#stage")
        visitor.page.keyboard.down("ArrowLeft")
        visitor.until(f"d.action == {WEST}")
        visitor.get(f"void {leave}")
        visitor.until(f"d.action == {STAY}")

    def test_keys_play_wherever_the_focus_is_but_in_fields(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.begin()
        page.keyboard.press("p")
        page.locator("#gallery button").nth(1).focus()
        page.keyboard.down("ArrowLeft")
        visitor.until(f"d.action == {WEST}")
        page.keyboard.up("ArrowLeft")
        page.focus("#seed")
        page.keyboard.press("p")
        page.locator("#speed").dispatch_event("pointerdown")
        page.select_option("#speed", "2")
        assert visitor.get("document.activeElement.id") == "stage", "the arrow keys play, and choose no other speed"
        assert visitor.state()["mode"] == "playing", "P in a field pauses nothing"

    def test_keys_mean_what_they_mean_in_the_program(self, visitor: Visitor) -> None:
        rng = np.random.default_rng(0)
        odd = (
            Action(id=0, name="a_b", keys=("x",)),
            Action(id=1, name="a", keys=("j", "left")),
            Action(id=2, name="b", keys=("l+m",)),
            Action(id=3, name="a_b_2", keys=()),
            Action(id=4, name="c_2", keys=()),
        )
        script = """async ({ actions, held }) => {
            const { buildKeymap, resolve } = await import('./js/ui/keymap.js');
            const { doubles } = await import('./js/ui/pad.js');
            return [held.map((keys) => resolve(keys, buildKeymap(actions))), [...doubles(actions)]];
        }"""
        for actions in (ACTIONS, odd):
            keymap = build_keymap(actions)
            keys = sorted({key for binding in keymap for key in binding.keys} | {"q"})
            held = [rng.permutation(keys)[: rng.integers(0, 5)].tolist() for _ in range(400)]
            told = [{"id": a.id, "name": a.name, "keys": list(a.keys)} for a in actions]
            ours, twins = visitor.get(script, {"actions": told, "held": held})
            assert ours == [resolve(keys, keymap) for keys in held]
            assert dict(twins) == doubles(actions)

    def test_what_a_world_cannot_do_is_not_offered(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.begin()
        ids = "[...document.querySelectorAll('#pad button')].map((b) => b.dataset.ids)"
        assert visitor.get(ids) == [f"{HOP} {HOP_2}", *map(str, (EAST, STAY, WEST, HOP_EAST))]
        page.keyboard.press("p")
        page.keyboard.down(str(HOP_2 + 1))
        visitor.until(f"d.action == {HOP_2} && document.querySelector('#pad button').classList.contains('on')")
        page.keyboard.up(str(HOP_2 + 1))
        page.keyboard.press("?")
        told = page.inner_text("#keys-box")
        assert page.locator("#keys tr").nth(0).inner_text() == "↑ or Space\thop" and "much the same as hop" in told
        assert "restart with a new seed" in told and page.is_visible("[data-do=seed]")
        page.keyboard.press("Escape")
        page.select_option("#world", "second")  # where nothing is left to chance
        page.click("text=Open second")
        visitor.until("!document.querySelector('[data-do=seed]').offsetParent")
        assert "seed" not in page.locator("#keys").text_content() and not page.is_visible("#seed")

    def test_the_world_says_that_it_guesses_and_what_that_means(self, visitor: Visitor) -> None:
        page = visitor.page
        marked = "getComputedStyle(document.getElementById('stage'), '::after').borderTopWidth"
        visitor.begin()
        page.keyboard.press("p")
        page.keyboard.down("ArrowRight")
        visitor.until(f"d.action == {EAST}")
        assert visitor.get(marked) != "4px"
        page.keyboard.up("ArrowRight")
        page.keyboard.down("ArrowLeft")
        visitor.until(f"d.action == {WEST} && {marked} === '4px'")
        assert page.is_visible("#unsure") and "An orange border" in page.inner_text("#unsure")
        page.keyboard.up("ArrowLeft")
        visitor.until(f"d.action == {STAY} && {marked} !== '4px'")
        assert not page.is_visible("#unsure"), "told while there is a border"

    def test_buttons_hold_actions_and_show_the_one_played(self, visitor: Visitor) -> None:
        visitor.until("d.mode === 'attract' && d.step > 0")
        box = visitor.page.locator("#pad button").nth(WEST).bounding_box()
        visitor.page.mouse.move(box["x"] + 10, box["y"] + 10)
        visitor.page.mouse.down()
        visitor.until(
            f"d.action == {WEST} && document.querySelectorAll('#pad button')[{WEST}].classList.contains('on')"
        )
        visitor.page.mouse.up()
        visitor.until(f"d.action == {STAY}")

    def test_a_gamepad_plays(self, browser: Any, url: str) -> None:
        fake = """window.pads = [null];
            const all = (down) => Array.from({ length: 16 }, (_, i) => ({ pressed: down.includes(i) }));
            navigator.getGamepads = () => window.pads;
            window.hold = (...down) => { window.pads = [{ axes: [0, 0], buttons: all(down) }]; };"""
        with Visitor(browser, url, script=fake) as visitor:
            visitor.until("d.mode === 'attract' && d.step > 0")
            visitor.get("hold(15); window.dispatchEvent(new Event('gamepadconnected'))")
            visitor.until(f"d.action == {EAST}")
            visitor.get("hold(15, 0)")
            visitor.until(f"d.action == {HOP_EAST}")
            visitor.get("hold()")
            visitor.until(f"d.action == {STAY}")
            visitor.get("hold(9)")
            visitor.paused()

    def test_the_keyboard_alone_reaches_everything(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.until("d.mode === 'attract' && d.step > 0")
        nameless = """[...document.querySelectorAll('button, input, select, [tabindex], [role=group]')]
            .filter((e) => !(e.closest('[hidden]') || e.ariaLabel || e.innerText || e.title || e.closest('label')))
            .map((e) => e.outerHTML)"""
        assert visitor.get(nameless) == []
        seen = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            seen.add(visitor.get("document.activeElement.id || document.activeElement.dataset.do || ''"))
        assert {"world", "stage", "timeline", "pause", "upload", "share", "save", "seed"} <= seen
        page.locator("#gallery button").nth(2).focus()
        page.keyboard.press("Enter")
        visitor.until("stub.prompts.length > 1 && d.mode === 'playing'")
        page.locator("[data-do=pause]").focus()
        page.keyboard.press("Enter")
        visitor.paused()
        assert visitor.get("document.querySelector('[data-do=pause]') === document.activeElement")
        assert visitor.get("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus can be seen"


class TestTouch:
    pytestmark = driven

    @pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390)], ids=["upright", "lying"])
    def test_two_thumbs_play(self, browser: Any, url: str, width: int, height: int) -> None:
        with Visitor(browser, url, **PHONE | {"viewport": {"width": width, "height": height}}) as visitor:
            visitor.until("d.mode === 'attract' && d.step > 0")
            assert visitor.get("document.documentElement.scrollWidth") <= width
            heights = "[...document.querySelectorAll('.bar button, #buttons button')].map((b) => b.offsetHeight)"
            assert min(visitor.get(heights)) >= 44, "as large as a finger"
            stick, button = (visitor.page.locator(each).bounding_box() for each in ("#stick", "#buttons button"))
            centre = (stick["x"] + stick["width"] / 2, stick["y"] + stick["height"] / 2)
            right = (centre[0] + 60, centre[1])
            boxes = [stick, button, visitor.page.locator("#picture").bounding_box()]
            assert max(box["y"] + box["height"] for box in boxes) <= height, "without scrolling"
            assert boxes[2]["height"] >= 0.3 * height
            with fingers(visitor) as touch:
                touch({1: centre})
                touch({1: right})
                visitor.until(f"d.mode === 'playing' && d.action == {EAST}")
                touch({1: right, 2: (button["x"] + 30, button["y"] + 30)})
                visitor.until(f"d.action == {HOP_EAST}")
                touch({1: right})
                visitor.until(f"d.action == {EAST}")
                touch({1: (centre[0] - 60, centre[1])})
                visitor.until(f"d.action == {WEST}")
            visitor.until(f"d.action == {STAY}")


class TestPictures:
    pytestmark = driven

    @pytest.mark.parametrize(
        "picture",
        [
            noise(1, 300, 500),
            noise(2, 900, 610),
            noise(3, HEIGHT * 3, WIDTH * 3),
            noise(4, HEIGHT // 2, WIDTH // 2),
            noise(5, 37, 51),
        ],
        ids=["wide", "high", "enlarged", "small", "odd"],
    )
    def test_an_upload_is_fitted_as_the_program_fits_it(
        self, visitor: Visitor, picture: np.ndarray, tmp_path: Path
    ) -> None:
        path = tmp_path / "mine.png"
        path.write_bytes(as_file(picture))
        visitor.begin()
        visitor.page.set_input_files("#file", str(path))
        visitor.until("stub.prompts.length > 1 && d.mode === 'playing'")
        wanted = fit(load_picture(path), (HEIGHT, WIDTH)).astype(int)
        assert np.abs(visitor.prompt() - wanted).max() <= 1

    def test_transparency_lies_over_grey(self, visitor: Visitor, tmp_path: Path) -> None:
        path = tmp_path / "clear.png"
        Image.new("RGBA", (WIDTH, HEIGHT), (255, 0, 0, 0)).save(path)
        visitor.begin()
        visitor.page.set_input_files("#file", str(path))
        visitor.until("stub.prompts.length > 1")
        assert np.abs(visitor.prompt().astype(int) - 128).max() == 0

    @pytest.mark.parametrize("event", ["paste", "drop"])
    def test_a_picture_is_pasted_or_dropped(self, visitor: Visitor, event: str) -> None:
        picture = noise(7, HEIGHT, WIDTH)
        visitor.begin()
        hand_over(visitor, event, as_file(picture), "mine.png", "image/png")
        visitor.until("stub.prompts.length > 1 && d.mode === 'playing'")
        assert np.array_equal(visitor.prompt(), picture)

    def test_what_is_no_picture_is_refused_in_words(self, visitor: Visitor) -> None:
        visitor.begin()
        hand_over(visitor, "drop", b"no picture at all", "mine.png", "image/png")
        visitor.until_word("This file is no picture that the browser can read")
        hand_over(visitor, "drop", b"", "empty.png", "image/png")
        visitor.until_word("This file is empty")
        hand_over(visitor, "drop", b"\x08\0\0\0\0\0\0\0{}", "mine.genie", "")
        visitor.until_word("no saved session")
        visitor.page.click("#stage")
        visitor.page.keyboard.press("p")
        visitor.until("d.mode === 'playing'")

    def test_the_camera_gives_a_picture(self, visitor: Visitor) -> None:
        visitor.begin()
        visitor.page.click("#camera")
        visitor.until("document.getElementById('lens').videoWidth > 0")
        visitor.page.click("#snap")
        visitor.until("stub.prompts.length > 1")
        assert visitor.prompt().std() > 10, "the browser's test picture"
        assert visitor.get("document.getElementById('lens').srcObject") is None, "the camera is off again"

    def test_a_drawing_becomes_a_start(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.begin()
        page.click("#draw")
        box = page.locator("#paper").bounding_box()
        page.locator("#swatches [role=radio]").nth(2).click()
        ink = visitor.get("getComputedStyle(document.querySelectorAll('#swatches [role=radio]')[2]).backgroundColor")
        colour = [int(part) for part in re.findall(r"\d+", ink)[:3]]
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
        page.mouse.up()
        page.get_by_role("radio", name="fill an area").click()
        page.locator("#swatches [role=radio]").nth(3).click()
        page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 5)
        page.click("#draw-play")
        visitor.until("stub.prompts.length > 1 && d.mode === 'playing'")
        drawn = visitor.prompt()
        line = (drawn == colour).all(-1)
        assert line[:, WIDTH // 4 + 1 : 3 * WIDTH // 4 - 1].any(0).all() and 0 < line.mean() < 0.1
        assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 2, "the line and the poured ground"


class TestTime:
    pytestmark = driven

    def test_rewind_forward_slider_and_another_way(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.until("d.mode === 'attract' && d.step > 0")
        page.keyboard.down("ArrowRight")
        visitor.until("d.step > 40")
        page.keyboard.up("ArrowRight")
        page.keyboard.press("p")
        paused = visitor.paused()
        page.keyboard.down("Backspace")
        visitor.until("d.mode === 'rewinding' && d.step < 25")
        page.keyboard.up("Backspace")
        step, tip = visitor.paused(), int(visitor.state()["tip"])
        assert visitor.note()[:2] == (step, visitor.actions()[step - 1])
        assert tip == paused
        page.keyboard.down("Enter")
        visitor.until(f"d.step > {step + 5}")
        page.keyboard.up("Enter")
        slider = "Object.assign(document.getElementById('timeline'), { value: 5 })"
        visitor.get(f"void {slider}.dispatchEvent(new Event('input', {{ bubbles: true }}))")
        visitor.until("d.step == 5")
        assert visitor.note()[0] == 5 and len(visitor.actions()) == tip, "nothing was played anew"
        page.keyboard.press(".")
        visitor.until("d.step == 6")
        assert len(visitor.actions()) == tip
        page.keyboard.press("p")
        page.keyboard.down("ArrowLeft")
        visitor.until(f"d.step > 12 && d.action == {WEST}")
        page.keyboard.up("ArrowLeft")
        page.keyboard.press("p")
        first = visitor.actions()[:6]
        branch = page.get_by_role("button", name=f"step {tip} of branch 1")
        branch.click()
        visitor.until(f"d.step == {tip} && d.tip == {tip} && d.mode !== 'playing'")
        assert visitor.actions()[:6] == first and set(visitor.actions()[5:]) <= {EAST, STAY}, "the way left is there"
        assert page.get_by_role("button", name="of branch 2").is_visible(), "and so is the other"

    def test_a_kept_moment_comes_back_though_play_went_another_way(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.until("d.mode === 'attract' && d.step > 0")
        page.keyboard.down("ArrowRight")
        visitor.until("d.step > 15")
        page.keyboard.press("k")
        visitor.until_word("is kept")
        kept = int(page.inner_text("#kept button").removeprefix("kept "))
        assert visitor.word() == f"Step {kept} is kept."
        page.keyboard.up("ArrowRight")
        page.keyboard.press("p")
        visitor.paused()
        first = visitor.actions()[:kept]
        page.keyboard.press("r")
        visitor.until("d.mode === 'playing'")
        page.keyboard.down("ArrowLeft")
        visitor.until(f"d.step > {kept + 2}")
        page.keyboard.up("ArrowLeft")
        page.locator("#kept button").first.click()
        visitor.until(f"d.step == {kept} && d.mode === 'resting'")
        assert visitor.actions()[:kept] == first and visitor.note()[0] == kept
        page.keyboard.press("b")
        visitor.until_word("of branch 2")
        visitor.until(f"d.action == {WEST} || d.action == {STAY}")
        page.keyboard.press("l")
        visitor.until(f"d.step == {kept}")
        page.keyboard.press("t")
        visitor.until("d.mode === 'autoplay'")
        page.keyboard.press("t")
        visitor.until("d.mode === 'resting'")
        for key, suffix in (("g", "gif"), ("c", "png")):
            with page.expect_download() as loading:
                page.keyboard.press(key)
            assert loading.value.suggested_filename.endswith(suffix)

    def test_pace_step_seed_and_replay(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.begin()
        page.click("#stage")
        page.keyboard.press(".")
        visitor.until("d.step > 0")
        step = visitor.paused()
        page.keyboard.press(".")
        visitor.until(f"d.step == {step + 1}")
        page.wait_for_timeout(200)
        assert visitor.step() == step + 1
        page.keyboard.press("n")
        visitor.until("stub.prompts.length > 1 && d.mode === 'playing' && d.step > 5")
        assert visitor.note()[2] == visitor.get("stub.client.seed % 256") and visitor.get("stub.client.seed") > 0
        assert page.input_value("#seed") == str(visitor.get("stub.client.seed"))
        page.keyboard.press("p")
        tip = visitor.paused()
        page.click("#replay")
        visitor.until("d.mode === 'replay'")
        visitor.until(f"d.step == {tip} && d.mode === 'resting'")
        assert len(visitor.actions()) == tip
        assert page.inner_text("#replay") == "Replay"
        page.select_option("#speed", "0.25")
        page.click("#replay")
        visitor.until("d.mode === 'replay'")
        assert page.inner_text("#replay") == "Stop"
        page.keyboard.press("Escape")
        visitor.until("d.mode === 'resting'")
        assert len(visitor.actions()) == tip
        page.keyboard.press("Enter", delay=1500)
        visitor.until(f"d.step == {tip}")
        begun = visitor.step()
        page.click("[data-do=pause]")
        page.wait_for_timeout(1000)
        assert 3 <= visitor.step() - begun <= 14, "ten steps a second"


class TestTakeHome:
    pytestmark = driven

    @pytest.mark.parametrize("own", [False, True], ids=["a picture of the site", "an upload"])
    def test_a_link_replays_and_goes_on(self, browser: Any, url: str, own: bool) -> None:
        with Visitor(browser, url) as visitor:
            visitor.begin()
            if own:
                hand_over(visitor, "paste", as_file(noise(9, 120, 90)), "mine.png", "image/png")
                visitor.until("stub.prompts.length > 1 && d.mode === 'playing'")
            visitor.page.keyboard.press("n")
            visitor.until("d.mode === 'playing' && d.step < 10")
            visitor.page.keyboard.down("ArrowRight")
            visitor.until("d.step > 12")
            visitor.page.keyboard.up("ArrowRight")
            visitor.page.keyboard.press("p")
            visitor.paused()
            visitor.page.click("#share")
            visitor.until("document.getElementById('link-box').open")
            link = visitor.page.input_value("#link")
            played, prompt, seed = visitor.actions(), visitor.prompt(), visitor.get("stub.client.seed")
            while played[-1] == STAY:  # in which nobody acted
                played.pop()
            assert f"replays your {len(played)} steps" in visitor.page.inner_text("#link-about")
        assert link.startswith(url + "#") and (len(link) < 400 or own)
        with Visitor(browser, url, fragment=link[len(url) :]) as visitor:
            visitor.until_word("replayed")
            visitor.until(f"d.step > {len(played) + 3}")
            assert visitor.actions()[: len(played)] == played and set(visitor.actions()[len(played) :]) == {STAY}
            assert np.array_equal(visitor.prompt(), prompt) and visitor.get("stub.client.seed") == seed

    @pytest.mark.parametrize(
        ("fragment", "word"),
        [
            ("#w=first&s=1&a=9x4&p=pictures/start-0.png", "holds actions that first does not have"),
            ("#w=first&s=1&a=1x9999999&p=pictures/start-0.png", "damaged"),
            ("#w=first&s=x&a=1x2&p=pictures/start-0.png", "damaged"),
            ("#w=first&s=1&a=1x2&t=2&p=pictures/start-0.png", "made by other settings"),
            ("#w=first&s=1&a=1x2&d=AAAA", "damaged"),
            ("#w=first&s=1&a=1x2&p=../../secret.png", "does not have the picture"),
            ("#w=first&s=1&a=1x2&p=https://elsewhere.example/a.png", "does not have the picture"),
            ("#w=nowhere&s=1&a=1x2&p=pictures/start-0.png", "does not have the world"),
        ],
    )
    def test_a_damaged_link_is_told_and_the_page_still_plays(
        self, browser: Any, url: str, fragment: str, word: str
    ) -> None:
        with Visitor(browser, url, fragment=fragment) as visitor:
            visitor.until_word(word)
            visitor.until("d.mode === 'attract' && d.step > 2")
            assert word in visitor.word(), "long enough to be read"
            visitor.page.locator("#gallery button").first.click()
            visitor.until("d.mode === 'playing' && d.step > 2")

    def test_a_session_is_saved_and_opened(self, visitor: Visitor, tmp_path: Path) -> None:
        visitor.play(10)
        visitor.page.keyboard.press("k")
        visitor.until_word("is kept")
        step, played, prompt = visitor.step(), visitor.actions(), visitor.prompt()
        path = tmp_path / "mine.genie"
        path.write_bytes(visitor.saved("#save"))
        visitor.until_word("The session is saved, with 1 kept moment.")
        visitor.page.reload()
        visitor.begin()
        visitor.page.set_input_files("#session", str(path))
        visitor.until(f"d.mode === 'resting' && d.step == {step}")
        assert visitor.actions() == played
        assert visitor.page.get_by_role("button", name=f"step {step}, which you kept").is_visible()
        visitor.page.click("#share")
        visitor.until("document.getElementById('link').value.includes('&d=')")
        letters = visitor.page.input_value("#link").split("&d=")[1]
        unpack = "async (d) => Array.from((await (await import('./js/ui/share.js')).unpackPicture(d, [%d, %d])).data)"
        pixels = np.array(visitor.get(unpack % (HEIGHT, WIDTH), letters), np.uint8).reshape(HEIGHT, WIDTH, 4)
        assert np.array_equal(pixels[..., :3], prompt)

    def test_a_video_is_recorded(self, visitor: Visitor, tmp_path: Path) -> None:
        import av

        visitor.until("d.mode === 'attract' && d.step > 0")
        visitor.page.click("#video")
        visitor.page.wait_for_timeout(1500)
        path = tmp_path / "play.webm"
        path.write_bytes(visitor.saved("#video"))
        with av.open(str(path)) as film:
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert len(frames) > 5 and frames[0].shape[0] >= 480
        assert frames[0].shape[0] % HEIGHT == 0 and frames[-1].std() > 10

    def test_a_gif_and_a_png_show_what_was_seen(self, visitor: Visitor) -> None:
        visitor.play(30)
        png = np.array(Image.open(io.BytesIO(visitor.saved("#photo"))).convert("RGB"))
        visitor.until_word("The picture is saved.")
        times = png.shape[0] // HEIGHT
        small = png[times // 2 :: times, times // 2 :: times]
        assert small.shape == (HEIGHT, WIDTH, 3) and np.array_equal(small[1:], visitor.prompt()[1:])
        with Image.open(io.BytesIO(visitor.saved("#gif"))) as gif:
            frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(gif)]
        acted = max(step for step, action in enumerate(visitor.actions(), 1) if action != STAY)
        assert len(frames) == acted + 1, "without the last steps, in which nobody acted"
        times = frames[0].shape[0] // HEIGHT
        last = frames[-1][times // 2 :: times, times // 2 :: times].astype(int)
        assert np.abs(last[1:] - small[1:]).mean() < 8, "256 colours for all frames"

    def test_many_colours_and_long_films_make_a_whole_gif(self, visitor: Visitor) -> None:
        """The table of codes fills up and begins anew."""
        script = """async () => {
            const { writeGif } = await import('./js/ui/gif.js');
            let seed = 1;
            const random = () => (seed = (seed * 48271) % 2147483647) & 255;
            const count = { length: 4 * 90 * 70 };
            const pixels = () => Uint8ClampedArray.from(count, (_, i) => i % 4 < 3 ? random() : 255);
            const frame = () => new ImageData(pixels(), 90, 70);
            return Array.from(new Uint8Array(await (await writeGif([frame(), frame()], 15, 2)).arrayBuffer()));
        }"""
        with Image.open(io.BytesIO(bytes(visitor.get(script)))) as gif:
            frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(gif)]
        assert len(frames) == 2 and frames[0].shape == (140, 180, 3)
        assert np.array_equal(frames[1][::2], frames[1][1::2]), "enlarged without smoothing"

    def test_a_session_of_the_other_world_offers_to_open_that_world(self, visitor: Visitor, tmp_path: Path) -> None:
        page = visitor.page
        visitor.play(5)
        step, path = visitor.step(), tmp_path / "mine.genie"
        path.write_bytes(visitor.saved("#save"))
        page.select_option("#world", "second")
        visitor.until("stub.client.world === 'second' && d.mode === 'attract' && d.step > 0")
        visitor.play(5)
        page.set_input_files("#session", str(path))
        page.click("text=Stay here")
        assert visitor.get("stub.client.world") == "second" and visitor.step() > 5
        page.set_input_files("#session", str(path))
        page.click("text=Open first")
        visitor.until(f"stub.client.world === 'first' && d.mode === 'resting' && d.step == {step}")
        assert page.input_value("#world") == "first" and page.is_hidden("#loading")

    def test_leaving_asks_where_play_would_be_lost(self, visitor: Visitor) -> None:
        page, asked = visitor.page, []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        for saved in (None, False, True):
            visitor.until("d.mode === 'attract' && d.step > 0")
            if saved is not None:
                visitor.play(5)
            if saved:
                visitor.saved("#save")
            page.reload()
            assert asked == ([] if saved is None else ["beforeunload"])

    def test_another_world_is_opened_at_once_or_asks_where_play_would_be_lost(self, visitor: Visitor) -> None:
        page = visitor.page
        for world in ("second", "first"):  # nothing was played
            page.select_option("#world", world)
            visitor.until(f"stub.client.world === '{world}' && d.mode === 'attract' && d.step > 0")
        visitor.play(5)
        page.select_option("#world", "second")
        page.click("text=Stay here")
        visitor.until("document.getElementById('world').value === 'first'")
        assert visitor.get("stub.client.world") == "first" and visitor.step() > 5
        page.select_option("#world", "second")
        assert "what you played in first is gone unless you save it" in page.inner_text("#ask-box")
        page.click("text=Open second")
        visitor.until("stub.client.world === 'second' && d.mode === 'attract'")
        visitor.play(5)
        visitor.saved("#save")
        page.select_option("#world", "first")  # what was saved is not lost
        visitor.until("stub.client.world === 'first' && d.mode === 'attract'")

    def test_the_worlds_are_offered_each_with_its_first_picture(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.until("d.mode === 'attract' && d.step > 0")
        shown = "[...document.querySelectorAll('#worlds button')].map((b) => [b.innerText, b.querySelector('img').alt])"
        assert [name for name, _ in visitor.get(shown)] == ["first", "second", "broken"]
        visitor.until("[...document.querySelectorAll('#worlds img')].every((image) => image.naturalWidth > 0)")
        pressed = "document.querySelector('#worlds [aria-pressed=true]').innerText"
        assert visitor.get(pressed) == "first"
        page.locator("#worlds button").nth(1).click()
        visitor.until("stub.client.world === 'second' && d.mode === 'attract' && d.step > 0")
        assert visitor.get(pressed) == page.input_value("#world") == "second"
        visitor.play(5)
        page.locator("#worlds button").first.click()
        page.click("text=Stay here")
        assert visitor.get(pressed) == "second" and visitor.step() > 5

    def test_another_picture_and_a_seed_leave_what_was_played_as_branches(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.play(8)
        played = visitor.actions()
        page.locator("#gallery button").nth(1).click()
        visitor.until("stub.prompts.length > 1 && d.mode === 'playing' && d.step > 2")
        page.keyboard.press("n")
        visitor.until("stub.prompts.length > 2 && d.step < 3 && d.mode === 'playing'")
        page.keyboard.press("p")
        names = "[...document.querySelectorAll('#kept button')].map((b) => b.innerText)"
        visitor.until(f"JSON.stringify({names}) === JSON.stringify(['branch 1', 'branch 2'])")
        page.locator("#kept button").first.click()
        visitor.until(f"d.step == {len(played)}")
        assert visitor.actions() == played
        pressed = "document.querySelector('#gallery [aria-pressed=true]').dataset.path"
        assert visitor.get(pressed) == "pictures/start-0.png", "the picture that this branch began from"

    def test_a_device_that_is_too_slow_is_told_once(self, visitor: Visitor) -> None:
        script = """async () => {
            const { Pace } = await import('./js/ui/status.js');
            const told = (period, ms) => {
                const pace = new Pace();
                const times = Array.from({ length: Math.floor(ms / period) }, (_, i) => i * period);
                return times.map((now) => pace.frame(15, now)).filter((reached) => reached !== null);
            };
            return [told(66, 60_000), told(700, 60_000)];
        }"""
        fast, slow = visitor.get(script)
        assert fast == [] and len(slow) == 1 and 1.3 < slow[0] < 1.5


class TestFaults:
    pytestmark = driven

    def test_a_world_that_fails_is_told_and_another_can_be_chosen(self, visitor: Visitor) -> None:
        visitor.until("d.mode === 'attract'")
        visitor.page.select_option("#world", "broken")
        visitor.until_word("The world broken is damaged")
        visitor.page.select_option("#world", "second")
        visitor.until("d.step > 2")
        visitor.faults.clear()  # the browser tells of the file that is missing

    def test_play_goes_on_where_another_world_fails(self, visitor: Visitor) -> None:
        page = visitor.page
        visitor.play(5)
        step, played, note = visitor.step(), visitor.actions(), visitor.note()
        page.select_option("#world", "broken")
        page.click("text=Open broken")
        visitor.until_word("The world broken is damaged")
        pressed = "[...document.querySelectorAll('#worlds [aria-pressed=true]')].map((b) => b.innerText)"
        assert page.input_value("#world") == "first" and visitor.get(pressed) == ["first"]
        picture = "document.querySelector('#gallery [aria-pressed=true]').dataset.path"
        assert visitor.get(picture) == "pictures/start-0.png" and page.is_hidden("#loading")
        visitor.until("d.mode === 'paused'")
        assert (visitor.step(), visitor.note()) == (step, note), "its frame, and not the picture of the other world"
        page.locator("#worlds button").first.click()  # which is open
        page.keyboard.press("p")
        visitor.until(f"d.mode === 'playing' && d.step > {step + 2}")
        assert visitor.actions()[:step] == played
        page.select_option("#world", "second")
        assert "what you played in first is gone" in page.inner_text("#ask-box"), "it is there to be lost"
        page.click("text=Stay here")
        visitor.faults.clear()  # the browser tells of the file that is missing

    def test_a_first_world_that_fails_can_be_chosen_again(self, visitor: Visitor) -> None:
        page = visitor.page
        page.route("**/worlds/first/config.json", lambda route: route.fulfill(status=404))
        page.goto("about:blank")
        page.goto(visitor.url)
        visitor.until_word("The world first is damaged")
        assert page.input_value("#world") == "", "none is open"
        page.unroute("**/worlds/first/config.json")
        page.select_option("#world", "first")
        visitor.until("d.mode === 'attract' && d.step > 2")
        assert page.input_value("#world") == "first"
        visitor.faults.clear()

    def test_a_step_that_fails_is_told_and_play_can_go_on(self, visitor: Visitor) -> None:
        visitor.begin()
        visitor.get("stub.failing = 'This device has too little memory for this world; close other tabs.'")
        visitor.page.click("#stage")
        visitor.page.keyboard.press("p")
        visitor.until_word("too little memory")
        visitor.get("stub.failing = ''")
        step = visitor.step()
        visitor.page.keyboard.press("p")
        visitor.until(f"d.step > {step + 2}")

    def test_a_slow_engine_does_not_block_the_page(self, visitor: Visitor) -> None:
        visitor.until("d.mode === 'attract' && d.step > 0")
        visitor.get("stub.slow = 1500")
        visitor.page.wait_for_timeout(100)
        now = "performance.now()"
        drawn = f"new Promise((done) => {{ const begun = {now}; requestAnimationFrame(() => done({now} - begun)); }})"
        assert visitor.get(drawn) < 500
        visitor.get("stub.slow = 2")


class TestWithItsEngine:
    pytestmark = needs_browser

    def test_an_upload_plays_and_comes_back_by_link_and_in_the_program(
        self, browser: Any, real_url: str, tiny_world: Path
    ) -> None:
        frame = "document.getElementById('picture').toDataURL()"
        with Visitor(browser, real_url) as visitor:
            visitor.until("d.mode === 'attract' && d.step > 2", 4 * PATIENCE)
            visitor.page.set_input_files("#file", str(ROOT / "assets/starts/pixel-hills.png"))
            visitor.until("d.mode === 'resting' && d.step == 0")  # far from what an untrained world knows
            visitor.page.keyboard.down("ArrowRight")
            visitor.until("d.step > 15", 2 * PATIENCE)
            visitor.page.keyboard.up("ArrowRight")
            visitor.page.keyboard.press("p")
            visitor.paused()
            visitor.page.keyboard.press("k")
            visitor.until_word("is kept")
            guesses = "document.getElementById('stage').classList.contains('guesses')"
            assert visitor.get(guesses)
            step, picture = visitor.step(), visitor.get(frame)
            saved = parse_session(visitor.saved("#save"), World.from_pretrained(tiny_world))
            assert saved.at == step == len(saved.actions) and saved.kept == ((saved.line, step),)
            visitor.page.click("#share")
            visitor.until("document.getElementById('link-box').open")
            link = visitor.page.input_value("#link")
        with Visitor(browser, real_url, fragment=link[len(real_url) :]) as visitor:
            visitor.until(f"d.step >= {step}", 4 * PATIENCE)
            visitor.page.click("#stage")
            visitor.page.keyboard.press("p")
            visitor.paused()
            slider = f"Object.assign(document.getElementById('timeline'), {{ value: {step} }})"
            visitor.get(f"void {slider}.dispatchEvent(new Event('input', {{ bubbles: true }}))")
            visitor.until(f"d.step == {step}")
            assert visitor.get(frame) == picture and visitor.get(guesses)
            visitor.get(f"void {slider.replace(str(step), '0')}.dispatchEvent(new Event('input', {{ bubbles: true }}))")
            visitor.until(f"d.step == 0 && !{guesses}")
