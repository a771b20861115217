"""What visitors hand in, pictures above all, read with care: it may be anything."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genie_core.errors import GenieError, PictureError
from genie_core.pictures import MID_GREY, load_picture

MOST_PIXELS = 40_000_000  # of a picture: 120 MB while it is read
FOR_THE_SHELL = ("; try: python launch.py", "; name that world with --world")


def picture_input(**options: Any) -> gr.Image:
    """A `gr.Image` that gives the path of the file as it came: what Gradio would decode is ours to refuse in words.

    No subclass: beside the file of one Gradio writes a stub, which has no place in a checkout.
    """
    image = gr.Image(type="filepath", **options)
    image.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    return image


def told_in_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function whose GenieErrors are shown in the page."""
    assert inspect.iscoroutinefunction(function)

    @functools.wraps(function)
    async def told(*args: Any) -> Any:
        try:
            return await function(*args)
        except GenieError as error:
            raise gr.Error(_without_shell(str(error)), print_exception=False) from error

    return told


def read_picture(path: Any) -> np.ndarray:
    """The picture in an uploaded file, uint8 (H, W, 3). PictureError names the file, but not where it is."""
    if not isinstance(path, str):
        raise PictureError("there is no picture yet; choose, upload or draw one")
    try:
        with Image.open(path) as image:  # reads no more than the header
            size = image.size
    except Exception:  # load_picture says better what is wrong
        size = (1, 1)
    if size[0] * size[1] > MOST_PIXELS:
        raise PictureError(
            f"the picture has {size[0]}×{size[1]} pixels, at most {MOST_PIXELS // 10**6} million are read"
        )
    try:
        return load_picture(path)
    except PictureError as error:
        raise PictureError(str(error).replace(path, Path(path).name)) from error


def read_drawing(drawn: Any) -> np.ndarray:
    """What was drawn, uint8 (H, W, 3), from the value of a `gr.ImageEditor` of type numpy."""
    picture = drawn.get("composite") if isinstance(drawn, dict) else None
    if not isinstance(picture, np.ndarray) or picture.ndim != 3 or not picture.any():
        raise PictureError("there is no drawing yet; draw something first")
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:].astype(np.float32) / 255
    return (picture[..., :3] * alpha + np.array(MID_GREY) * (1 - alpha)).round().astype(np.uint8)


def _without_shell(text: str) -> str:
    """Without the advice that is for those who typed a command."""
    for advice in FOR_THE_SHELL:
        text = text.split(advice)[0]
    return text
