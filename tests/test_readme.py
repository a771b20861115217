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
import warm_process
from local_hub import TOKEN, serve
from PIL import Image

from app.cli.collect import RECORDED
from app.cli.options import MODES, build_parser, flag, parse
from app.play.script import parse_script
from app.window.shortcuts import SHORTCUTS
from genie_core.checkpoint import read_config
from genie_core.config import Action, build
from genie_core.evaluation.measure import EFFORTS
from genie_core.evaluation.report import figures_table
from genie_core.games.coinrun.names import KEYS

MANDATORY = ("stay", "left", "right", "jump")  # what the tour of the README asks of any world of CoinRun
ROOT = Path(__file__).parents[1]
README, CORE_README = ROOT / "README.md", ROOT / "genie_core" / "README.md"
WORLDS_README, CONTRIBUTING = ROOT / "checkpoints" / "README.md", ROOT / ".github" / "CONTRIBUTING.md"
PAGES = {path: path.read_text(encoding="utf-8") for path in (README, CORE_README, WORLDS_README, CONTRIBUTING)}
TEXT = PAGES[README]
MOST_WORDS = 1200
WORLD = ROOT / "checkpoints" / "coinrun"
RECORDER = "genie_core/games/coinrun/requirements-record.txt"
OURS = r"(?:app|assets|checkpoints|genie_core|tests|\.ci|\.github)/"
KEY_NAMES = {"←": "left", "→": "right", "↑": "up", "↓": "down", "esc": "escape", "enter": "return"}
KEY_NAMES |= {"pgup": "page up", "pgdn": "page down"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
needs_world = pytest.mark.skipif(
    not (WORLD / "config.json").exists(), reason=f"no world ships in {WORLD.relative_to(ROOT)} yet"
)


def blocks(language: str, pages: list[Path] = [*PAGES]) -> list[str]:  # noqa: B006
    fenced = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [block for page in pages for block in fenced.findall(PAGES[page])]


def commands(block: str) -> list[list[str]]:
    """The words of each command of an sh block, `a && b` being two."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines for part in line.split("&&") if (words := shlex.split(part, comments=True))]


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """What stands `like this` outside of blocks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", without_blocks(text))


SH_BLOCKS = [commands(block) for block in blocks("sh")]
SH = [words for block in SH_BLOCKS for words in block]
LAUNCHES = [words for words in SH if words[:2] == ["python", "launch.py"]]
INLINE = [
    words
    for text in PAGES.values()
    for span in spans(text)
    for words in commands(span)
    if words[:2] == ["python", "launch.py"]
]
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
    assert [block.strip() for block in blocks("sh", [README])[:2]] == promised


def test_the_readme_is_short() -> None:
    assert len(without_blocks(TEXT).split()) <= MOST_WORDS


@pytest.mark.parametrize("words", SH, ids=" ".join)
def test_every_command_is_of_a_kind_that_is_tested(words: list[str]) -> None:
    kinds = (["python", "launch.py"], ["pip", "install"], ["python", "-m", "pytest"])
    assert any(words[: len(kind)] == kind for kind in kinds)


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_the_command_line_understands(words: list[str]) -> None:
    parse(words[2:])


@pytest.mark.parametrize("words", [words for words in SH if words[0] == "pip"], ids=" ".join)
def test_requirements_exist(words: list[str]) -> None:
    files = [file for flag, file in pairwise(words) if flag == "-r"]
    assert all((ROOT / file).is_file() for file in files)
    assert files or "gymnasium" in words, "environments to record are the user's own; all else is in a file"


@pytest.mark.parametrize("block", SH_BLOCKS, ids=lambda block: " ".join(block[-1]))
def test_a_block_runs_in_a_fresh_clone(block: list[list[str]]) -> None:
    """What a command reads comes with the clone or from a command above it; where it writes there is a folder."""
    made: list[Path] = []
    installed: set[str] = set()
    for words in block:
        installed |= set(words) if words[0] == "pip" else set()
        needed = None if (game := option(words, "--collect")) is None else RECORDER if game in RECORDED else "gymnasium"
        assert needed is None or needed in installed, f"--collect {game} needs pip install of {needed} above it"
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
    known = {name for action in build_parser()._actions for name in action.option_strings}
    named = set()
    for page, text in PAGES.items():
        ours = re.sub(r"(?:pip install|tensorboard|hf) [^`\n&]*", "", text)
        named |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours)) if page != CONTRIBUTING else set()
    assert named - known == set()
    assert {flag(mode) for mode in MODES} - named == set()


def test_the_long_tests_run_every_week() -> None:
    workflow = (ROOT / ".github" / "workflows" / "long.yml").read_text(encoding="utf-8")
    promised = "python -m pytest -m long"
    assert f"- run: {promised}" in workflow and f"`{promised}`" in PAGES[CONTRIBUTING]
    assert re.search(r'schedule:\n +- cron: "\d+ \d+ \* \* \d"', workflow)


# ---- files and links


