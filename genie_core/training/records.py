"""What a training writes down to be watched: metrics.csv, events for TensorBoard, pictures and films. Rank 0 writes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from einops import rearrange
from lightning.fabric.loggers.csv_logs import CSVLogger
from PIL import Image
from tensorboardX import SummaryWriter  # type: ignore[import-untyped]
from tensorboardX.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

from genie_core.files import write_whole

PICTURE_SCALE = 3
FILM_FPS = 10


class Records:
    """Writes for one stage of the run `out`, from `step` on.

    RUN/STAGE/metrics/from-STEP/metrics.csv; RUN/tensorboard/STAGE, read by `tensorboard --logdir RUN/tensorboard`;
    RUN/STAGE/pictures.
    """

    def __init__(self, out: Path, stage: str, step: int) -> None:
        self.pictures = out / stage / "pictures"
        self.pictures.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")  # of a folder that a killed run has made at this step
            self._table = CSVLogger(out / stage, name="metrics", version=f"from-{step:06d}")
            self._table.experiment  # noqa: B018, which makes the folder
        self._events = SummaryWriter(str(out / "tensorboard" / stage), purge_step=step)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Write `values` by their names, as `train/loss`."""
        self._table.log_metrics(dict(values), step)
        self._table.save()
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def rows(self, name: str, rows: np.ndarray, step: int) -> None:
        """uint8 (rows, t, H, W, 3) as one enlarged picture, a clip a row."""
        sheet = enlarged(rearrange(rows, "r t H W c -> (r H) (t W) c"))
        stream = io.BytesIO()
        Image.fromarray(sheet).save(stream, "PNG")
        self._keep(f"{name}-{step:06d}.png", name, stream.getvalue(), step)

    def film(self, name: str, rows: np.ndarray, step: int) -> None:
        """uint8 (rows, t, H, W, 3) as an animation, the rows side by side."""
        frames = [Image.fromarray(enlarged(frame)) for frame in rearrange(rows, "r t H W c -> t H (r W) c")]
        stream = io.BytesIO()
        frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=1000 // FILM_FPS, loop=0)
        self._keep(f"{name}-{step:06d}.gif", name, stream.getvalue(), step)

    def close(self) -> None:
        self._table.save()
        self._events.close()

    def _keep(self, file: str, name: str, content: bytes, step: int) -> None:
        write_whole(self.pictures / file, content)
        picture = Summary(value=[Summary.Value(tag=name, image=Summary.Image(encoded_image_string=content))])
        self._events.file_writer.add_summary(picture, step)


def enlarged(picture: np.ndarray) -> np.ndarray:
    """uint8 (height, width, 3), each pixel a square."""
    return np.kron(picture, np.ones((PICTURE_SCALE, PICTURE_SCALE, 1), np.uint8))
