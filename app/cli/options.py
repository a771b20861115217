"""How a call is understood: the modes, the options that several share, and one parser for each mode.

A mode is a file beside this one, named after its flag, with a `MODE`. No heavy package is imported here.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from genie_core.limits import MOST_SIDE

ROOT = Path(__file__).resolve().parents[2]
MODES = (
    *("play", "web", "export_web", "worlds", "collect", "prepare", "train", "evaluate", "benchmark", "publish"),
    *("replay", "infer_actions"),
)
Options = dict[str, dict[str, Any]]
"""Keyword arguments of argparse's add_argument, by the name of the option."""


class Mode(NamedTuple):
    """What a mode does, the argument of its flag, and the options that it has beside the common ones.

    `check` returns what is wrong with the arguments, if anything is; `kept` what Ctrl-C leaves.
    """

    run: Callable[[argparse.Namespace], None]
    help: str
    argument: dict[str, Any]
    options: Options
    check: Callable[[argparse.Namespace], str | None] = lambda args: None
    kept: Callable[[argparse.Namespace], str] = lambda args: "nothing was written"


def number(kind: type[int] | type[float], least: float, most: float = 2**31 - 1) -> Callable[[str], float]:
    """An argument type: a number from `least` to `most`."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            kinds = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kinds} from {least} to {most}") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return value

    return convert


def frame_size(text: str) -> tuple[int, int]:
    """An argument type: HEIGHTxWIDTH in pixels to (H, W)."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(0 < side <= MOST_SIDE for side in size):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, each 1 to {MOST_SIDE} pixels")
    return size


ON: dict[str, Any] = {"action": "store_true"}
FILE: dict[str, Any] = {"metavar": "FILE", "type": Path}


def folder(text: str) -> Path:
    """An argument type: a folder of this machine; an address would become one of that name."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is an address; name a folder, and upload it with hf upload")
    return Path(text)


FOLDER: dict[str, Any] = {"metavar": "DIR", "type": folder}
DATA: dict[str, Any] = {"metavar": "DIR", "type": str}  # an address such as hf://datasets/OWNER/NAME is no path
FORMAT: dict[str, Any] = {
    "choices": ["shards", "lerobot"],
    "default": "shards",
    "help": "what to write: shards to train on (default), or a LeRobotDataset v3",
}
WORLD = str(ROOT / "checkpoints/coinrun")
DEVICES = ["auto", "cpu", "cuda", "mps"]
COMMON: Options = {
    "world": {"default": WORLD, "help": "a folder, or OWNER/NAME[@REVISION] on the Hub (default checkpoints/coinrun)"},
    "device": {"choices": DEVICES, "default": "auto", "help": "where to compute (default auto: the fastest)"},
    "runtime": {
        "choices": ["auto", "torch", "onnx"],
        "default": "auto",
        "help": "what computes a step of play (default auto: on a CPU, ONNX Runtime)",
    },
    "seed": {"type": number(int, 0), "default": 0, "metavar": "N", "help": "the random seed (default 0)"},
    "unmask_steps": {
        "type": number(int, 1),
        "metavar": "K",
        "help": "passes over each new frame; more take longer (default the world's own)",
    },
    "temperature": {
        "type": number(float, 0),
        "metavar": "T",
        "help": "randomness of the frames; 0 for none (default the world's own)",
    },
    "fps": {"type": number(float, 1, 1000), "metavar": "N", "help": "frames a second (default the world's own)"},
    "quiet": {**ON, "help": "print nothing but errors"},
}


FIRST = "python launch.py --play assets/coinrun.png"
TOLD = "Playable world models learnt from video. Give one mode; python launch.py MODE --help explains it alone."
EXAMPLES = """
to begin with:
  python launch.py --play assets/coinrun.png
  python launch.py --play assets/coinrun.png --actions "right*30,left*10" --save play.gif
  python launch.py --web
  python launch.py --worlds