@each_page
def test_files_named_exist(page: Path) -> None:
    text = PAGES[page]
    named = {path.rstrip(".") for path in re.findall(rf"(?<![\w./-]){OURS}[\w./-]*", text)}
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    short = {span for span in spans(text) if re.fullmatch(r"[\w./-]+\.(?:py|toml)", span)} - {"settings.toml"}
    places = (ROOT, page.parent, ROOT / "tests" / "benchmarks")
    assert sorted(path for path in short if not any((place / path).exists() for place in places)) == []


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if target.startswith("https://"):
            continue
        path, _, heading = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), f"{target} is not there"
        assert not heading or heading in anchors(to), f"{target} has no such heading"


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_file_of_the_core_is_in_its_readme() -> None:
    text = PAGES[CORE_README]
    files = {str(path.relative_to(CORE_README.parent)) for path in CORE_README.parent.rglob("*.py")}
    assert sorted(file for file in files if not file.endswith("__init__.py") and f"`{file}`" not in text) == []


@needs_world
def test_no_figure_is_missing() -> None:
    assert [re.findall(r"\{\{.*?\}\}", text) for text in PAGES.values()] == [[]] * len(PAGES)


@needs_world
def test_its_figures_are_those_of_the_shipped_report() -> None:
    report = json.loads((WORLD / "evaluation.json").read_text(encoding="utf-8"))
    table = figures_table(report, shown_only=True).splitlines()
    shown, excerpt = (figures_in(PAGES[page]) for page in (WORLDS_README, README))
    assert shown == table
    assert excerpt == [line for line in table if line in excerpt] and len(excerpt) > 10
    effort = EFFORTS["default"]
    assert {name: report["settings"][name] for name in dataclasses.asdict(effort)} == dataclasses.asdict(effort)
    page, card = ((WORLD / name).read_text(encoding="utf-8") for name in ("report.html", "README.md"))
    for value in (line.split(" | ")[1] for line in table[2:]):
        assert value in page
    assert str(round(report["rollout"]["psnr"]["mean"], 2)) in card


def figures_in(text: str) -> list[str]:
    """The lines of the table of figures, between its marks."""
    shown = re.search(r"<!-- from \S+; tests/test_readme.py compares -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert shown, "there is no table of figures"
    return shown[1].splitlines()


def test_the_animation_moves() -> None:
    with Image.open(ROOT / "assets" / "play.gif") as gif:
        assert gif.n_frames > 20


@needs_world
def test_sizes_are_those_of_the_shipped_world() -> None:
    config = read_config(WORLD)
    (height, width), (rows, columns) = config.frame_size, config.tokenizer.grid
    for words in (f"{width}×{height}", f"{columns}×{rows} tokens", f"{config.context_frames} frames"):
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


def test_the_key_table_has_the_windows_own_keys() -> None:
    told = {key for name, keys in key_table().items() if name not in KEYS for key in keys}
    assert {shortcut.key for shortcut in SHORTCUTS.values()} <= told


@needs_world
def test_the_key_table_agrees_with_the_shipped_world() -> None:
    table = key_table()
    described = json.loads((WORLD / "config.json").read_text(encoding="utf-8"))["actions"]
    actions = [build(Action, action) for action in described]
    assert set(MANDATORY) <= {action.name for action in actions}
    assert KEYS.keys() & table.keys() <= {action.name for action in actions}, "what it has not is not offered"
    for action in actions:
        assert action.keys == table.get(action.name, ()), action.name
        assert re.sub(r"_\d+$", "", action.name) in table or action.name == f"action_{action.id}"
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
    """Run `python` with `words`."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    ended = warm_process.run(words, folder, kept | environment)
    assert ended.returncode == 0, ended.stderr


@needs_world
@pytest.mark.slow
def test_the_first_script_plays(clone: Path) -> None:
    words = SCRIPTS[0]
    saved = clone / (option(words, "--save") or "")
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    ended = subprocess.run([sys.executable, *words[1:]], cwd=clone, env=kept, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
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
            run([*words[1:], *script], clone, HF_ENDPOINT=hub.url, **environment)
        for code in PYTHON_WITH_HUB:
            run(["-c", code], clone, HF_ENDPOINT=hub.url, **environment)
        assert sorted(hub.repos) == ["OWNER/NAME", "OWNER/OTHER-NAME"]
    assert (clone / "hub.gif").exists()


@needs_world
@pytest.mark.slow
@pytest.mark.parametrize("code", [code for code in blocks("python") if code not in PYTHON_WITH_HUB + PYTHON_WITH_DEMO])
def test_the_python_runs(clone: Path, code: str) -> None:
    run(["-c", code], clone)


@needs_world
@pytest.mark.slow
def test_the_python_for_the_web_demo_runs(clone: Path) -> None:
    pytest.importorskip("gradio", reason="pip install -r requirements.txt")
    from webdemo import in_this_process

    assert len(PYTHON_WITH_DEMO) == 1 and "//localhost:7860" in PYTHON_WITH_DEMO[0]
    with in_this_process(WORLD) as demo:
        run(["-c", PYTHON_WITH_DEMO[0].replace("http://localhost:7860", demo.url)], clone)
