"""The play view as a Gradio component: a canvas, held keys and buttons, that fetches its game by a token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("link.js", "stage.js", "panel.js")


def read_static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


class GameView(gr.HTML):
    """Its value is `{"token": ...}` of a guest, or None. The page is drawn once; all else goes over the link."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            None,
            html_template=read_static("view.html"),
            css_template=read_static("view.css"),
            js_on_load="\n".join(read_static(name) for name in SCRIPTS),
            apply_default_css=False,
            **options,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}
