"""How a call is understood: the modes, the options that several share, and one parser for each mode.

A mode is a file beside this one, named after its flag, with a `MODE`. No heavy package is imported here.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from genie_core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
MODES = ("play", "web", "worlds", "collect", "train", "evaluate", "benchmark", "publish", "replay", "infer_actions")
USAGE = "python launch.py MODE [OPTION ...]"
Options = dict[str, dict[str, Any]]
"""Keyword arguments of argparse's add_argument, by the name of the option."""


class Mode(NamedTuple):
    """What a mode does, the argument of its flag, and the options that it has beside the common ones.

    `check` returns what is wrong with the arguments, if anything is.
    """

    run: Callable[[argparse.Namespace], None]
    help: str
    argument: dict[str, Any]
    options: Options
    check: Callable[[argparse.Namespace], str | None] = lambda args: None


def number(kind: type[int] | type[float], least: float, most: float = 2**31 - 1) -> Callable[[str], float]:
    """An argument type: a number from `least` to `most`."""

    def convert(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return value

    convert.__name__ = kind.__name__  # argparse names it where `kind` fails
    return convert


ON: dict[str, Any] = {"action": "store_true"}
FILE: dict[str, Any] = {"metavar": "FILE", "type": Path}
FOLDER: dict[str, Any] = {"metavar": "DIR", "type": Path}
COMMON: Options = {
    "world": {
        "default": str(ROOT / "checkpoints/coinrun"),
        "help": "a folder, or OWNER/NAME[@REVISION] on the Hub (default checkpoints/coinrun)",
    },
    "device": {
        "choices": ["auto", "cpu", "cuda", "mps"],
        "default": "auto",
        "help": "where to compute (default auto: the fastest)",
    },
    "seed": {"type": number(int, 0), "default": 0, "metavar": "N", "help": "the random seed (default 0)"},
    "unmask_steps": {
        "type": number(int, 1),
        "metavar": "K",
        "help": "unmasking passes for each frame (default the world's own)",
    },
    "temperature": {
        "type": number(float, 0),
        "metavar": "T",
        "help": "how random frames are; 0 takes the likeliest (default the world's own)",
    },
    "fps": {"type": number(float, 1, 1000), "metavar": "N", "help": "frames a second (default the world's own)"},
    "quiet": {**ON, "help": "print nothing but errors"},
}


def find_mode(name: str) -> Mode:
    """The mode of the file of that name."""
    mode: Mode = import_module(f"app.cli.{name}").MODE
    return mode


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments of a call, with its defaults and, as `run`, what runs its mode; wrong usage exits with 2."""
    asked = [name for name in MODES if any(word.partition("=")[0] == flag(name) for word in argv)]
    if not asked:
        whole = build_parser()
        _, unknown = whole.parse_known_args(argv)
        _refuse(whole, unknown, ())
        whole.error(f"one of the modes {' '.join(map(flag, MODES))} is required")
    name, mode = asked[0], find_mode(asked[0])
    parser = argparse.ArgumentParser("launch.py", f"python launch.py {flag(name)} [OPTION ...]", mode.help)
    parser.allow_abbrev = False
    own = {name: mode.argument | {"help": mode.help, "required": True}, **mode.options, **COMMON}
    for option, arguments in own.items():
        _add(parser, option, arguments)
    if len(asked) > 1 and asked[1] not in own:
        parser.error(f"{flag(name)} and {flag(asked[1])} are two modes, expected one")
    if {"-h", "--help"} & {*argv}:  # wherever it stands, also in place of an argument
        parser.parse_args(["--help"])
    args, unknown = parser.parse_known_args(argv)
    _refuse(parser, unknown, own, name)
    wrong = mode.check(args)
    if wrong is not None:
        parser.error(wrong)
    args.run = mode.run
    return args


def build_parser() -> argparse.ArgumentParser:
    """A parser of all modes and options at once, which prints them, an option of several modes at the first."""
    parser = argparse.ArgumentParser(
        prog="launch.py",
        usage=USAGE,
        description="Playable world models learnt from video. Give one mode and its options.",
        allow_abbrev=False,
    )
    modes = {name: find_mode(name) for name in MODES}
    shown = set(modes)
    group = parser.add_argument_group("modes")
    for name, mode in modes.items():
        _add(group, name, mode.argument | {"help": mode.help})
    for name, mode in modes.items():
        again = [flag(option) for option in mode.options if option in shown]
        new = {option: arguments for option, arguments in mode.options.items() if option not in shown}
        if new or again:
            group = parser.add_argument_group(f"options of {flag(name)}", f"also {' '.join(again)}" if again else None)
        for option, arguments in new.items():
            _add(group, option, arguments | {"required": False})
        shown |= new.keys()
    group = parser.add_argument_group("options of every mode")
    for option, arguments in COMMON.items():
        _add(group, option, arguments)
    return parser


def _add(to: argparse._ActionsContainer, name: str, arguments: dict[str, Any]) -> None:
    kind = arguments.get("type")
    to.add_argument(flag(name), **arguments | ({"type": _in_words(kind)} if callable(kind) else {}))


def _in_words(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """`kind`, whose ConfigError argparse tells as it is."""

    def convert(text: str) -> Any:
        try:
            return kind(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    convert.__name__ = kind.__name__
    return convert


def _refuse(parser: argparse.ArgumentParser, unknown: list[str], own: Iterable[str], mode: str = "") -> None:
    """Exits with 2 over words that the mode does not know, if there are any."""
    for word in unknown:
        if word.startswith("--"):
            _refuse_option(parser, word.partition("=")[0], own, mode)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")


def _refuse_option(parser: argparse.ArgumentParser, word: str, own: Iterable[str], mode: str) -> NoReturn:
    users = [flag(name) for name in MODES if word in map(flag, find_mode(name).options)]
    if users and mode:
        parser.error(f"{word} goes with {' or '.join(users)}, not with {flag(mode)}")
    every = [flag(option) for name in MODES for option in (name, *find_mode(name).options)]
    near = difflib.get_close_matches(word, [*map(flag, own), *every, *map(flag, COMMON)], n=1)
    parser.error(f"there is no option {word}" + (f"; did you mean {near[0]}?" if near else "; --help lists all"))
