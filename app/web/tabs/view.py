"""The view of a game: a canvas, held keys and buttons, put together from files of static/ and of the static page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import gradio as gr

from app.web.game_starts import GameStarts
from app.web.told import data_url, world_told

STATIC = Path(__file__).parents[1] / "static"
SHARED = Path(__file__).parents[2] / "site/static/js/ui"  # modules that the static page has too
MODULES = ("page.js", "canvas.js", "gamepad.js", "keys.js", "pad.js", "thumbs.js", "word.js")
SCRIPTS = ("transport.js", "stage.js", "actions.js", "fields.js", "panel.js", "takeaway.js", "visit.js")


def game_view(starts: GameStarts) -> gr.HTML:
    """A canvas, held keys and buttons. It is drawn once, and fetches its game by a token over the transport.

    Its value is `{"token": ...}` of a guest, or None. Like `path_only`, no subclass of a component.
    """
    return gr.HTML(
        elem_id="view",
        html_template=_read(STATIC / "view.html"),
        css_template=_read(STATIC / "view.css"),
        js_on_load=_script(starts),
        apply_default_css=False,
    )


def _script(starts: GameStarts) -> str:
    """One script, since Gradio runs no modules: the words that import and export are taken out."""
    picture = starts.from_shipped("", starts.worlds.title).start.picture
    assert picture is not None
    first = world_told(starts.worlds.first.world.config, starts.worlds.title) | {"still": data_url(picture)}
    modules = [_plain(_read(SHARED / name)) for name in MODULES]
    told = json.dumps(first).replace("<", "\\u003c")
    return "\n".join([f"const FIRST = {told};", *modules, *(_read(STATIC / name) for name in SCRIPTS)])


def _plain(module: str) -> str:
    module = re.sub(r"^import .*;\n", "", module, flags=re.M)
    return re.sub(r"^export (?=class|const|function|async)", "", module, flags=re.M)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
