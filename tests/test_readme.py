"""What the READMEs promise: commands are understood and find their files, links lead somewhere, keys are right."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from local_hub import TOKEN, serve
from PIL import Image

import launch
from app.play.script import parse_script
from app.window.shortcuts import SHORTCUTS
from genie_core.actions.naming import KEYS, MANDATORY
from genie_core.config import Action, build
from genie_core.evaluation.figures import FIGURES, SHOWN, at, told
from genie_core.evaluation.measure import EFFORTS
from genie_core.evaluation.report import figures_table
from genie_core.training.settings import load_settings

ROOT = Path(__file__).parents[1]
README, CORE_README = ROOT / "README.md", ROOT / "genie_core" / "README.md"
TEXT = README.read_text(encoding="utf-8")
WORLD = ROOT / "checkpoints" / "coinrun"
RECORDER = "genie_core/games/coinrun/requirements-record.txt"
OURS = r"(?:app|assets|checkpoints|genie_core|tests|\.ci|\.github)/"
KEY_NAMES = {"←": "left", "→": "right", "↑": "up", "↓": "down", "esc": "escape", "enter": "return"}
KEY_NAMES |= {"pgup": "page up", "pgdn": "page down"}

needs_world = pytest.mark.skipif(
    not (WORLD / "config.json").exists(), reason=f"no world ships in {WORLD.relative_to(ROOT)} yet"
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[list[str]]:
    """The words of each command of an sh block, `a && b` being two."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines for part in line.split("&&") if (words := shlex.split(part, comments=True))]


