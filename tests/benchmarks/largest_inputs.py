"""The largest inputs that are accepted, and the peak of memory that each takes.

    python tests/benchmarks/largest_inputs.py [NAME …]

Each is made in one process and read in another that has imported what it needs. The peak is that of the whole process.
Linux only.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image

from genie_core import limits
from genie_core.errors import GenieError

if TYPE_CHECKING:
    from genie_core.engine import WorldEngine

ROOT = Path(__file__).resolve().parents[2]
Image.MAX_IMAGE_PIXELS = None
Input = tuple[Callable[[Path], None], Callable[[Path], object]]


def main() -> None:
    chosen = sys.argv[1:] or list(INPUTS)
    for name in chosen:
        make, read = INPUTS[name]
        with TemporaryDirectory() as folder:
            path = Path(folder) / name.replace(" ", "_")
            if in_child(lambda: make(path)) is None:  # noqa: B023
                print(f"| {name} | could not be made here | |", flush=True)
                continue
            size = sum(file.stat().st_blocks * 512 for file in [path, *path.rglob("*")] if file.is_file())
            told = in_child(lambda: read(path))  # noqa: B023
        print(f"| {name} | {size / 1e6:,.1f} MB on disk | {told or 'its process ended'} |", flush=True)


def in_child(do: Callable[[], object]) -> str | None:
    """What became of `do` in a process of its own, with its peak of memory; None if the process was ended."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            Path("/proc/self/clear_refs").write_text("5")
            began = time.process_time()
            try:
                do()
                result = "accepted"
            except GenieError as error:
                result = f"refused: {str(error)[:150]}"
            found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
            assert found is not None
            os.write(into, f"{result}, {int(found[1]) // 1024} MB, {time.process_time() - began:.1f} s of CPU".encode())
            code = 0
        finally:
            os._exit(code)
    os.close(into)
    with os.fdopen(out) as told:
        result = told.read()
    _, status = os.waitpid(child, 0)
    return result if status == 0 else None


def picture(mode: str, pixels: float, format: str, **options: Any) -> Input:
    """A square picture of so many million pixels."""
    side = int((pixels * 1e6) ** 0.5)

    def make(path: Path) -> None:
        Image.new(mode, (side, side)).save(path, format, **options)

    def read(path: Path) -> None:
        from genie_core.pictures import fit, load_picture

        for how in ("crop", "pad"):
            fit(load_picture(path), (64, 64), how)

    return make, read


def film(codec: str, container: str, side: int, frames: int, size: tuple[int, int] = (64, 64)) -> Input:
    def make(path: Path) -> None:
        import av

        with av.open(str(path), "w", format=container) as file:
            stream = file.add_stream(codec, rate=15, options={"preset": "ultrafast"})
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
            for number in range(frames):
                picture = av.VideoFrame(side, side, "yuv420p")
                for plane in picture.planes:
                    plane.update(bytes([number % 256]) * plane.buffer_size)
                picture.pts = number
                file.mux(stream.encode(picture))
            file.mux(stream.encode(None))

    def read(path: Path) -> None:
        from genie_core.video import read_video

        read_video(path, size, 15)

    return make, read


def session(path: Path) -> None:
    """The longest of the shipped world."""
    from safetensors.numpy import save

    from app.play import session_file
    from genie_core.checkpoint import fingerprint

    steps = limits.SESSION_STEPS
    tensors = {"tokens": np.zeros((steps + 1, 8, 8), np.int32), "actions": np.zeros(steps, np.uint8)}
    tensors["prompt"] = np.zeros((64, 64, 3), np.uint8)
    told = {
        "format": 1,
        "world": "coinrun",
        "sha256": fingerprint(ROOT / "checkpoints/coinrun"),
        "seed": 0,
        "at": steps,
    }
    told |= {"fps": 15, "sampling": {}, "content": session_file.digest_of(tensors)}
    path.write_bytes(save(tensors, {session_file.KEY: json.dumps(told)}))


def read_session(path: Path) -> None:
    from app.play.session_file import load_session
    from app.play.start import Start, begin
    from genie_core.engine import WorldEngine
    from genie_core.graph_world import GraphWorld

    world = GraphWorld.from_pretrained(ROOT / "checkpoints/coinrun")
    begin(WorldEngine(world), Start(None, saved=load_session(path, world)))


def json_world(path: Path) -> None:
    """config.json full of empty objects."""
    path.mkdir()
    told = json.loads((ROOT / "checkpoints/coinrun/config.json").read_text())
    told["training"]["x"] = []
    text = json.dumps(told)
    count = (limits.CONFIG_BYTES - len(text)) // 3
    (path / "config.json").write_text(text.replace('"x": []', '"x": [' + ",".join(["{}"] * count) + "]"))


def read_config(path: Path) -> None:
    from genie_core.checkpoint import read_config
    from genie_core.hub.card import card

    card(read_config(path))


