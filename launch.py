"""The one command line: python launch.py --help. Parses, dispatches, tells errors; the work is done elsewhere."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads beside a busy core cost tenfold

from genie_core.errors import CheckpointError, GenieError, HubError

if TYPE_CHECKING:
    from app.play.session import PlaySession
    from genie_core.world import World

ROOT = Path(__file__).resolve().parent
WORLDS = ROOT / "checkpoints"
RUNS = Path("runs")
FITS = ("crop", "pad", "stretch", "palette")  # as in genie_core.pictures, which --help does not wait for
DEFAULTS: dict[str, Any] = {
    "fit": "crop",
    "world": str(WORLDS / "coinrun"),
    "device": "auto",
    "seed": 0,
    "host": "127.0.0.1",
    "port": 7860,
    "max_players": 4,
    "frames": 100_000,
    "levels": (0, 10_000),
    "mode": "easy",
    "policy": "explore",
    "stage": "all",
}


def main(argv: list[str] | None = None) -> int:
    """Runs one mode; returns the exit code: 0 done, 1 an error told in a sentence, 130 interrupted."""
    arguments = sys.argv[1:] if argv is None else argv
    args = parse(arguments or space_arguments())
    try:
        if args.quiet:
            os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        MODES[args.chosen].run(args)
    except GenieError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The arguments with defaults filled in and the mode's name as `chosen`; wrong usage exits with 2."""
    parser = build_parser()
    args = parser.parse_args(argv)
    given = {name for name, value in vars(args).items() if value is not None and value is not False}
    args.chosen = _chosen(parser, [name for name in MODES if name in given])
    mode = MODES[args.chosen]
    for name in sorted(OPTIONS.keys() & given - mode.needs - mode.takes):
        users = " or ".join(_flag(other) for other in MODES if name in MODES[other].needs | MODES[other].takes)
        parser.error(f"{_flag(name)} goes with {users}, not with {_flag(args.chosen)}")
    for name in sorted(mode.needs - given):
        parser.error(f"{_flag(args.chosen)} needs {_flag(name)}")
    if args.quick and args.full:
        parser.error("--quick and --full exclude each other")
    if args.chosen == "play":
        _check_play(parser, args)
    for name, value in DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


def space_arguments() -> list[str]:
    """What the command line would be in a Space of the Hub, which runs launch.py without any; elsewhere nothing."""
    if "SPACE_ID" not in os.environ:
        return []
    port = os.environ.get("GRADIO_SERVER_PORT", str(DEFAULTS["port"]))
    world = os.environ.get("GENIE_WORLD", DEFAULTS["world"])
    return ["--web", "--host", "0.0.0.0", "--port", port, "--world", world]


def _chosen(parser: argparse.ArgumentParser, modes: list[str]) -> str:
    """The one mode that was asked for; `--infer-actions` is an option as well, of `--play`."""
    if not modes:
        parser.error(f"one of the arguments {' '.join(map(_flag, MODES))} is required")
    if len(modes) > 1 and modes != ["play", "infer_actions"]:
        parser.error(f"argument {_flag(modes[1])}: not allowed with argument {_flag(modes[0])}")
    return modes[0]


