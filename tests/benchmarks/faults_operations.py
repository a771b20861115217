"""The long operations that `faults.py` disturbs, at sizes that take a second: their commands, and what they leave."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from films import encode
from played import save_session
from test_training import SETTINGS, record
from tiny import make_world, random_frames, walking_squares

from app.play.session import PlaySession
from genie_core import World, WorldEngine
from genie_core.data import DatasetWriter
from genie_core.errors import GenieError
from genie_core.evaluation.measure import Effort
from genie_core.training.saved import load_state
from genie_core.training.settings import STAGES

ROOT = Path(__file__).resolve().parents[2]
Left = dict[str, str]
"""What lies under final names: a hash of each, or DAMAGED."""
DAMAGED = "damaged"
STEPS = 6
EFFORT = Effort(clips=2, longest=16, scenes=1, rollouts=1, steps=200)
SAVE_WORLD = """
import sys
from genie_core import World
from genie_core.errors import GenieError
try:
    World.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])
except GenieError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt:
    sys.exit(130)
"""


class Operation(NamedTuple):
    """`words` for Python, with {i} for the folder of the inputs and {o} for that of the results.

    `left` tells what is there. `whole`: all of it is old or all of it is new; else each file by itself. `before` puts
    there what is replaced. `again` are words to go on with, once `begun` is there. `once`: what is whole is not
    written over, so the same command is refused. `torn`: files are moved one after the other, and a fault between two
    leaves what is refused as damaged.
    """

    name: str
    words: list[str]
    left: Callable[[Path], Left]
    whole: bool = True
    before: Callable[[Path, Path], None] = lambda inputs, out: None
    again: tuple[str, ...] = ()
    begun: str = ""
    once: bool = False
    torn: bool = False


def make_inputs(folder: Path) -> None:
    """Data, films, worlds, a picture and a session in `folder`."""
    record(folder / "squares")
    with DatasetWriter(folder / "walks", source={"game": "unheard of"}, frame_size=(16, 16), fps=12) as writer:
        for clip in walking_squares(6, 24).frames.numpy():
            writer.add_episode(clip)
    (folder / "films").mkdir()
    for number in range(2):
        frames = np.random.default_rng(number).integers(0, 255, (6, 6, 3), np.uint8)
        still = np.asarray(Image.fromarray(frames).resize((96, 64)))
        encode(folder / f"films/{number}.mp4", np.stack([np.roll(still, 2 * step, 1) for step in range(60)]))
    for seed in range(2):
        make_world(seed).save_pretrained(folder / f"world{seed}")
    Image.fromarray(random_frames(1, 1)[0, 0].numpy()).save(folder / "picture.png")
    session = PlaySession(WorldEngine(World.from_pretrained(folder / "world0")), random_frames(1, 1)[0, 0].numpy())
    list(session.play([0, 1, 2, 3] * 3))
    save_session(session, folder / "played.genie")
    steps = SETTINGS.replace("batch_size = 4\n", f"batch_size = 4\nsteps = {STEPS}\n")
    (folder / "steps.toml").write_text(steps)


def operations(ort: Path | None) -> list[Operation]:
    """All of them; the site needs `ort`, the folder of ONNX Runtime Web."""
    launch, world = [str(ROOT / "launch.py")], ["--world", "{i}/world0"]
    play = [*launch, "--play", "{i}/picture.png", *world, "--actions", "0*6,1*6,2*6"]
    written = ["--json", "{o}/figures.json", "--report", "{o}/report"]
    data = [*launch, "--train", "--data", "{i}/squares", "--out", "{o}/run", "--config", "{i}/steps.toml"]
    found = [
        Operation(
            "collect",
            [*launch, "--collect", "tiny_environments:Shades-v0", "--out", "{o}/set", "--frames", "300"],
            lambda out: folder_left(out / "set"),
            once=True,
        ),
        Operation(
            "prepare",
            [*launch, "--prepare", "{i}/films", "--out", "{o}/set", "--frame-size", "32x48"],
            lambda out: folder_left(out / "set", hidden=False),
            whole=False,
            once=True,
        ),
    ]
    found += [
        Operation(
            f"train {stage}",
            [*data, "--stage", stage],
            run_left,
            whole=False,
            before=lambda inputs, out, stage=stage: half_trained(inputs, out, stage),  # type: ignore[misc]
            again=("--resume",),
            begun="run/settings.toml",
        )
        for stage in STAGES
    ]
    found += [
        Operation(
            "evaluate",
            [*launch, "--evaluate", *world, "--data", "{i}/walks", "--quick", *written],
            lambda out: reports_left(out, "figures.json", "report/report.html", "report/evaluation.json"),
            whole=False,
        ),
        *(
            Operation(f"play {kind}", [*play, "--save", f"{{o}}/play.{kind}"], play_left, before=yesterday)
            for kind in ("npz", "gif", "mp4", "png")
        ),
        Operation(
            "replay",
            [*launch, "--replay", "{i}/played.genie", *world, "--save", "{o}/play.gif"],
            play_left,
            before=yesterday,
        ),
        Operation("save_pretrained", ["-c", SAVE_WORLD, "{i}/world0", "{o}/world"], world_left),
        Operation(
            "save_pretrained over another",
            ["-c", SAVE_WORLD, "{i}/world0", "{o}/world"],
            world_left,
            before=lambda inputs, out: void(shutil.copytree(inputs / "world1", out / "world")),
            torn=True,
        ),
        Operation("publish --dry-run", [*launch, "--publish", "a/b", "--dry-run", *world], lambda out: {}),
    ]
    if ort is not None:
        words = [*launch, "--export-web", "{o}/site", *world, "--ort", str(ort)]
        found += [
            Operation("export-web", words, lambda out: folder_left(out / "site")),
            Operation(
                "export-web over another",
                words,
                site_left,
                before=lambda inputs, out: hosted(inputs, out, words),
            ),
        ]
    return found


def hosted(inputs: Path, out: Path, words: list[str]) -> None:
    """A site of another world, in a Git repository."""
    site = inputs / "site"
    if not site.exists():
        replaced = {"{o}/site": str(site), "{i}/world0": str(inputs / "world1")}
        subprocess.run([sys.executable, *(replaced.get(word, word) for word in words), "--quiet"], check=True)
        for name in (".git/HEAD", ".git/objects/ab/cd", "worlds/world1/notes.txt", "CNAME"):
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text("somebody's own")
    shutil.copytree(site, out / "site")


def site_left(out: Path) -> Left:
    """Killed between its two moves, a process leaves the old site beside its place; the next command moves it back."""
    beside = [] if (out / "site").exists() else [*out.glob(".site.old.*.part")]
    return folder_left(beside[0] if beside else out / "site")


def folder_left(folder: Path, hidden: bool = True) -> Left:
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder) for path in paths)
    return {str(name): hashed(folder / name) for name in names if hidden or not name.parts[0].startswith(".")}


def reports_left(out: Path, *names: str) -> Left:
    """They tell times, which differ, and are whole or not."""
    left = {}
    for name in names:
        if (out / name).exists():
            ending = "</html>\n" if name.endswith(".html") else "}\n"
            left[name] = "whole" if (out / name).read_text(encoding="utf-8").endswith(ending) else DAMAGED
    return left


def play_left(out: Path) -> Left:
    return {path.name: hashed(path) for path in out.glob("play.*")}


def world_left(out: Path) -> Left:
    """A folder without config.json is not a world yet."""
    if not (out / "world/config.json").exists():
        return {}
    try:
        return {**World.from_pretrained(out / "world").fingerprint(), "config": hashed(out / "world/config.json")}
    except GenieError:
        return {"world": DAMAGED}


def run_left(out: Path) -> Left:
    """Saved states, pictures, token files and the world; how far a state is does not tell whether it is whole."""
    run, left = out / "run", {}
    for stage in STAGES:
        try:
            state = load_state(run, stage)
        except GenieError:
            left[stage] = DAMAGED
            continue
        if state and state["global_step"] >= STEPS:
            weights = [value.numpy().tobytes() for key, value in state["state_dict"].items() if "network" in key]
            left[stage] = hashlib.sha256(b"".join(weights)).hexdigest()
    for picture in run.glob("*/pictures/[!.]*"):
        try:
            with Image.open(picture) as opened:
                opened.load()
        except OSError:
            left[str(picture.relative_to(run))] = DAMAGED
    for origin in run.glob("tokens*/origin.json"):
        left |= {f"{name}": hashed(origin.with_name(name)) for name in ("tokens.npy", "actions.npy")}
    if (run / "world/config.json").exists():
        try:
            found = World.from_pretrained(run / "world").fingerprint()
            left |= {f"world's {name}": value for name, value in found.items()}
        except GenieError:
            left["world"] = DAMAGED
    return left


def hashed(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".json":
        try:
            json.loads(content)
        except ValueError:
            return DAMAGED
    return hashlib.sha256(content).hexdigest()


def yesterday(inputs: Path, out: Path) -> None:
    for kind in ("npz", "gif", "mp4", "png"):
        (out / f"play.{kind}").write_bytes(b"the recording of yesterday")


def half_trained(inputs: Path, out: Path, stage: str) -> None:
    """The dynamics come after the other two."""
    if stage == STAGES[-1] and (inputs / "run").exists():
        shutil.copytree(inputs / "run", out / "run")


def void(value: object) -> None:
    """Nothing, for a lambda whose value is not wanted."""
