"""A visit to the web demo as a stranger makes one, in a real browser: the first seconds, outages, fields, fingers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")
pytest.importorskip("playwright", reason="pip install -r tests/requirements.txt")

from cable import cable_to
from web_visitor import BROWSER, RECORD, Visitor, open_browser
from webdemo import PATIENCE, Demo, in_this_process, wait_for

from app.web import limits

# ids in the tiny world of conftest.py
RIGHT, JUMP, STAY, LEFT, JUMP_RIGHT, JUMP_LEFT, STAY_2 = "0", "1", "2", "3", "4", "5", "7"
PHONE = {"has_touch": True, "is_mobile": True}
UPRIGHT, LYING = ({"viewport": {"width": w, "height": h}} | PHONE for w, h in ((390, 844), (844, 390)))
BOXES = """() => ['.stage', '.bar', '.pad', '.files', '.more'].map(what => {
    const box = document.querySelector('#view ' + what).getBoundingClientRect();
    return [box.x + scrollX, box.y + scrollY, box.width]})"""
IN_SIGHT = """what => {
    const box = document.querySelector(what).getBoundingClientRect();
    return box.top >= -1 && box.bottom <= innerHeight + 1}"""
LOST = "document.querySelector('.word').textContent.includes('econnecting')"
GAMEPAD = """() => {  // its cross is held to the left
    const pad = {axes: [], buttons: Array.from({length: 16}, (_, i) => ({pressed: i === 14}))};
    navigator.getGamepads = () => [pad];
    window.dispatchEvent(new Event('gamepadconnected'));
}"""

AT_THE_END = """(() => {  // a field's call is sent as the answers end; the page first reads its place, if it comes soon
    const ask = window.fetch;
    let send = null, placed = null;
    const ofField = ({ body }) => gradio_config.dependencies
        .some(({ id, targets }) => id === JSON.parse(body).fn_index && targets[0][1] === 'input');
    const soon = (go) => {
        const over = setTimeout(go, 40);
        placed = () => { clearTimeout(over); setTimeout(go, 80); };
    };
    window.fetch = async (to, options) => {
        const url = to.url ?? String(to);
        const held = url.includes('/queue/join') && ofField(options);
        if (held) await new Promise((go) => { send = go; setTimeout(go, 5000); });
        const answer = await ask(to, options);
        if (held) placed?.();
        if (!url.includes('/queue/data')) return answer;
        const late = new TransformStream({ async transform(part, out) {
            if (send && new TextDecoder().decode(part).includes('close_stream')) {
                send();
                await new Promise(soon);
            }
            out.enqueue(part);
        } });
        return new Response(answer.body.pipeThrough(late), answer);
    };
})()"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no browser to drive: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def tiny(tiny_world: Path) -> Iterator[Demo]:
    with in_this_process(tiny_world, seats=2, fps=30) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as running:
        yield running


@pytest.fixture(autouse=True)
def everybody_leaves(tiny: Demo) -> Iterator[None]:
    yield
    tiny.on_loop(lambda: [tiny.guests.leave(guest, "") for guest in list(tiny.guests._by_token.values())])


def test_the_first_ten_seconds_and_any_key_from_anywhere(browser: Any, tiny: Demo) -> None:
    with Visitor(browser, tiny, viewport={"width": 1280, "height": 800}) as visitor:
        page = visitor.page
        assert page.is_visible("h1") and page.is_visible("#intro a[href]")
        page.wait_for_function("document.querySelector('.attract').src.endsWith('attract.webp')")
        for picture in page.locator("#play-gallery button img").all():
            box = picture.bounding_box()
            assert box["y"] + box["height"] <= 800, "above the fold"
        assert page.is_disabled("[data-do=pause]") and page.is_disabled(".pad button >> nth=0")
        before = page.evaluate(BOXES)
        page.keyboard.down("ArrowRight")  # it begins the game, and counts in it
        visitor.playing()
        visitor.until(f"d.action == {RIGHT}")
        page.keyboard.up("ArrowRight")
        visitor.until(f"d.action == {STAY}")
        assert page.evaluate(BOXES) == before, "the layout does not jump"
        assert page.is_enabled("[data-do=pause]")
        page.locator("#play-gallery button").first.focus()  # a button of Gradio's, outside the view
        page.keyboard.down("KeyA")
        visitor.until(f"d.action == {LEFT}")
        page.keyboard.up("KeyA")
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.keyboard.press("Space")
        visitor.until(f"drawn.some(f => f.action == {JUMP})")
        assert page.evaluate("scrollY") == 0, "Space plays, and never scrolls"
        page.evaluate(GAMEPAD)
        visitor.until(f"d.action == {LEFT}")
        page.evaluate("navigator.getGamepads = () => []")
        visitor.until(f"d.action == {STAY}")
        page.keyboard.press("?")
        assert "Backspace" in page.inner_text(".help")
        page.keyboard.press("Escape")
        page.click("#picture button[aria-label='Paste from clipboard']")
        page.wait_for_selector(".refused")  # a headless browser lets nobody read it
        page.click("#world input")
        assert page.is_visible(".cue"), "keys go elsewhere now, and the page says so"
        page.click(".stage")
        assert not page.is_visible(".cue")
        page.set_viewport_size({"width": 1920, "height": 1080})
        page.wait_for_function("document.querySelector('#view canvas').getBoundingClientRect().width >= 640")


