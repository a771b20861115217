"""What visitors hand in, read with care: it may be anything.

Each file that a request names passes `only_uploads` before Gradio sees the request. The components hand over paths,
so Gradio decodes nothing. What is decoded is decoded here and in app/media, after its size was checked.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image

from app.web.limits import PICTURE_PIXELS, UPLOAD_BYTES
from app.web.told import sentence
from genie_core.errors import GenieError, PictureError
from genie_core.pictures import FORMATS, MID_GREY, load_picture

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # the limit here is lower, and is told
FAILED = "That did not work"
NOT_UPLOADED = "a file in this request was not uploaded here; choose it again"


def only_uploads(pages: gr.Blocks) -> None:
    """Makes `pages` refuse each request that names a file, unless it was uploaded to this server or handed out by it.

    Gradio checks this only for apps it launches itself. The answer is the same for any other file, there or not.
    """
    preprocess = pages.preprocess_data

    async def checked(function: Any, inputs: list[Any], *args: Any, **options: Any) -> Any:
        if not all(is_upload(path) for path in _paths(inputs)):
            raise gr.Error(NOT_UPLOADED, print_exception=False)
        return await preprocess(function, inputs, *args, **options)

    pages.preprocess_data = checked  # type: ignore[method-assign, assignment]


def is_upload(path: Any) -> bool:
    """Whether `path` leads, without a link out of it, to a file of the upload folder that is small enough."""
    try:
        found = Path(path).resolve(strict=True)
        inside = found.is_relative_to(Path(get_upload_folder()).resolve())
        return inside and found.is_file() and found.stat().st_size <= UPLOAD_BYTES
    except (OSError, ValueError, TypeError, RuntimeError):
        return False


def _paths(told: Any) -> Iterator[Any]:
    """Whatever a request of any nesting names as the path of a file."""
    waiting = [told]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield value["path"]
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


def picture_input(**options: Any) -> gr.Image:
    return path_only(gr.Image(type="filepath", **options))


def path_only(component: Any, part: str | None = None) -> Any:
    """Makes `component` hand over the path of its file, or of `part` of it, as it came: Gradio would decode it.

    No subclass: beside the file of one Gradio writes a stub, which has no place in a checkout.
    """

    def path(payload: Any) -> Any:
        file = payload if part is None else getattr(payload, part, None)
        return getattr(file, "path", None)

    component.preprocess = path
    return component


def told_in_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function whose GenieErrors are shown in the page."""
    assert inspect.iscoroutinefunction(function)

    @functools.wraps(function)
    async def told(*args: Any) -> Any:
        try:
            return await function(*args)
        except GenieError as error:
            raise gr.Error(sentence(str(error)), title=FAILED, print_exception=False) from error

    return told


def read_picture(path: Any) -> np.ndarray:
    """The picture in an uploaded file, uint8 (H, W, 3). PictureError names the file, but not where it is."""
    if not isinstance(path, str):
        raise PictureError("there is no picture yet; choose, upload or draw one")
    try:
        with Image.open(path, formats=FORMATS) as image:  # reads no more than the header
            width, height = image.size
    except Exception:  # load_picture says better what is wrong
        width = height = 1
    if width * height > PICTURE_PIXELS:
        raise PictureError(
            f"the picture has {width}×{height} pixels, at most {PICTURE_PIXELS // 10**6} million are read"
        )
    try:
        return load_picture(path)
    except PictureError as error:
        raise PictureError(str(error).replace(path, Path(path).name)) from error


def read_drawing(path: Any) -> np.ndarray:
    """The drawing in an uploaded file, uint8 (H, W, 3); PictureError if nothing is drawn."""
    picture = read_picture(path) if isinstance(path, str) else np.array(MID_GREY)
    if (picture == MID_GREY).all():  # what shows through an empty canvas
        raise PictureError("there is no drawing yet; draw something first")
    return picture
