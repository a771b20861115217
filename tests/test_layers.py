"""The floors of the house: each file imports from floors below its own, and heavy packages stay where they belong."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    "errors",
    "config",
    "card hub",
    "pictures pixels",
    "layers",
    "models",
    "sampling",
    "checkpoint",
    "world",
    "familiarity",
    "engine",
    "env",
    "data",
    "evaluation",
    "training",
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
APP_SEES = {"engine", "familiarity", "world", "hub", "config", "errors", "pictures"}
BELONGS = {
    "pygame": ("app/",),
    "gradio": ("app/",),
    "gymnasium": ("genie_core/env.py",),
    "procgen": ("genie_core/data/",),
    "lightning": ("genie_core/training/",),
    "huggingface_hub": ("genie_core/hub/",),
    "av": ("app/", "genie_core/data/"),
}
UI_FREE = (
    "session",
    "session_file",
    "commands",
    "timeline",
    "autoplay",
    "keys",
    "script",
    "recording",
    "video",
    "prompts",
)
FILES = sorted(path.relative_to(ROOT) for part in ("app", "genie_core") for path in (ROOT / part).rglob("*.py"))
PRODUCT = [Path("launch.py"), *FILES]


def imported(file: Path) -> set[str]:
    """Dotted names that a file imports, at its top or inside a function, `from x import y` as x.y."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively; write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def parts(names: set[str], package: str) -> set[str]:
    """The second component of each name inside `package`: genie_core.games.coinrun.record is of part data."""
    return {name.split(".")[1] for name in names if name.startswith(f"{package}.")}


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "genie_core"], ids=str)
def test_the_core_imports_downwards_only(file: Path) -> None:
    names = imported(file)
    assert not any(name.split(".")[0] == "app" for name in names)
    own = file.relative_to("genie_core").parts[0].removesuffix(".py")
    if own == "__init__":
        return  # it only shows the way to World and WorldEngine
    assert own in FLOOR_OF, f"give {own} a floor"
    above = {part for part in parts(names, "genie_core") - {own} if FLOOR_OF[part] >= FLOOR_OF[own]}
    assert not above, f"{own} may not know {above}"


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "app"], ids=str)
def test_the_app_sees_little_of_the_core(file: Path) -> None:
    assert parts(imported(file), "genie_core") <= APP_SEES


@pytest.mark.parametrize("package", BELONGS)
def test_packages_stay_where_they_belong(package: str) -> None:
    users = [file.as_posix() for file in PRODUCT if package in {name.split(".")[0] for name in imported(file)}]
    assert all(user.startswith(BELONGS[package]) for user in users), users


@pytest.mark.parametrize("file", [f"app/{name}.py" for name in UI_FREE])
def test_only_the_window_knows_pygame(file: str) -> None:
    assert "pygame" not in {name.split(".")[0] for name in imported(Path(file))}


def test_nothing_of_the_product_imports_tests_or_launch() -> None:
    for file in FILES:
        assert not {"tests", "conftest", "launch"} & {name.split(".")[0] for name in imported(file)}, file
