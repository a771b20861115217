"""Pictures of an evaluation: filmstrips and plots, as the addresses of data that an HTML page carries inside itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from genie_core.errors import MissingExtraError

GAP, ENLARGED = 2, 2
PAPER = 255
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")

Line = tuple[str, Sequence[float | None]]


def strip(rows: Sequence[np.ndarray]) -> str:
    """Rows of frames, uint8 (t, H, W, 3) each, below one another, enlarged without smoothing."""
    height, width = rows[0].shape[1:3]
    longest = max(len(row) for row in rows)
    sheet = np.full((len(rows) * (height + GAP), longest * (width + GAP), 3), PAPER, np.uint8)
    for y, row in enumerate(rows):
        for x, frame in enumerate(row):
            top, left = y * (height + GAP), x * (width + GAP)
            sheet[top : top + height, left : left + width] = frame
    picture = Image.fromarray(sheet)
    picture = picture.resize((ENLARGED * picture.width, ENLARGED * picture.height), Image.Resampling.NEAREST)
    file = io.BytesIO()
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return _address("image/png", file.getvalue())


def plot(title: str, x_label: str, y_label: str, lines: Sequence[Line], x_step: int = 1) -> str:
    """Values over steps x_step, 2*x_step, …, a line each. Raises MissingExtraError without matplotlib."""
    try:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(f"--report draws plots with matplotlib ({error}): pip install matplotlib") from error
    figure = Figure(figsize=(5.6, 3.2), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for (name, values), colour in zip(lines, COLOURS, strict=False):
        steps = x_step * np.arange(1, len(values) + 1)
        axes.plot(steps, [np.nan if value is None else value for value in values], label=name, color=colour, lw=1.6)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if lines:
        axes.legend(frameon=False, fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return _address("image/svg+xml", file.getvalue())


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