def test_a_key_held_before_the_page_is_ready_counts(browser: Any, tiny: Demo) -> None:
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.route("**/assets/*.js", lambda _: None)  # nothing of Gradio's runs yet
    page.goto(tiny.url, wait_until="commit")
    page.wait_for_function("window.heldEarly")
    page.keyboard.down("ArrowRight")
    assert page.query_selector("#view .stage") is None
    page.unroute_all()  # and goes on with what was asked for
    page.wait_for_function(f"document.querySelector('[data-frames]')?.dataset.action === '{RIGHT}'")
    page.keyboard.up("ArrowRight")
    page.wait_for_function(f"document.querySelector('[data-frames]').dataset.action === '{STAY}'")
    page.close()


def test_what_a_world_cannot_do_is_not_offered_and_it_says_that_it_guesses(
    browser: Any, tiny: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tiny.worlds.first.world
    monkeypatch.setattr(world, "config", dataclasses.replace(world.config, guessing_above=0.0))
    with Visitor(browser, tiny) as visitor:
        page = visitor.page
        visitor.start()
        ids = page.evaluate("[...document.querySelectorAll('#view .pad button')].map(button => button.dataset.ids)")
        assert ids == ["0", "1", f"{STAY} {STAY_2}", "3", "4", "5", "6"]
        page.keyboard.down(str(int(STAY_2) + 1))
        visitor.until(f"d.action == {STAY_2}")
        page.wait_for_selector(".hud .guessing", state="visible")
        page.keyboard.press("p")
        visitor.until("d.status === 'paused'")
        border = "getComputedStyle(document.querySelector('.stage'), '::after').borderTopWidth"
        assert page.evaluate(border) == "4px"
        page.keyboard.press("?")
        told = page.inner_text(".help")
        assert "8\tmuch the same as stay" in told and "stay_2" not in told
        page.keyboard.press("Escape")
        page.keyboard.up(str(int(STAY_2) + 1))
        page.keyboard.down("Backspace")
        visitor.until("d.step == 0")
        assert page.evaluate(border) != "4px", "the picture is nobody's guess"
        assert page.is_hidden(".hud .guessing")
        page.keyboard.up("Backspace")


def test_fields_are_checked_as_typed_and_keep_their_values(browser: Any, tiny: Demo) -> None:
    with Visitor(browser, tiny) as visitor:
        page = visitor.page
        visitor.start()
        page.click(".more summary")
        seed, script = page.locator("[data-set=seed]"), page.locator("[data-set=script]")
        assert seed.is_disabled(), "at temperature 0 a seed means nothing"
        page.locator("[data-set=temperature]").fill("1")
        page.wait_for_function("!document.querySelector('[data-set=seed]').disabled")
        for wrong in ("3000000000", "-3", "2.7", ""):
            seed.fill(wrong)
            assert "whole number from 0 to 2147483647" in page.inner_text("#fault-seed")
            seed.press("Enter")
            assert seed.input_value() == wrong
        seed.fill("7")
        assert page.inner_text("#fault-seed") == ""
        seed.press("Enter")
        visitor.until("d.step < 5")
        for wrong, words in (("fly*3", "no action of this world"), ("right*", "ACTION*STEPS"), ("left*0", "no step")):
            script.fill(wrong)
            script.press("Enter")
            assert words in page.inner_text("#fault-script")
            assert script.input_value() == wrong
        script.fill("left*3000")
        script.press("Enter")
        visitor.until(f"d.status === 'autoplay' && d.action == {LEFT}")
        assert page.inner_text("#fault-script") == ""
        page.locator("[data-set=speed]").focus()
        visitor.until("d.status === 'autoplay'")
        page.click(".stage")
        page.keyboard.down("ArrowRight")
        visitor.until(f"d.status === 'playing' && d.action == {RIGHT}")
        page.keyboard.up("ArrowRight")


def test_reload_back_forward_and_an_outage_return_to_the_same_frame(
    browser: Any, tiny: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cable_to(tiny.url) as cable, Visitor(browser, tiny, address=f"http://127.0.0.1:{cable.port}") as visitor:
        page = visitor.page
        visitor.start()
        page.keyboard.down("ArrowRight")
        visitor.until("d.step > 90")
        page.keyboard.press("p")
        visitor.until("d.status === 'paused'")
        page.keyboard.up("ArrowRight")
        step, seen = visitor.state()["step"], visitor.picture()

        def same() -> None:
            visitor.back()
            assert (visitor.state()["step"], visitor.picture()) == (step, seen)
            assert page.evaluate("game.dataset.status") == "paused"

        page.reload()
        same()
        assert visitor.questions == ["beforeunload"], "leaving with an unsaved game asks"
        page.goto("about:blank")
        page.go_back()
        same()
        page.keyboard.press("p")
        visitor.until(f"d.step > {step}")
        page.keyboard.down("ArrowRight")
        visitor.until(f"d.action == {RIGHT}")
        cable.pull()
        page.wait_for_function(LOST)
        page.keyboard.up("ArrowRight")
        cable.go_on()
        visitor.until(f"d.action == {STAY} || d.status === 'resting'")  # a long stall ends the connection
        page.wait_for_function(f"!{LOST}")
        cable.pull()
        page.wait_for_function(LOST)
        shown, seen = visitor.state()["step"], visitor.picture()
        monkeypatch.setattr(limits, "POLL_SECONDS", 0.5)
        cable.mend()
        visitor.until("d.status === 'resting'")
        assert (visitor.state()["step"], visitor.picture()) == (shown, seen)
        # Longer than the seat is kept: others have it meanwhile, and only the tokens of the game are left.
        page.keyboard.down("ArrowLeft")
        visitor.until(f"d.step > {shown} + 5")
        page.keyboard.up("ArrowLeft")
        cable.pull()
        page.wait_for_function(LOST)
        shown, seen = visitor.state()["step"], visitor.picture()
        cable.cut()
        monkeypatch.setattr(limits, "AWAY_SECONDS", 0.1)
        wait_for(lambda: tiny.health()["players"] == 0, "the seat to be free")
        page.evaluate(RECORD)
        cable.mend()
        visitor.until("drawn.length > 0 && d.status === 'resting'")
        assert (visitor.state()["step"], visitor.picture()) == (shown, seen)
        page.keyboard.down("ArrowLeft")
        visitor.until(f"d.step > {shown} + 3 && d.action == {LEFT}")


@pytest.mark.long
def test_two_minutes_without_a_network(browser: Any, tiny: Demo) -> None:
    """At full length, while nobody waits: the page says so within two seconds, and returns to the very frame."""
    with cable_to(tiny.url) as cable, Visitor(browser, tiny, address=f"http://127.0.0.1:{cable.port}") as visitor:
        page = visitor.page
        visitor.start()
        page.keyboard.down("ArrowRight")
        visitor.until("d.step > 30")
        cable.pull()
        page.wait_for_function(LOST, timeout=2000)
        shown, seen = visitor.state()["step"], visitor.picture()
        page.wait_for_timeout(120_000)
        assert tiny.health()["players"] == 1, "the seat is kept"
        page.evaluate("drawn.length = 0")
        cable.mend()
        visitor.until("drawn.length > 0")
        first = page.evaluate("drawn[0]")
        assert (first["step"], first["picture"]) == (shown, seen)
        visitor.until(f"d.step > {shown} + 3 && d.action == {RIGHT}")  # the key is still down


def test_a_link_replays_the_moment_and_another_world_asks(browser: Any, tiny: Demo, tmp_path: Path) -> None:
    with Visitor(browser, tiny) as visitor:
        page = visitor.page
        visitor.start()
        page.keyboard.down("ArrowRight")
        visitor.until("d.step > 20")
        page.keyboard.press("p")
        visitor.until("d.status === 'paused'")
        page.keyboard.up("ArrowRight")
        page.click("[data-share]")
        page.wait_for_selector(".link", state="visible")
        link = page.input_value(".link")
        step, seen = visitor.state()["step"], visitor.picture()  # by now the step that was under way is here too
        for kind, start in (("gif", b"GIF8"), ("genie", b"")):
            with page.expect_download() as loading:
                page.click(f"[data-file={kind}]")
            loading.value.save_as(tmp_path / f"play.{kind}")
            assert (tmp_path / f"play.{kind}").read_bytes().startswith(start)
        with Visitor(browser, tiny, address=link) as other:
            other.playing()
            other.until(f"d.step >= {step}")
            same = other.page.evaluate(f"drawn.find(f => f.step == {step})?.picture ?? ''")
            assert same == seen
            assert "#" not in other.page.url, "a reload returns to the game, and begins no other"
        page.fill("#world input", "nowhere")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=neither of tiny, cars")
        assert visitor.state()["world"] == "tiny" and not any("nowhere" in question for question in visitor.questions)
        page.wait_for_function("document.querySelector('#world input').value === 'tiny'")
        shown = page.get_attribute("#play-gallery img", "src")
        page.fill("#world input", "coinrun")
        page.keyboard.press("Enter")
        page.wait_for_function("game.dataset.world === 'coinrun'")
        assert any("Play in coinrun instead?" in question for question in visitor.questions)
        captions = page.locator("#worlds .caption-label").all_inner_texts()
        assert captions[0] == "tiny" and {"coinrun", "coinrun-hard"} <= set(captions)
        page.locator("#worlds button.thumbnail-item").nth(captions.index("coinrun-hard")).click()
        page.wait_for_function("game.dataset.world === 'coinrun-hard'")
        assert page.input_value("#world input") == "coinrun-hard"
        changed = "src => document.querySelector('#play-gallery img').src !== new URL(src, location).href"
        page.wait_for_function(changed, arg=shown)
        page.reload()
        page.wait_for_function("document.querySelector('#world input')?.value === 'coinrun-hard'")
        visitor.back()
        page.get_by_role("tab", name="A saved session").click()
        page.set_input_files("#saved input[type=file]", str(tmp_path / "play.genie"))
        visitor.until(f"d.world === 'tiny' && d.step == {step}")
        page.wait_for_function("document.querySelector('#world input').value === 'tiny'")  # it goes on in its own
        assert visitor.picture() == seen


def test_a_call_that_comes_as_the_answers_end_is_answered(browser: Any, tiny: Demo) -> None:
    with Visitor(browser, tiny, script=AT_THE_END) as visitor:
        visitor.page.fill("#world input", "nowhere")  # checks the name, and looks for the pictures of such a world
        visitor.page.keyboard.press("Enter")
        visitor.page.wait_for_selector("text=neither of tiny, cars")
        visitor.page.wait_for_function("document.querySelector('#world input').value === 'tiny'")


@pytest.mark.parametrize("screen", [UPRIGHT, LYING], ids=["upright", "lying"])
def test_thumbs_play_on_a_phone(browser: Any, tiny: Demo, screen: dict[str, Any]) -> None:
    width = screen["viewport"]["width"]
    with Visitor(browser, tiny, **screen) as visitor:
        page = visitor.page
        assert "tap" in page.inner_text(".start")
        page.tap(".start")
        page.wait_for_selector("[data-status=resting]")
        page.keyboard.press("p")
        visitor.playing()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        parts = ("canvas", ".stick", ".buttons button", *([".bar"] if screen is UPRIGHT else []))
        for what in parts:
            page.wait_for_function(IN_SIGHT, arg=f"#view {what}")
        page.evaluate("document.querySelector('[data-page=full]').click()")
        page.wait_for_function("document.fullscreenElement !== null")
        page.wait_for_function(IN_SIGHT, arg="#view canvas")
        page.wait_for_function(IN_SIGHT, arg="#view .bar")
        page.evaluate("document.exitFullscreen()")
        page.wait_for_function("document.fullscreenElement === null")
        for what in parts:
            page.wait_for_function(IN_SIGHT, arg=f"#view {what}")
        boxes = {what: page.locator(f"#view {what}").bounding_box() for what in parts}
        assert min(boxes[".buttons button"][side] for side in ("width", "height")) >= 44
        touch = page.context.new_cdp_session(page)

        def on(what: str, x: float, y: float, finger: int) -> dict[str, float]:
            box = boxes[what]
            return {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": finger}

        def fingers(kind: str, *points: dict[str, float]) -> None:
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

        right, left, jump = on(".stick", 0.95, 0.5, 1), on(".stick", 0.05, 0.5, 1), on(".buttons button", 0.5, 0.5, 2)
        fingers("touchStart", right)
        visitor.until(f"d.action == {RIGHT}")
        fingers("touchStart", right, jump)
        visitor.until(f"d.action == {JUMP_RIGHT}")
        fingers("touchMove", left, jump)  # slides over
        visitor.until(f"d.action == {JUMP_LEFT}")
        fingers("touchEnd")
        visitor.until(f"d.action == {STAY}")
