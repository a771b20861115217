"""`--publish`: a world, or the web demo, onto the Hugging Face Hub."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.cli.console import plain
from app.cli.export_web import AND_WORLD, RUNTIME, write_site
from app.cli.known_worlds import find_world
from app.cli.options import ON, ROOT, Mode

if TYPE_CHECKING:
    from genie_core.world import World

MOST_SHOWN, HELD_STEPS = 4, 12  # actions in the animation, and how long each is held


def run(args: argparse.Namespace) -> None:
    from genie_core.hub.address import require_repository
    from genie_core.hub.space import publish_site, publish_space

    require_repository(args.publish)
    told = {"private": args.private, "tag": args.revision, "dry_run": args.dry_run}
    if args.space == "static":
        with TemporaryDirectory() as scratch:
            write_site(args, Path(scratch) / "site")
            _print(publish_site(Path(scratch) / "site", args.publish, **told))
        return
    world = find_world(args)
    if args.space:
        _print(publish_space(world, args.world, args.publish, ROOT, **told))
        return
    with TemporaryDirectory() as scratch:
        animation = animate(world, ROOT / "assets", Path(scratch), args.quiet)
        _print(_publish(args, world, animation, Path(scratch) / "world"))


def _print(lines: list[str]) -> None:
    print(plain("\n".join(lines)))  # a model card says what the world's config says, which may come from a stranger


def _publish(args: argparse.Namespace, world: World, animation: Path | None, folder: Path) -> list[str]:
    """The lines to print: where the world is, or for a dry run its files and model card, written into `folder`."""
    from genie_core.hub.publish import file_list, prepare_folder, publish_world

    repo, tag = args.publish, args.revision
    if args.dry_run:
        prepare_folder(world, folder, repo, animation)
        return [*file_list(folder), "", (folder / "README.md").read_text(encoding="utf-8")]
    commit = publish_world(world, repo, private=args.private, revision=tag, animation=animation)
    return [f"published as {repo}, commit {commit}", f"python launch.py --play IMAGE --world {repo}@{tag or commit}"]


def animate(world: World, pictures: Path, folder: Path, quiet: bool) -> Path | None:
    """A film of the world's own actions, from the picture named after its game; None if there is no such picture."""
    from app.play.record import record
    from app.play.start import Start, begin
    from genie_core.engine import WorldEngine
    from genie_core.hub.publish import ANIMATION
    from genie_core.pictures import load_picture

    picture = pictures / f"{world.config.game}.png"
    if not picture.is_file():
        return None
    actions = world.config.actions
    named = sorted((action for action in actions if action.keys), key=lambda action: -action.motion_px[0])
    shown = [action.id for action in (named or actions)[:MOST_SHOWN]]  # what goes right first: most levels lie there
    session = begin(WorldEngine(world), Start(load_picture(picture)))
    record(folder / ANIMATION, session, [action for action in shown for _ in range(HELD_STEPS)], quiet)
    return folder / ANIMATION


MODE = Mode(
    run,
    "put a world on the Hugging Face Hub, for anyone to play",
    {"metavar": "OWNER/NAME"},
    {
        "space": {
            "nargs": "?",
            "const": "gradio",
            "choices": ["gradio", "static"],
            "help": "publish a Space instead: this web demo (gradio, the default) or the site of --export-web (static)",
        },
        "private": {**ON, "help": "only you, and people you name on the Hub, may see it"},
        "revision": {"metavar": "TAG", "help": "a tag for this version, which --world OWNER/NAME@TAG then loads"},
        "dry_run": {**ON, "help": "print the files and the model card instead of publishing them"},
        "and_world": AND_WORLD,
        "ort": RUNTIME,
    },
    kept=lambda args: "nothing was published; files already sent are not sent again",
)
