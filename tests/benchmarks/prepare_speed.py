"""What --prepare takes beside what PyAV alone takes to decode and resize, one core each, in turns.

    OMP_NUM_THREADS=1 taskset -c 1 python tests/benchmarks/prepare_speed.py [VIDEO ...]

Without VIDEO, a minute of 1280×720 and one of 160×210 at 30 frames a second are made, H.264. `alone` decodes every
frame and resizes those that 15 frames a second need; `all resized` resizes every frame. `prepare` is a look at the
video, its part and the data sets: all that a core does for a video but starting Python. CPU seconds, the median of
three turns.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from genie_core.data.frame_size import usual_size
from genie_core.data.prepare.assemble import pieces_of, write
from genie_core.data.prepare.look import look
from genie_core.data.prepare.work import Task, prepare_video

TURNS, FPS = 3, 15.0


def game(path: Path, height: int, width: int, frames: int = 1800) -> Path:
    """A camera over scenery with a figure that moves, as a game shows it."""
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 255, (height // 16 + 1, width // 16 + frames // 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for i in range(frames):
            across, side = int(frames + frames * np.sin(i / 150)), height // 10
            frame = tiles[:height, across // 4 : across // 4 + width].copy()
            frame[height // 2 : height // 2 + side, (3 * i) % (width - side) : (3 * i) % (width - side) + side] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def alone(path: Path, size: tuple[int, int], every: float) -> None:
    due = 0.0
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(video=0)):
            if number >= due:
                frame.to_ndarray(format="rgb24", height=size[0], width=size[1])
                due += every


def prepare(path: Path, size: tuple[int, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        part, seen = Path(folder, "part"), look(str(path))
        assert seen.inside is not None
        prepared = prepare_video(Task(str(path), seen.inside, size, FPS, str(part)))
        pieces = pieces_of(path.name, [(part, prepared)])
        write(Path(folder, "train"), pieces, size, FPS, {"game": None}, lambda frames: None)


def cpu_s(call: Callable[[], None]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        videos = [Path(name) for name in sys.argv[1:]] or [
            game(Path(folder, "720p.mp4"), 720, 1280),
            game(Path(folder, "160x210.mp4"), 210, 160),
        ]
        for path in videos:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                size, every = usual_size(stream.height, stream.width), max(1.0, float(stream.guessed_rate or 0) / FPS)
            calls = {
                "alone": lambda: alone(path, size, every),  # noqa: B023 - called in this turn of the loop
                "all resized": lambda: alone(path, size, 1),  # noqa: B023
                "prepare": lambda: prepare(path, size),  # noqa: B023
            }
            turns = [{name: cpu_s(call) for name, call in calls.items()} for _ in range(TURNS)]
            took = {name: float(np.median([turn[name] for turn in turns])) for name in calls}
            ratio = {name: float(np.median([turn[name] / turn["prepare"] for turn in turns])) for name in calls}
            told = ", ".join(f"{name} {seconds:.2f} s ({ratio[name]:.2f})" for name, seconds in took.items())
            print(f"{path.name} to {size[0]}x{size[1]}: {told}", flush=True)


if __name__ == "__main__":
    main()
