"""The play view as a Gradio component: a canvas, held keys and buttons. It fetches its game by a token."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("transport.js", "stage.js", "panel.js")


def game_view(elem_id: str) -> gr.HTML:
    """Its value is `{"token": ...}` of a guest, or None. The page is drawn once; all else goes over the transport.

    No subclass: beside the file of one Gradio writes a stub, which has no place in a checkout.
    """
    return gr.HTML(
        elem_id=elem_id,
        html_template=_read("view.html"),
        css_template=_read("view.css"),
        js_on_load="\n".join(_read(name) for name in SCRIPTS),
        apply_default_css=False,
    )


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
