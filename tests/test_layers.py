"""The floors of the house: each file imports from floors below its own, no circles, and heavy packages stay put."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "genie_core": (
        "errors",
        "limits",
        "config figures files machine colours",
        "pictures pixels state noise key_ring graph_file",
        "video",
        "layers",
        "models",
        "data",
        "games",
        "hub",
        "sampling",
        "step",
        "graphs",
        "checkpoint",
        "weights",
        "world",
        "graph_world page",
        "familiarity",
        "runtimes",
        "engine",
        "rollout",
        "actions",
        "env",
        "evaluation",
        "training",
        "tools",
    ),
    "app": ("media", "play", "window web site", "cli"),
}
APP_SEES_OF_THE_CORE = {
    *("config", "errors", "files", "limits", "pictures", "pixels", "games", "familiarity", "world", "engine", "hub"),
    *("rollout", "graph_world", "page", "video"),
}
CLI_SEES_TOO = {"runtimes", "machine", "data", "training", "evaluation", "figures", "checkpoint", "actions"}
BELONGS = {
    "pygame": ("app/window/",),
    "gradio": ("app/web/",),
    "gymnasium": ("genie_core/env.py", "genie_core/data/environments/", "genie_core/games/"),
    "procgen": ("genie_core/games/",),
    "lightning": ("genie_core/training/",),
    "ray": ("genie_core/data/prepare/",),
    "tensorboardX": ("genie_core/training/",),
    "huggingface_hub": ("genie_core/hub/",),
    "av": ("app/media/", "genie_core/video/", "genie_core/data/lerobot/"),
    "onnxruntime": ("genie_core/runtimes/",),
    "onnx": ("genie_core/graphs.py", "genie_core/page.py", "genie_core/runtimes/"),
    "pyarrow": ("genie_core/data/",),
    "fsspec": ("genie_core/data/",),
    "argparse": ("launch.py", "app/cli/"),
}
FILES = sorted(path.relative_to(ROOT) for part in ("app", "genie_core") for path in (ROOT / part).rglob("*.py"))
PRODUCT = [Path("launch.py"), *FILES]


@cache
def source(file: Path) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def imported(file: Path) -> frozenset[str]:
    """Dotted names that a file imports, for type checking too, at its top or inside; `from x import y` is x.y."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source(file))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively; write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def is_script(file: Path) -> bool:
    """A program run by hand, which may look at everything, and which nothing imports."""
    return 'if __name__ == "__main__":' in source(file)


def parts(names: frozenset[str], package: str) -> set[str]:
    """The second component of each name inside `package`: genie_core.data.writer is of part data."""
    return {name.split(".")[1] for name in names if name.startswith(f"{package}.")}


def module_file(name: str) -> Path | None:
    """The file of ours that a dotted name stands for: a module, or something inside one."""
    for dotted in (name, name.rpartition(".")[0]):
        for file in (Path(dotted.replace(".", "/") + ".py"), Path(dotted.replace(".", "/"), "__init__.py")):
            if file in FILES:
                return file
    return None


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_imports_from_floors_below(file: Path) -> None:
    package, own = file.parts[0], file.parts[1].removesuffix(".py")
    if own == "__init__" or is_script(file):
        return  # the package's front door shows the way to World and WorldEngine
    floors = {name: floor for floor, names in enumerate(FLOORS[package]) for name in names.split()}
    assert own in floors, f"give {own} a floor"
    above = {part for part in parts(imported(file), package) - {own} if floors[part] >= floors[own]}
    assert not above, f"{file} may not know {above}"


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "genie_core"], ids=str)
def test_the_core_does_not_know_the_app(file: Path) -> None:
    assert not any(name.split(".")[0] == "app" for name in imported(file))


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "app"], ids=str)
def test_the_app_sees_little_of_the_core(file: Path) -> None:
    allowed = APP_SEES_OF_THE_CORE | (CLI_SEES_TOO if file.parts[1] == "cli" else set())
    assert parts(imported(file), "genie_core") <= allowed | {"World", "WorldEngine"}


def test_no_import_goes_in_a_circle() -> None:
    """Imports for type checking included: a circle of names is a circle of thoughts."""
    graph = {file: {module_file(name) for name in imported(file)} - {None, file} for file in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(map(str, error.args[1]))}")


@pytest.mark.parametrize("package", BELONGS)
def test_packages_stay_where_they_belong(package: str) -> None:
    users = [file.as_posix() for file in PRODUCT if package in {name.split(".")[0] for name in imported(file)}]
    strangers = [user for user in users if not user.startswith(BELONGS[package]) and not is_script(Path(user))]
    assert not strangers


def test_nothing_of_the_product_imports_tests_or_launch_or_a_script() -> None:
    for file in FILES:
        assert not {"tests", "conftest", "launch"} & {name.split(".")[0] for name in imported(file)}, file
        scripts = [name for name in imported(file) if (target := module_file(name)) and is_script(target)]
        assert not scripts, f"{file} imports {scripts}"


def test_the_front_door_shows_what_is_public_and_waits_for_no_torch() -> None:
    code = (
        "import sys, genie_core; from genie_core import load_picture, errors; assert 'torch' not in sys.modules; "
        "from genie_core import *; print(World.__name__, WorldEngine.__name__, VideoDataset.__name__)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.split() == ["World", "WorldEngine", "VideoDataset"], ended.stderr


def test_the_command_line_stays_short() -> None:
    assert len(source(Path("launch.py")).splitlines()) <= 100