"""


def find_mode(name: str) -> Mode:
    """The mode of the file of that name."""
    mode: Mode = import_module(f"app.cli.{name}").MODE
    return mode


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments of a call, with its defaults and, as `run`, what runs its mode; wrong usage exits with 2."""
    words = [word.partition("=")[0] for word in argv]
    asked = [name for name in MODES if flag(name) in words]
    if not asked:
        parser = build_parser()
        _refuse(parser, parser.parse_known_args(argv)[1])
        parser.error(f"one of the modes {' '.join(map(flag, MODES))} is required; begin with: {FIRST}")
    name, mode = asked[0], find_mode(asked[0])
    usage = f"python launch.py {flag(name)} [OPTION ...]"
    parser = argparse.ArgumentParser("launch.py", usage, mode.help, allow_abbrev=False)
    for option, arguments in {name: _own_flag(mode), **mode.options, **COMMON}.items():
        parser.add_argument(flag(option), **arguments)
    if {"-h", "--help"} & {*words}:  # wherever it stands, also in place of an argument
        parser.parse_args(["--help"])
    if len(asked) > 1 and asked[1] not in mode.options:
        parser.error(f"{flag(name)} and {flag(asked[1])} are two modes, expected one")
    args, unknown = parser.parse_known_args(argv)
    _refuse(parser, unknown, name)
    wrong = mode.check(args)
    if wrong is not None:
        parser.error(wrong)
    args.run, args.kept = mode.run, mode.kept
    return args


def build_parser() -> argparse.ArgumentParser:
    """A parser of all modes and options at once, which prints them; an option of several modes stands at the first."""
    usage = "python launch.py MODE [OPTION ...]"
    parser = argparse.ArgumentParser("launch.py", usage, TOLD, epilog=EXAMPLES, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    modes = {name: find_mode(name) for name in MODES}
    groups: dict[str, Options] = {"modes": {name: _own_flag(mode) for name, mode in modes.items()}}
    groups |= {f"options of {flag(name)}": mode.options for name, mode in modes.items() if mode.options}
    shown: Options = {}
    for title, options in (groups | {"options of every mode": COMMON}).items():
        group = parser.add_argument_group(title, _again(options, shown))
        for option in [option for option in options if option not in shown]:
            group.add_argument(flag(option), **options[option] | {"required": False})
        shown = {**options, **shown}
    return parser


def _again(options: Options, shown: Options) -> str | None:
    """What stands above a group: those of its options that were shown before, and what is different about them here."""
    same = [flag(name) for name in options if name in shown and options[name]["help"] == shown[name]["help"]]
    lines = [f"also takes {', '.join(same)}, explained above"] if same else []
    for name in (name for name in options if name in shown and flag(name) not in same):
        lines.append(f"{flag(name)} here: {options[name]['help']}")
    return "\n".join(lines) or None


def _bare(mode: str) -> str:
    return flag(mode).removeprefix("--")


def _own_flag(mode: Mode) -> dict[str, Any]:
    return mode.argument | {"help": mode.help}


def _refuse(parser: argparse.ArgumentParser, unknown: list[str], mode: str = "") -> None:
    """Exits with 2 over words that the mode does not know, if there are any."""
    for word in (word.partition("=")[0] for word in unknown if word.startswith("--")):
        users = [flag(name) for name in MODES if word in map(flag, find_mode(name).options)]
        if users:
            parser.error(f"{word} goes with {' or '.join(users)}, not with {flag(mode)}")
        known = {option for name in MODES for option in (name, *find_mode(name).options)} | COMMON.keys()
        near = difflib.get_close_matches(word, sorted(map(flag, known)), n=1)
        parser.error(f"there is no option {word}" + (f"; did you mean {near[0]}?" if near else "; --help lists all"))
    if unknown:
        meant = "" if mode else f"; did you mean --{unknown[0]}?" if unknown[0] in map(_bare, MODES) else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
