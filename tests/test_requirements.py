"""requirements.txt says exactly what the code imports, within bounds: nothing comes by luck with another package."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLAY = ROOT / "requirements.txt"
RECORD = ROOT / "genie_core/games/coinrun/requirements-record.txt"
FULL = ROOT / "genie_core/evaluation/requirements-full.txt"  # partly files that are read, nothing to import
S3 = ROOT / "genie_core/data/requirements-s3.txt"  # found by fsspec, imported nowhere
RAY = ROOT / "genie_core/data/prepare/requirements-ray.txt"
TESTS = ROOT / "tests/requirements.txt"
IMPORTED_AS = {"pillow": "PIL", "procgen-mirror": "procgen", "scikit-image": "skimage", "tensorboardx": "tensorboardX"}
OPTIONAL = {"gymnasium"}  # of genie_core/env.py alone, which says how to get it
OURS = {"app", "genie_core", "launch", "tests"}


def requirements(path: Path) -> dict[str, str]:
    """Distribution name to version range, of each requirement in the file."""
    lines = [re.sub(r"#.*|^-r .*", "", line).strip() for line in path.read_text().splitlines()]
    return dict(re.fullmatch(r"([\w-]+)([^;]*).*", line).groups() for line in lines if line)


def importable(path: Path) -> set[str]:
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in requirements(path)}


def imported_by(files: list[Path]) -> set[str]:
    """Top-level names of the third-party modules that the files import, lazily or not."""
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - OURS


def product_files() -> list[Path]:
    return [ROOT / "launch.py", *(ROOT / "app").rglob("*.py"), *(ROOT / "genie_core").rglob("*.py")]


def test_the_product_imports_what_is_required_and_no_more():
    imports = imported_by(product_files())
    assert imports - importable(PLAY) - importable(RECORD) - importable(FULL) - importable(RAY) == OPTIONAL
    assert importable(TESTS) >= OPTIONAL
    assert importable(PLAY) - imports == set()


@pytest.mark.parametrize("path", [RECORD, FULL, RAY], ids=["record", "full", "ray"])
def test_an_extra_is_imported_on_its_own_floor_only(path):
    floor = ROOT / "genie_core/games" if path == RECORD else path.parent  # Procgen's other games are recorded too
    elsewhere = [file for file in product_files() if floor not in file.parents]
    assert imported_by(elsewhere) & importable(path) - importable(PLAY) == set()


def test_the_recorder_is_never_chosen_without_the_rest():
    """Alone it would bring numpy 1 under a pandas that needs numpy 2, and the web demo would not start."""
    (together,) = re.findall(r"^-r (.+)$", RECORD.read_text(), re.MULTILINE)
    assert (RECORD.parent / together).resolve() == PLAY


@pytest.mark.parametrize(
    "path", [PLAY, RECORD, FULL, S3, RAY, TESTS], ids=["play", "record", "full", "s3", "ray", "tests"]
)
def test_every_range_has_both_ends(path):
    for name, version_range in requirements(path).items():
        assert ">=" in version_range, f"{name} has no lower bound"
        assert "<" in version_range, f"{name} has no upper bound"