def _check_play(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.play == Path():
        args.play = None
    if args.play is None and vars(args)["continue"] is None:
        parser.error("--play needs IMAGE, the picture to start from, or --continue FILE")
    if [args.actions, args.autoplay, args.infer_actions].count(None) < 2:
        parser.error("one of --actions, --autoplay and --infer-actions says what is played")
    if args.autoplay is not None and args.save is not None:
        parser.error("--autoplay plays in a window; --save goes with --actions SCRIPT or --infer-actions VIDEO")
    if (args.actions is None) != (args.save is None) and not (args.save and args.infer_actions):
        parser.error("--actions SCRIPT and --save FILE go together: one says what to play, the other where to")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="launch.py",
        usage="python launch.py MODE [OPTION ...]",
        description="Playable world models learnt from video. Give one mode and its options.",
        allow_abbrev=False,
    )
    modes = parser.add_argument_group("modes")
    for name, mode in MODES.items():
        modes.add_argument(_flag(name), help=mode.help, **mode.argument)
    options = parser.add_argument_group("options of one mode")
    for name, option in OPTIONS.items():
        options.add_argument(_flag(name), **option)
    common = parser.add_argument_group("options of every mode")
    for name, option in COMMON.items():
        common.add_argument(_flag(name), **option)
    return parser


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _number(kind: type[int] | type[float], least: float, most: float = 2**31 - 1) -> Callable[[str], float]:
    """An argument type: a number from `least` to `most`."""

    def convert(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return value

    convert.__name__ = kind.__name__  # what argparse calls it where `kind` fails
    return convert


def _levels(text: str) -> tuple[int, int]:
    first, _, end = text.partition(":")
    if not (first.isdecimal() and end.isdecimal() and int(first) < int(end)):
        raise argparse.ArgumentTypeError(f"{text!r} is not A:B with A < B, as in 0:10000")
    return int(first), int(end)


def find_world(args: argparse.Namespace) -> World:
    """The world asked for, as it was saved; an error says which names at hand are near."""
    from app.cli.known_worlds import complete, suggest
    from genie_core.world import World, pick_device

    device = pick_device(args.device)
    try:
        return World.from_pretrained(complete(args.world, WORLDS)).to(device)
    except (CheckpointError, HubError) as error:
        near = "" if Path(args.world, "config.json").exists() else suggest(args.world, WORLDS, RUNS)
        raise type(error)(f"{error}{near}") from error


def load_world(args: argparse.Namespace) -> World:
    """The world asked for, with what the command line says otherwise put into its config."""
    world = find_world(args)
    sampling = {name: getattr(args, name) for name in ("unmask_steps", "temperature")}
    given = {name: value for name, value in sampling.items() if value is not None}
    config = dataclasses.replace(world.config, sampling=dataclasses.replace(world.config.sampling, **given))
    world.config = dataclasses.replace(config, fps=args.fps or config.fps)
    return world


def _play(args: argparse.Namespace) -> None:
    from app.media.write import check_target, record, record_replay
    from app.play.loading import Progress
    from app.play.start_pictures import Prompts
    from genie_core.pictures import load_picture

    picture = load_picture(args.play) if args.play else None
    prompts, progress = Prompts(ROOT / "assets", args.play), Progress()
    if args.save is not None:
        check_target(args.save)
    script = args.actions or args.autoplay or (_script(args) if args.infer_actions else None)

    def start() -> PlaySession:
        progress.tell("waking torch", 0.1)
        from app.play.script import source_of
        from app.play.session_file import load_session
        from app.play.start import Start, begin
        from genie_core.engine import WorldEngine

        progress.tell("reading the world", 0.5)
        world = load_world(args)
        file = vars(args)["continue"] or args.replay
        saved = None if file is None else load_session(file, world)
        if saved is not None and args.fps is None:
            world.config = dataclasses.replace(world.config, fps=saved.fps)
        by_itself = script if args.save is None else None
        source = None if by_itself is None else source_of(by_itself, world.config.actions, args.seed)
        palette = prompts.palette if args.fit == "palette" else None
        progress.tell("looking at the picture", 0.8)
        sampling = {"unmask_steps": args.unmask_steps, "temperature": args.temperature}
        return begin(
            WorldEngine(world, args.seed),
            Start(picture, args.fit, palette, saved, args.replay is not None, source, args.seed, **sampling),
        )

    if args.save is None:
        from app.window.play import play

        play(start, Path(args.world).resolve().name, prompts, progress, quiet=args.quiet)
        return
    if args.replay is not None:
        saved = record_replay(args.save, start, quiet=args.quiet)
    else:
        saved = record(args.save, script or "", start, quiet=args.quiet)
    if not args.quiet:
        print(saved)


def _infer_actions(args: argparse.Namespace) -> None:
    print(_script(args))


def _script(args: argparse.Namespace) -> str:
    from app.cli.infer_actions import script_of

    return script_of(find_world(args), args.infer_actions, args.quiet)


def _web(args: argparse.Namespace) -> None:
    from app.web.server import serve

    world = load_world(args)
    serve(world, ROOT, host=args.host, port=args.port, seats=args.max_players, quiet=args.quiet)


def _worlds(args: argparse.Namespace) -> None:
    from app.cli.known_worlds import describe_worlds

    print("\n".join(describe_worlds(WORLDS, RUNS)))


def _collect(args: argparse.Namespace) -> None:
    from genie_core.games.coinrun.record import record_coinrun

    record_coinrun(
        args.out,
        frames=args.frames,
        levels=args.levels,
        mode=args.mode,
        policy=args.policy,
        seed=args.seed,
        progress=not args.quiet,
    )


def _train(args: argparse.Namespace) -> None:
    from genie_core.training.run import train

    train(
        data=args.data,
        out=args.out,
        config=args.config,
        stage=args.stage,
        minutes=args.minutes,
        resume=args.resume,
        seed=args.seed,
        device=args.device,
        quiet=args.quiet,
    )


def _evaluate(args: argparse.Namespace) -> None:
    from genie_core.data.dataset import VideoDataset
    from genie_core.evaluation.compare import compare, write_comparison
    from genie_core.evaluation.measure import EFFORTS, check_targets, evaluate, write_json
    from genie_core.evaluation.report import check_extras, write_report

    check_targets(args.json, args.report)
    effort = EFFORTS["quick" if args.quick else "full" if args.full else "default"]
    check_extras(effort, args.report)
    dataset = VideoDataset(*args.data)
    names = args.compare or [args.world]
    worlds = [load_world(argparse.Namespace(**vars(args) | {"world": name})) for name in names]
    found = [evaluate(world, dataset, effort, args.seed, args.quiet) for world in worlds]
    if args.compare:
        comparison = compare(*found)
        write_json(args.json, comparison)
        if args.report:
            write_comparison(args.report, comparison)
    else:
        write_json(args.json, found[0].report)
        if args.report:
            write_report(args.report, worlds[0], found[0])


def _benchmark(args: argparse.Namespace) -> None:
    from genie_core.evaluation.speed import benchmark

    benchmark(load_world(args), json_path=args.json, quiet=args.quiet)


def _publish(args: argparse.Namespace) -> None:
    from app.cli.publish import publish
    from genie_core.hub.space import publish_space

    if args.space:
        options = {"private": args.private, "tag": args.revision, "dry_run": args.dry_run}
        print("\n".join(publish_space(find_world(args), args.world, args.publish, ROOT, **options)))
        return
    lines = publish(
        find_world(args),
        args.publish,
        ROOT / "assets",
        private=args.private,
        tag=args.revision,
        dry_run=args.dry_run,
        quiet=args.quiet,
    )
    print("\n".join(lines))


class Mode(NamedTuple):
    """What a mode does, how it is asked for, and which of `OPTIONS` it must and may have."""

    run: Callable[[argparse.Namespace], None]
    help: str
    argument: dict[str, Any]
    needs: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()


_ON: dict[str, Any] = {"action": "store_true"}
_FILE: dict[str, Any] = {"metavar": "FILE", "type": Path}
_DIR: dict[str, Any] = {"metavar": "DIR", "type": Path}

MODES = {
    "play": Mode(
        run=_play,
        help="play from a picture: in a window, or without one by --actions and --save",
        argument={"metavar": "IMAGE", "type": Path, "nargs": "?", "const": Path()},
        takes=frozenset({"actions", "save", "continue", "autoplay", "fit"}),
    ),
    "web": Mode(
        run=_web,
        help="open the web demo, for a browser here or, with --host, for anyone",
        argument=_ON,
        takes=frozenset({"host", "port", "max_players"}),
    ),
    "worlds": Mode(run=_worlds, help="list the worlds at hand", argument=_ON),
    "collect": Mode(
        run=_collect,
        help="record a data set by playing a game",
        argument={"choices": ["coinrun"]},
        needs=frozenset({"out"}),
        takes=frozenset({"frames", "levels", "mode", "policy"}),
    ),
    "train": Mode(
        run=_train,
        help="train a world on a data set, in three stages",
        argument=_ON,
        needs=frozenset({"data", "out"}),
        takes=frozenset({"config", "stage", "minutes", "resume"}),
    ),
    "evaluate": Mode(
        run=_evaluate,
        help="measure a world on held-out clips of a data set",
        argument=_ON,
        needs=frozenset({"data", "json"}),
        takes=frozenset({"quick", "full", "report", "compare"}),
    ),
    "benchmark": Mode(
        run=_benchmark,
        help="measure how fast a world plays, and where the time goes",
        argument=_ON,
        needs=frozenset({"json"}),
    ),
    "publish": Mode(
        run=_publish,
        help="put a world on the Hugging Face Hub, for anyone to play",
        argument={"metavar": "OWNER/NAME"},
        takes=frozenset({"space", "private", "revision", "dry_run"}),
    ),
    "replay": Mode(
        run=_play,
        help="show a saved session again, bit for bit, in a window or with --save to a file",
        argument=_FILE,
        takes=frozenset({"save"}),
    ),
    "infer_actions": Mode(
        run=_infer_actions,
        help="print the actions that a world finds in a video, as --actions takes them; with --play, play them",
        argument={"metavar": "VIDEO", "type": Path},
    ),
}

OPTIONS: dict[str, dict[str, Any]] = {
    "actions": {"metavar": "SCRIPT", "help": "what to play, by the names or ids of actions: right*20,jump*4,7*10"},
    "save": {**_FILE, "help": "where to: .mp4, .gif, .png (contact sheet) or .npz (frames and actions)"},
    "host": {"metavar": "ADDRESS", "help": "where the web demo listens (default 127.0.0.1: this machine alone)"},
    "port": {"type": _number(int, 0, 65535), "metavar": "N", "help": "the web demo's port (default 7860; 0 is any)"},
    "max_players": {"type": _number(int, 1, 64), "metavar": "N", "help": "seats; who comes later waits (default 4)"},
    "continue": {**_FILE, "help": "go on with a session that was saved with F5"},
    "autoplay": {"metavar": "WHAT", "help": "who plays until you press a key: random, or a script"},
    "fit": {"choices": FITS, "help": "how a picture becomes a square (default crop); palette changes its colours"},
    "out": {**_DIR, "help": "the folder to write the data set, or the training run, to"},
    "frames": {"type": _number(int, 2), "metavar": "N", "help": "how many frames to record (default 100000)"},
    "levels": {"type": _levels, "metavar": "A:B", "help": "levels from A up to, but not with, B (default 0:10000)"},
    "mode": {"choices": ["easy", "hard"], "help": "difficulty of the levels (default easy)"},
    "policy": {"choices": ["random", "explore"], "help": "who plays while recording (default explore)"},
    "data": {**_DIR, "nargs": "+", "help": "the data set; training reads several as one"},
    "config": {**_FILE, "help": "settings of the networks and their training (default the shipped ones)"},
    "stage": {"choices": ["all", "tokenizer", "latent_action", "dynamics"], "help": "what to train (default all)"},
    "minutes": {"type": _number(float, 0.01), "metavar": "M", "help": "how long to train each stage"},
    "resume": {**_ON, "help": "go on with the run in --out"},
    "json": {**_FILE, "help": "where to write the measurements"},
    "quick": {**_ON, "help": "measure on few clips, for a first look: about a minute"},
    "full": {**_ON, "help": "measure on many clips, with the FVD, for figures to publish: an hour or more"},
    "report": {**_DIR, "help": "the folder to write a page with tables, plots and pictures to; may be the world's own"},
    "compare": {
        "nargs": 2,
        "metavar": "WORLD",
        "help": "measure these two worlds on the same clips instead of --world",
    },
    "space": {**_ON, "help": "publish the web demo as a Gradio Space, for the world in --world"},
    "private": {**_ON, "help": "publish for those alone whom the owner lets in"},
    "revision": {"metavar": "TAG", "help": "publish under this tag, as in --world OWNER/NAME@TAG"},
    "dry_run": {**_ON, "help": "print the files and the model card instead of publishing them"},
}

COMMON: dict[str, dict[str, Any]] = {
    "world": {"help": "a folder, or OWNER/NAME[@REVISION] on the Hub (default checkpoints/coinrun)"},
    "device": {"choices": ["auto", "cpu", "cuda", "mps"], "help": "where to compute (default auto: the fastest)"},
    "seed": {"type": _number(int, 0), "metavar": "N", "help": "where random numbers start (default 0)"},
    "unmask_steps": {"type": _number(int, 1), "metavar": "K", "help": "passes a frame (default the world's own)"},
    "temperature": {"type": _number(float, 0), "metavar": "T", "help": "0 is the likeliest (default the world's own)"},
    "fps": {"type": _number(float, 1, 1000), "help": "steps a second (default the world's own)"},
    "quiet": {**_ON, "help": "print nothing but errors"},
}

if __name__ == "__main__":
    sys.exit(main())
