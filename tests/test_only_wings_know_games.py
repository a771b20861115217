"""No file outside genie_core/games knows a game: neither its name, nor its rules, nor the size of its pictures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WINGS = ROOT / "genie_core" / "games"
SUFFIXES = {".py", ".js", ".html", ".css", ".toml"}
WORDS = re.compile(r"coinrun|procgen|jump|\bwalls?\b|player.?detector", re.IGNORECASE)
DEFAULTS = re.compile(
    r"checkpoints/coinrun|assets/coinrun\.png"
)  # the world that ships, and a picture to start it from
RULES = re.compile(
    r"gravity|platform|jump|take.?off|\bwalls?\b|\bgrounds?\b|grounded|\bland(s|ed|ing)?\b|\bplayers?\b|\bfac(es|ing)\b|heading"
    r"|\b(left|right)\b|\bup_|\bdown_|press(ed|es)\b|\bpush|middle of the (frame|picture)",
    re.IGNORECASE,
)
LEGEND = re.compile(r'x right, y down|side="right"')  # the axes of a motion, in any game; an option of NumPy
PIXELS = re.compile(r"size|side|height|pixel|frame(?!s)|resolution", re.IGNORECASE)
CODES = re.compile(r"codes|num_actions|actions$", re.IGNORECASE)
FILES = [
    path
    for part in ("launch.py", "app", "genie_core")
    for path in sorted([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*"))
    if path.suffix in SUFFIXES and WINGS not in path.parents
]


def told_constants(tree: ast.AST) -> Iterator[tuple[str, object, int]]:
    """Each name that is given a constant, as a variable, a default, a keyword or a field, and its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg and isinstance(node.value, ast.Constant):
            yield node.arg, node.value.value, node.value.lineno
        elif isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
            yield ast.unparse(node.target), node.value.value, node.lineno
        elif isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
            for target, value in list(pairs):
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    pairs += zip(target.elts, value.elts, strict=False)
            for target, value in pairs:
                if isinstance(value, ast.Constant):
                    yield ast.unparse(target), value.value, node.lineno
        elif isinstance(node, ast.arguments):
            given = [*node.posonlyargs, *node.args]
            for argument, default in zip(given[::-1], node.defaults[::-1], strict=False):
                if isinstance(default, ast.Constant):
                    yield argument.arg, default.value, default.lineno
            for argument, keyword_default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
                if isinstance(keyword_default, ast.Constant):
                    yield argument.arg, keyword_default.value, keyword_default.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_says_nothing_of_a_game(path: Path) -> None:
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    said = [f"{number}: {line.strip()}" for number, line in lines if WORDS.search(DEFAULTS.sub("", line))]
    assert not said


LEARNING = [path for path in FILES if path.parent.name in ("models", "training")]


@pytest.mark.parametrize("path", LEARNING, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_network_and_no_training_has_rules_of_a_platformer(path: Path) -> None:
    """Nothing names a direction, a scenery or a player: what actions do has to be learnt."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    said = [f"{number}: {line.strip()}" for number, line in lines if RULES.search(LEGEND.sub("", line))]
    assert not said


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix == ".py"], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_a_file_takes_no_size_and_no_number_of_actions_for_granted(path: Path) -> None:
    told = told_constants(ast.parse(path.read_text(encoding="utf-8")))
    taken = [
        f"{line}: {name} = {value}"
        for name, value, line in told
        if (value == 64 and PIXELS.search(name)) or (value == 8 and CODES.search(name))
    ]
    assert not taken


def test_the_search_finds_what_it_looks_for() -> None:
    """A search that finds nothing anywhere would pass for ever."""
    in_the_wings = "".join(path.read_text(encoding="utf-8") for path in WINGS.rglob("*.py"))
    assert len(WORDS.findall(in_the_wings)) > 20 and len(RULES.findall(in_the_wings)) > 50 and len(LEARNING) > 15
    planted = "def f(frame_size=64, *, num_actions=8): SIDE, other = 64, 3"
    assert {name for name, value, _ in told_constants(ast.parse(planted)) if value in (64, 8)} == {
        "frame_size",
        "num_actions",
        "SIDE",
    }
