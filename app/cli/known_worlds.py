"""The worlds at hand, and the one that a command line asks for."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.options import ROOT
from genie_core.errors import CheckpointError, HubError, MissingExtraError, MissingGraphError

if TYPE_CHECKING:
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

WORLDS = ROOT / "checkpoints"
RUNS = Path("runs")


def worlds_at_hand(shipped: Path, runs: Path) -> Iterator[tuple[str, Path]]:
    """What to write after --world, and the folder, of each world that ships, was trained here or is in the cache."""
    yield from ((path.parent.name, path.parent) for path in sorted(shipped.glob("*/config.json")))
    yield from ((path.parent.as_posix(), path.parent) for path in sorted(runs.glob("*/world/config.json")))
    if find_spec("huggingface_hub"):  # the light install is without, and has no cache
        from genie_core.hub.download import cached_worlds

        yield from cached_worlds()


def complete(name: str, shipped: Path) -> str:
    """The folder of the shipped world of that name, unless there is a folder `name`; else `name` as it is."""
    world = shipped / name
    return str(world) if not Path(name).exists() and (world / "config.json").is_file() else name


def suggest(name: str, shipped: Path, runs: Path) -> str:
    """`; did you mean …?` if worlds at hand have a name near to one that could not be loaded, else nothing."""
    known = [other for other, _ in worlds_at_hand(shipped, runs) if other != name]
    near = difflib.get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(f'--world {other}' for other in near)}?" if near else ""


def find_playable(args: argparse.Namespace) -> World | GraphWorld:
    """The world asked for, as play needs it: by its graphs alone, without torch, where the CPU is to play it."""
    from genie_core.graph_world import GraphWorld
    from genie_core.machine import may_have_gpu
    from genie_core.runtimes.choose import has_onnx_runtime

    gpu = args.device in ("cuda", "mps") or (args.device == "auto" and args.runtime == "auto" and may_have_gpu())
    if args.runtime == "torch" or gpu or not has_onnx_runtime():
        return find_world(args)
    try:
        return GraphWorld.from_pretrained(complete(args.world, WORLDS))
    except MissingGraphError:
        return find_world(args)
    except (CheckpointError, HubError) as error:
        raise _suggesting(error, args) from error


def find_world(args: argparse.Namespace) -> World:
    """The world asked for, as it was saved; an error suggests names at hand."""
    require_world(args)
    try:
        from genie_core.world import World, pick_device
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{args.world} has no graphs that play without {error.name}, which the light install leaves out; "
            "pip install -r requirements.txt"
        ) from error

    device = pick_device(args.device)
    try:
        return World.from_pretrained(complete(args.world, WORLDS)).to(device)
    except (CheckpointError, HubError) as error:
        raise _suggesting(error, args) from error


def require_world(args: argparse.Namespace) -> None:
    """Raises CheckpointError if the world asked for is a folder without a fitting config.json: torch takes seconds."""
    from genie_core.checkpoint import read_config
    from genie_core.hub.address import find_address

    name = complete(args.world, WORLDS)
    try:
        if find_address(name) is None:
            read_config(Path(name))
    except (CheckpointError, HubError) as error:
        raise _suggesting(error, args) from error


def _suggesting(error: CheckpointError | HubError, args: argparse.Namespace) -> CheckpointError | HubError:
    near = "" if Path(args.world, "config.json").exists() else suggest(args.world, WORLDS, RUNS)
    return type(error)(f"{error}{near}")


def load_world(args: argparse.Namespace) -> World:
    """The world asked for, with the sampling and the frame rate of the command line, if given."""
    _tune(world := find_world(args), args)
    return world


def load_playable(args: argparse.Namespace) -> World | GraphWorld:
    """As `load_world`, without its networks where play needs none."""
    _tune(world := find_playable(args), args)
    return world


def _tune(world: World | GraphWorld, args: argparse.Namespace) -> None:
    sampling = {name: getattr(args, name) for name in ("unmask_steps", "temperature")}
    given = {name: value for name, value in sampling.items() if value is not None}
    config = dataclasses.replace(world.config, sampling=dataclasses.replace(world.config.sampling, **given))
    world.config = dataclasses.replace(config, fps=args.fps or config.fps)