def large_world(path: Path) -> None:
    """A few weights, and as much past, noise, features and attention as there may be."""
    import torch

    from genie_core.config import SamplingConfig, WorldConfig, build_networks
    from genie_core.world import World

    torch.manual_seed(0)
    sections = {
        "tokenizer": {"channels": [64, 8, 8, 8], "decoder_blocks": 1, "code_bits": 12, "token_factors": 1},
        "latent_action": {"patch_size": 32, "width": 16, "layers": 1, "heads": 2, "code_width": 4, "context_frames": 8},
        "dynamics": {"width": 32, "layers": 1, "heads": 1},
    }
    networks = build_networks((1024, 1024), 128, 4, sections)
    config = WorldConfig(*networks, sampling=SamplingConfig(unmask_steps=1, temperature=1.0))
    World(config).save_pretrained(path)


def play_by_torch(path: Path) -> None:
    from genie_core.engine import WorldEngine
    from genie_core.world import World

    step(WorldEngine(World.from_pretrained(path), runtime="torch"))


def play_by_graphs(path: Path) -> None:
    from genie_core.engine import WorldEngine
    from genie_core.graph_world import GraphWorld

    step(WorldEngine(GraphWorld.from_pretrained(path)))


def step(engine: WorldEngine) -> None:
    engine.reset(np.zeros((1024, 1024, 3), np.uint8))
    engine.step(0)


def data_set(kind: str, frames: int, size: tuple[int, int]) -> Callable[[Path], None]:
    """One shard of black frames, one episode."""

    def make(path: Path) -> None:
        path.mkdir()
        shape = (frames, *size, 3)
        if kind == "npy":  # with a hole in it
            np.lib.format.open_memmap(path / "frames-00000.npy", "w+", np.uint8, shape)
        else:
            np.savez_compressed(path / "frames-00000.npz", frames=np.zeros(shape, np.uint8))
        np.save(path / "episodes.npy", np.array([[0, frames, 0]], np.int64))
        shards = [{"file": f"frames-00000.{kind}", "frames": frames}]
        told = {"name": "large", "frame_size": size, "fps": 15, "frames": frames, "episodes": 1, "shards": shards}
        (path / "dataset.json").write_text(json.dumps(told | {"source": {}, "format_version": 2}))

    return make


def read_data(path: Path) -> None:
    from genie_core.data import VideoDataset

    dataset = VideoDataset(path)
    starts = dataset.clip_starts(10)
    dataset.clip(int(starts[-1]), 10)
    dataset.fingerprint()
    dataset.provenance  # noqa: B018


def with_provenance(path: Path) -> None:
    data_set("npy", limits.DATASET_EPISODES, (1, 1))(path)
    count = limits.DATASET_EPISODES
    told = json.loads((path / "dataset.json").read_text()) | {"episodes": count}
    (path / "dataset.json").write_text(json.dumps(told))
    rows = np.stack([np.arange(count), np.ones(count, int), np.zeros(count, int)], 1)
    np.save(path / "episodes.npy", rows.astype(np.int64))
    (path / "provenance.json").write_text("[" + ",".join(['{"":0}'] * count) + "]")


def read_episodes(path: Path) -> None:
    from genie_core.data import VideoDataset

    VideoDataset(path).provenance  # noqa: B018


INPUTS: dict[str, Input] = {
    "PNG of 33 million pixels": picture("RGB", 33, "PNG", compress_level=1),
    "PNG in grey of 130 million": picture("L", 130, "PNG", compress_level=1),
    "JPEG of 33 million": picture("RGB", 33, "JPEG"),
    "progressive JPEG of 22 million": picture("RGB", 22, "JPEG", progressive=True),
    "TIFF of 16 million": picture("RGB", 16, "TIFF", compression="tiff_lzw"),
    "GIF of 66 million": picture("P", 66, "GIF"),
    "WebP of 8 million": picture("RGB", 8.3, "WEBP", lossless=True, method=0),
    "JPEG 2000 of 6 million": picture("RGB", 6.6, "JPEG2000"),
    "AVIF of 8 million": picture("RGB", 8.3, "AVIF", speed=10),
    "H.264 of 16 million pixels a frame": film("libx264", "mp4", 4096, 20),
    "FFV1 of 16 million pixels a frame": film("ffv1", "matroska", 4096, 4),
    "a long film for a world of 1024x1024": film("mpeg4", "mp4", 64, 1000, (1024, 1024)),
    "session of 200,000 steps": (session, read_session),
    "config.json of 2 MB": (json_world, read_config),
    "world of 1024x1024, by torch": (large_world, play_by_torch),
    "world of 1024x1024, by its graphs": (large_world, play_by_graphs),
    "npz of 268 MB of frames": (data_set("npz", 87381, (32, 32)), read_data),
    "npy of 33 million frames": (data_set("npy", limits.DATASET_FRAMES, (1, 1)), read_data),
    "npy of frames of 4096x4096": (data_set("npy", 20, (4096, 4096)), read_data),
    "provenance of 4 million episodes": (with_provenance, read_episodes),
}

if __name__ == "__main__":
    main()
