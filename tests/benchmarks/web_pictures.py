"""The pictures of the web demo in README.md, taken of the shipped world in a real browser.

    python tests/benchmarks/web_pictures.py --out assets

Needs chromium, and the packages of tests/requirements.txt.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from web_visitor import Visitor, open_browser
from webdemo import ROOT, in_this_process

SIZE = {"width": 1180, "height": 1065}
STEPS = 26
HELD = 1000  # milliseconds, until films move and sentences are gone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with (
        in_this_process(ROOT / "checkpoints" / "coinrun") as demo,
        open_browser() as browser,
        Visitor(browser, demo, viewport=SIZE) as visitor,
        tempfile.TemporaryDirectory() as folder,
    ):
        page = visitor.page
        page.locator("#play-gallery button").first.click()
        page.wait_for_selector("[data-status=resting]")
        page.keyboard.down("ArrowRight")
        visitor.playing()
        visitor.until(f"d.step >= {STEPS}")
        page.keyboard.press("p")
        visitor.until("d.status === 'paused'")
        page.keyboard.up("ArrowRight")
        page.keyboard.press("k")
        with page.expect_download() as loading:
            page.click("[data-file=mp4]")
        clip = Path(folder) / "clip.mp4"
        loading.value.save_as(clip)
        page.wait_for_timeout(8 * HELD)
        page.screenshot(path=out / "web-play.png")

        page.get_by_role("tab", name="What each action does").click()
        page.click("#look-current")
        page.wait_for_selector("#each-action figure:nth-child(8)")
        page.wait_for_timeout(HELD)
        page.screenshot(path=out / "web-learnt.png")

        page.get_by_role("tab", name="Imitate a video").click()
        page.set_input_files("#clip input[type=file]", clip)
        page.wait_for_selector("#course .course")
        page.locator(".pixels button >> visible=true").nth(2).click()
        page.wait_for_function("document.querySelector('#film video')?.readyState > 1")
        page.wait_for_timeout(HELD)
        page.screenshot(path=out / "web-imitate.png")


if __name__ == "__main__":
    main()