def spans(text: str) -> list[str]:
    """What stands `like this` outside of blocks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


SH_BLOCKS = [commands(block) for block in blocks("sh")]
SH = [words for block in SH_BLOCKS for words in block]
LAUNCHES = [words for words in SH if words[:2] == ["python", "launch.py"]]
INLINE = [words for span in spans(TEXT) for words in commands(span) if words[:2] == ["python", "launch.py"]]
CALLS = [words for words in LAUNCHES + INLINE if words[2:] != ["--help"]]
PYTHON_WITH_HUB = [code for code in blocks("python") if "push_to_hub" in code]
PYTHON_WITH_DEMO = [code for code in blocks("python") if "gradio_client" in code]
SCRIPTS = [words for words in LAUNCHES if "--actions" in words]


def option(words: list[str], name: str) -> str | None:
    """What follows `name` in a command."""
    return next((value for flag, value in pairwise(words) if flag == name), None)


# ---- commands


def test_there_are_commands() -> None:
    assert len(LAUNCHES) >= 8
    assert SCRIPTS


def test_the_first_two_commands_are_the_promised_ones() -> None:
    promised = [
        "pip install -r requirements.txt && python launch.py --play assets/coinrun.png",
        "pip install -r requirements.txt -r tests/requirements.txt && python -m pytest",
    ]
    assert [block.strip() for block in blocks("sh")[:2]] == promised


@pytest.mark.parametrize("words", SH, ids=" ".join)
def test_every_command_is_of_a_kind_that_is_tested(words: list[str]) -> None:
    kinds = (["python", "launch.py"], ["pip", "install"], ["python", "-m", "pytest"])
    assert any(words[: len(kind)] == kind for kind in kinds)


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_the_command_line_understands(words: list[str]) -> None:
    launch.parse(words[2:])


@pytest.mark.parametrize("words", [words for words in SH if words[0] == "pip"], ids=" ".join)
def test_requirements_exist(words: list[str]) -> None:
    files = [file for flag, file in pairwise(words) if flag == "-r"]
    assert files and all((ROOT / file).is_file() for file in files)


@pytest.mark.parametrize("block", SH_BLOCKS, ids=lambda block: " ".join(block[-1]))
def test_a_block_runs_in_a_fresh_clone(block: list[list[str]]) -> None:
    """What a command reads comes with the clone or from a command above it; where it writes there is a folder."""
    made: list[Path] = []
    recorder = False
    for words in block:
        recorder |= words[0] == "pip" and RECORDER in words
        assert recorder or "--collect" not in words, f"--collect needs pip install -r {RECORDER} above it"
        for name in ("--play", "--data", "--world", "--config"):
            read = Path((option(words, name) or "README.md").split("@")[0])
            comes_along = read.parts[0] != "runs" and (ROOT / read).exists()
            assert comes_along or any(read.is_relative_to(folder) for folder in made), f"{read} is not there yet"
        for name in ("--save", "--json"):
            folder = Path(option(words, name) or "file").parent
            assert any(out.is_relative_to(folder) for out in [Path(), *made]), f"there is no folder {folder} yet"
        made += [Path(out) for out in [option(words, "--out"), option(words, "--publish")] if out]


def test_scripts_use_actions_that_every_world_has() -> None:
    names = [*MANDATORY, "left_2", "left_3", "left_4", "left_5"]
    for words in SCRIPTS:
        assert parse_script(option(words, "--actions") or "", [Action(i, name) for i, name in enumerate(names)])


def test_every_mode_is_shown_and_every_option_named_exists() -> None:
    known = {flag for action in launch.build_parser()._actions for flag in action.option_strings}
    named = set()
    for text in (README.read_text(encoding="utf-8"), CORE_README.read_text(encoding="utf-8")):
        ours = re.sub(r"(?:uv )?pip install[^`\n&]*", "", text)
        named |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours))
    assert named - known == set()
    assert {launch._flag(mode) for mode in launch.MODES} - named == set()


# ---- files and links


@pytest.mark.parametrize("readme", [README, CORE_README], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_exist(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    named = {path.rstrip(".") for path in re.findall(rf"(?<![\w./-]){OURS}[\w./-]*", text)}
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    short = {span for span in spans(text) if re.fullmatch(r"[\w./-]+\.(?:py|toml)", span)} - {"settings.toml"}
    assert sorted(path for path in short if not any((at / path).exists() for at in (ROOT, readme.parent))) == []


@pytest.mark.parametrize("readme", [README, CORE_README], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(readme: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", readme.read_text(encoding="utf-8"))
    assert targets
    for target in targets:
        if not target.startswith("https://"):
            assert (readme.parent / target).exists(), f"{target} is not there"


def test_every_file_of_the_core_is_in_its_readme() -> None:
    text = CORE_README.read_text(encoding="utf-8")
    files = {str(path.relative_to(CORE_README.parent)) for path in CORE_README.parent.rglob("*.py")}
    assert sorted(file for file in files if not file.endswith("__init__.py") and f"`{file}`" not in text) == []


@needs_world
def test_no_figure_is_missing() -> None:
    assert re.findall(r"\{\{.*?\}\}", TEXT) == []


@needs_world
def test_its_figures_are_those_of_the_shipped_report() -> None:
    report = json.loads((WORLD / "evaluation.json").read_text(encoding="utf-8"))
    shown = re.search(r"<!-- made from \S+: .*?-->\n(.*?)\n<!-- end -->", TEXT, re.DOTALL)
    assert shown, "the README has no table of figures"
    assert shown[1] == figures_table(report, SHOWN)
    effort = EFFORTS["default"]
    assert {name: report["settings"][name] for name in dataclasses.asdict(effort)} == dataclasses.asdict(effort)
    page, card = ((WORLD / name).read_text(encoding="utf-8") for name in ("report.html", "README.md"))
    for name in SHOWN:
        assert told(at(report, name), FIGURES[name].digits) in page
    assert str(round(report["rollout"]["psnr"]["mean"], 2)) in card


def test_the_animation_moves() -> None:
    with Image.open(ROOT / "assets" / "play.gif") as gif:
        assert gif.n_frames > 20


def test_sizes_are_those_of_the_shipped_settings() -> None:
    settings = load_settings(None)
    size, grid = settings.tokenizer.frame_size, settings.tokenizer.grid
    for words in (f"{size}×{size}", f"{grid}×{grid} tokens", f"{settings.dynamics.context_frames} frames"):
        assert words in TEXT, words


# ---- keys


def key_table() -> dict[str, tuple[str, ...]]:
    """First column of the key table, without marks, to the keys in the spelling of a world's config.json."""
    rows = TEXT.split("| action | keys |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    table = {}
    for row in rows:
        name, keys = row.strip("| ").split(" | ")
        spelled = [re.findall(r"<kbd>(.*?)</kbd>", key) for key in keys.split(", ")]
        table[name.strip("`")] = tuple("+".join(map(spell, parts)) for parts in spelled if parts)
    return table


def spell(key: str) -> str:
    return KEY_NAMES.get(key.lower(), key.lower())


def test_the_key_table_is_what_worlds_are_given() -> None:
    table = key_table()
    assert {name: table[name] for name in KEYS} == KEYS


def test_the_key_table_has_the_windows_own_keys() -> None:
    told = {key for name, keys in key_table().items() if name not in KEYS for key in keys}
    assert {shortcut.key for shortcut in SHORTCUTS.values()} <= told


@needs_world
def test_the_key_table_agrees_with_the_shipped_world() -> None:
    table = key_table()
    described = json.loads((WORLD / "config.json").read_text(encoding="utf-8"))["actions"]
    actions = [build(Action, action) for action in described]
    assert set(MANDATORY) <= {action.name for action in actions}
    for action in actions:
        assert action.keys == table.get(action.name, ()), action.name
        assert re.sub(r"_\d+$", "", action.name) in table
    assert f"<kbd>1</kbd> to <kbd>{len(actions)}</kbd>" in TEXT


# ---- what runs


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a fresh clone, in which commands may leave their files."""
    for path in ROOT.iterdir():
        if path.name not in (".git", "runs"):
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


def run(words: list[str], folder: Path, **environment: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    ended = subprocess.run(words, cwd=folder, env=kept | environment, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr


@needs_world
@pytest.mark.slow
def test_the_first_script_plays(clone: Path) -> None:
    words = SCRIPTS[0]
    saved = clone / (option(words, "--save") or "")
    run([sys.executable, *words[1:]], clone)
    described = json.loads((WORLD / "config.json").read_text(encoding="utf-8"))["actions"]
    steps = len(parse_script(option(words, "--actions") or "", [build(Action, action) for action in described]))
    with Image.open(saved) as gif:
        assert 1 < gif.n_frames <= steps + 1  # a GIF joins frames that are alike


@needs_world
@pytest.mark.slow
def test_the_way_to_the_hub_and_back_runs(clone: Path) -> None:
    """Against a Hub of this machine; what would open a window plays a script instead."""
    block = next(block for block in SH_BLOCKS if any("--publish" in words for words in block))
    environment = {"HF_TOKEN": TOKEN, "HF_HOME": str(clone / "home"), "HF_HUB_DISABLE_XET": "1"}
    with serve() as hub:
        for words in block:
            script = ["--actions", "right*3", "--save", "hub.gif"] if "--play" in words else []
            run([sys.executable, *words[1:], *script], clone, HF_ENDPOINT=hub.url, **environment)
        for code in PYTHON_WITH_HUB:
            run([sys.executable, "-c", code], clone, HF_ENDPOINT=hub.url, **environment)
        assert sorted(hub.repos) == ["OWNER/NAME", "OWNER/OTHER-NAME"]
    assert (clone / "hub.gif").exists()


@needs_world
@pytest.mark.slow
@pytest.mark.parametrize("code", [code for code in blocks("python") if code not in PYTHON_WITH_HUB + PYTHON_WITH_DEMO])
def test_the_python_runs(clone: Path, code: str) -> None:
    run([sys.executable, "-c", code], clone)


@needs_world
@pytest.mark.slow
def test_the_python_for_the_web_demo_runs(clone: Path) -> None:
    pytest.importorskip("gradio", reason="pip install -r requirements.txt")
    from webdemo import as_command, free_port

    port = free_port()
    assert len(PYTHON_WITH_DEMO) == 1
    with as_command(["--web", "--port", str(port), "--quiet"], clone, port):
        run([sys.executable, "-c", PYTHON_WITH_DEMO[0].replace("7860", str(port))], clone)
