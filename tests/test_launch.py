"""The command line, run as a user runs it."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import launch
from app.cli import options, speed_here
from app.cli.known_worlds import WORLDS, complete, load_world
from app.cli.options import MODES, ROOT, find_mode, flag, parse
from app.cli.web import space_arguments
from app.cli.worlds import describe_worlds
from genie_core import games
from genie_core.data.dataset import VideoDataset
from genie_core.evaluation.measure import Evaluation
from genie_core.world import World

HIDDEN = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What `launch.main` prints in the folder `cwd`, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = launch.main([str(part) for part in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def started(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs launch.py in a process of its own, on a machine without a screen."""
    environment = {name: value for name, value in os.environ.items() if name not in HIDDEN} | environment
    command = [sys.executable, ROOT / "launch.py", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def refused(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    """The error is one line, says `words`, and nothing else is printed."""
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert all(word in ended.stderr for word in words), ended.stderr


def every_option() -> list[argparse.Action]:
    return options.build_parser()._actions


def test_each_mode_has_a_file_of_its_name() -> None:
    files = {path.stem for path in (ROOT / "app/cli").glob("*.py")}
    assert files - set(MODES) == {"__init__", "console", "known_worlds", "options", "speed_here"}
    assert all(callable(find_mode(name).run) for name in MODES)


def test_help_names_every_option() -> None:
    ended = started("--help")
    assert ended.returncode == 0
    assert all(option.option_strings[-1] in ended.stdout for option in every_option())


def test_every_option_is_explained() -> None:
    for option in every_option():
        assert option.help, option.option_strings
        assert len(option.help) > 8, option.option_strings


@pytest.mark.parametrize("name", MODES)
def test_each_mode_has_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        launch.main([flag(name), "--help"])
    told = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(flag(option) in told for option in (name, *find_mode(name).options, "world"))


def test_help_needs_no_heavy_package() -> None:
    code = (
        "import sys, launch; launch.main(['--play', 'nothing.png', '--quiet']);"
        "from app.cli.options import build_parser; build_parser().format_help();"
        "heavy = ('torch', 'pygame', 'gradio', 'lightning', 'av', 'huggingface_hub');"
        "print([name for name in heavy if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == "[]\n"


COMMON = {"world", "device", "runtime", "seed", "unmask_steps", "temperature", "fps", "quiet"}
CONTRACT = {  # each mode with its options, beside the common ones
    "play": {"actions", "save", "continue", "autoplay", "infer_actions", "fit", "beside_real"},
    "replay": {"save"},
    "web": {"host", "port", "max_players"},
    "export_web": {"and_world", "ort"},
    "worlds": set(),
    "collect": {"out", "frames", "policy", "levels", "mode", "frame_size", "env_options", "format"},
    "prepare": {"out", "frame_size", "camera", "format", "ray"},
    "train": {"data", "out", "config", "stage", "minutes", "resume", "labels"}
    | {"devices", "nodes", "strategy", "precision", "dry_run"},
    "evaluate": {"data", "json", "quick", "full", "report", "compare"},
    "benchmark": {"json"},
    "infer_actions": set(),
    "publish": {"space", "private", "revision", "dry_run", "and_world", "ort"},
}


def test_the_parser_offers_what_the_contract_says() -> None:
    assert set(options.COMMON) == COMMON
    assert {name: set(find_mode(name).options) for name in MODES} == CONTRACT


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "one of the modes --play --web"),
        ("--play p.png --worlds", "--play and --worlds are two modes, expected one"),
        ("--paly p.png", "there is no option --paly; did you mean --play?"),
        ("--play p.png --acitons left", "there is no option --acitons; did you mean --actions?"),
        ("--play p.png --zzz", "there is no option --zzz; --help lists all"),
        ("--worlds and more", "unrecognized arguments: and more"),
        ("--play p.png --actions left", "--actions SCRIPT and --save FILE go together"),
        ("--play p.png --save p.gif", "--actions SCRIPT and --save FILE go together"),
        ("--worlds --actions left", "--actions goes with --play, not with --worlds"),
        ("--benchmark --json f --quick", "--quick goes with --evaluate, not with --benchmark"),
        ("--play p.png --out d", "--out goes with --collect or --prepare or --train, not with --play"),
        ("--collect coinrun", "arguments are required: --out"),
        ("--collect coinrun --out d --levels 5", "'5' is not A:B"),
        ("--collect coinrun --out d --levels 9:9", "'9:9' is not A:B"),
        ("--collect coinrun --out d --frames 1", "1 is not from 2 to"),
        ("--collect coinrun --out d --frame-size 32x32", "--frame-size does not go with --collect coinrun"),
        ("--collect CartPole-v1 --out d --levels 0:9", "--levels does not go with --collect CartPole-v1"),
        ("--collect CartPole-v1 --out d --frame-size 9", "'9' is not HEIGHTxWIDTH"),
        ("--collect CartPole-v1 --out d --env-options x", "'x' is not NAME=VALUE"),
        ("--collect CartPole-v1 --out hf://datasets/a/b", "is an address; name a folder, and upload it with hf upload"),
        ("--train --data d", "arguments are required: --out"),
        ("--train --data d --out o --minutes 0", "0 is not from 0.01 to"),
        ("--train --data d --out o --stage all --mode easy", "--mode goes with --collect"),
        ("--evaluate --data d --json f --quick --full", "--quick and --full exclude each other"),
        ("--evaluate --data d --json f --compare one", "expected 2 arguments"),
        (
            "--evaluate --data d --json f --out o",
            "--out goes with --collect or --prepare or --train, not with --evaluate",
        ),
        ("--benchmark --json f --report d", "--report goes with --evaluate, not with --benchmark"),
        ("--worlds --seed -1", "-1 is not from 0 to"),
        ("--worlds --seed 2147483648", "2147483648 is not from 0 to 2147483647"),
        ("--worlds --seed x", "'x' is not a whole number from 0 to"),
        ("--worlds --fps fast", "'fast' is not a number from 1 to 1000"),
        ("play assets/coinrun.png", "unrecognized arguments: play assets/coinrun.png; did you mean --play?"),
        ("--worlds --temperature nan", "nan is not from 0 to"),
        ("--worlds --fps inf", "inf is not from 1 to 1000"),
        ("--worlds --unmask-steps 0", "0 is not from 1 to"),
        ("--worlds --temp 1", "there is no option --temp; did you mean --temperature?"),
    ],
)
def test_wrong_usage(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        launch.main(arguments.split())
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_wrong_usage_of_the_real_command() -> None:
    ended = started("--play", "p.png", "--save", "p.gif")
    assert ended.returncode == 2
    assert "usage:" in ended.stderr


def test_nothing_counts_as_given(picture_file: Path, tiny_world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--worlds", "--temperature", "0"]).temperature == 0
    with pytest.raises(SystemExit):
        launch.main(["--worlds", "--actions", ""])
    call = ["--play", str(picture_file), "--world", str(tiny_world), "--actions", "", "--save", "p.gif"]
    assert launch.main(call) == 1
    assert "the script names no action" in capsys.readouterr().err


def test_defaults() -> None:
    args = parse(["--collect", "coinrun", "--out", "d", "--frames", "500", "--levels", "7:9"])
    assert (args.frames, args.levels, args.policy, args.frame_size, args.seed) == (500, (7, 9), None, None, 0)
    assert Path(args.world) == ROOT / "checkpoints" / "coinrun"


def test_missing_picture() -> None:
    refused(run("--play", "nothing.png"), "there is no file nothing.png", "python launch.py --play")


def test_text_called_png(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("hello")
    refused(run("--play", tmp_path / "p.png"), "p.png is not a picture")
    (tmp_path / "v.mp4").write_bytes(b"any")
    refused(run("--play", tmp_path / "v.mp4"), "v.mp4 is a video", "--infer-actions")


def test_no_screen(picture_file: Path, tiny_world: Path) -> None:
    refused(
        started("--play", picture_file, "--world", tiny_world), "no window", "--web", "--actions SCRIPT --save FILE"
    )


def test_wrong_input_is_told_before_a_missing_screen(picture_file: Path, tmp_path: Path, tiny_world: Path) -> None:
    (tmp_path / "s.genie").write_bytes(b"junk")
    refused(run("--play", picture_file, "--world", "nowhere"), "nowhere")
    refused(run("--play", picture_file, "--world", tiny_world, "--autoplay", "fly"), "'fly'")
    for call in (("--replay",), ("--play", "--continue")):
        refused(run(*call, tmp_path / "s.genie", "--world", tiny_world), "s.genie is not a saved session")


ADVICE = "expected a picture such as PNG, JPEG, GIF, WebP or BMP; try: python launch.py --play assets/coinrun.png"
KINDS = ".mp4, .gif, .png, .npz"
ACTIONS = "right, jump, stay, left, jump_right, jump_left, down, stay_2, or ids 0-7"
WORLDS_LIST = "`python launch.py --worlds` lists the worlds on this computer"
SAVE = "--play {picture} --actions left --save"
MESSAGES = [  # each with what is said, word for word
    ("--play {here}/no.png", f"there is no file {{here}}/no.png; {ADVICE}"),
    ("--play {here}", f"{{here}} is a folder; {ADVICE}"),
    ("--play {here}/p.txt", f"{{here}}/p.txt is not a picture in a format known here; {ADVICE}"),
    (
        "--play {here}/v.mp4",
        "{here}/v.mp4 is a video, and --play takes a picture; --infer-actions plays a video's moves",
    ),
    (f"{SAVE} {{here}}/p", f"{{here}}/p does not say what kind of file to write; end its name in one of {KINDS}"),
    (f"{SAVE} {{here}}", f"{{here}} is a folder; name a file inside it that ends in one of {KINDS}"),
    (f"{SAVE} {{here}}/no/p.gif", "there is no folder {here}/no to save p.gif in; make it first"),
    (
        "--play {picture} --actions right* --save {here}/p.gif",
        f"'right*' in the script says no number of steps after its *; the actions are {ACTIONS}; for example "
        "--actions right*20,7*4",
    ),
    ("--benchmark --world {here}/no", f"there is no folder {{here}}/no; {WORLDS_LIST}"),
    ("--benchmark --world {here}", f"{{here}} is not a world: it has no config.json; {WORLDS_LIST}"),
    (
        "--benchmark --json {here}/no/b.json",
        "cannot write {here}/no/b.json: there is no folder {here}/no; make it first",
    ),
    ("--evaluate --json {here}", "cannot write {here}: it is a folder; give --json the name of a file"),
    (
        "--infer-actions {here}/no.mp4",
        "there is no file {here}/no.mp4; expected a video such as MP4, WebM or an animated GIF",
    ),
    (
        "--infer-actions {picture}",
        "{picture} is too short: it has one frame at 15 frames a second, expected two or more",
    ),
    ("--publish tiny", "'tiny' is not OWNER/NAME, as in ada/my-world; your OWNER is what `hf auth whoami` prints"),
    ("--collect coinrn --out {here}/out", "there is no game coinrn; did you mean coinrun?"),
]


@pytest.mark.parametrize(("call", "told"), MESSAGES, ids=[call for call, _ in MESSAGES])
def test_a_message_says_what_is_wrong_and_what_to_do(
    picture_file: Path, tmp_path: Path, tiny_world: Path, call: str, told: str
) -> None:
    (tmp_path / "p.txt").write_text("hello")
    (tmp_path / "v.mp4").write_bytes(b"any")
    words = [word.format(here=tmp_path, picture=picture_file) for word in call.split()]
    world = [] if "--world" in words or "--collect" in words else ["--world", str(tiny_world)]
    ended = run(*words, *world)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"error: {told.format(here=tmp_path, picture=picture_file)}\n"


WRONG_PATHS = (
    "--train --data no --out out",
    "--evaluate --data no",
    "--benchmark --world no",
    "--infer-actions no.mp4",
)
WRONG_PATHS += ("--evaluate --world no", "--publish ada/no --world no", "--web --world no", "--worlds")


def test_a_wrong_path_is_told_before_anything_heavy_is_imported() -> None:
    code = (
        f"import sys, launch; [launch.main(call.split()) for call in {WRONG_PATHS}];"
        "heavy = ('torch', 'pygame', 'gradio', 'lightning', 'av');"
        "print([name for name in heavy if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert ended.stderr.count("error: ") == len(WRONG_PATHS) - 1


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "/full/x"), PermissionError(13, "No", "/x")])
def test_a_disk_that_refuses_is_told_in_words(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("app.cli.worlds.describe_worlds", refuse)
    refused(run("--worlds"), f"{error.filename} cannot be written or read: {error.strerror}; make room")


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(2, "No such file", "x")

    monkeypatch.setattr("app.cli.worlds.describe_worlds", fail)
    with pytest.raises(FileNotFoundError):
        launch.main(["--worlds"])


def test_output_on_any_code_page_and_to_a_reader_that_leaves() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    call = [sys.executable, str(ROOT / "launch.py"), "--worlds"]
    ended = subprocess.run(call, env=environment, capture_output=True)
    assert ended.returncode == 0 and b"64\xd764" in ended.stdout
    told = subprocess.run(["sh", "-c", f"{' '.join(call)} | true"], capture_output=True, env=environment)
    assert (told.returncode, told.stderr) == (0, b"")


def test_letters_that_the_code_page_lacks_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, "cp1252"))
    assert launch.main(["--play", "絵.png"]) == 1
    sys.stderr.flush()
    assert written.getvalue().startswith(b"error: there is no file ?.png")


def test_control_characters_never_reach_the_terminal() -> None:
    refused(run("--play", "\x1b[2J.png"), "there is no file \ufffd[2J.png")


@pytest.mark.parametrize(("set_to", "world", "port"), [("", options.WORLD, "7860"), ("ada/tiny", "ada/tiny", "80")])
def test_a_space_plays_the_world_that_it_names_else_the_default(
    monkeypatch: pytest.MonkeyPatch, set_to: str, world: str, port: str
) -> None:
    monkeypatch.setenv("SPACE_ID", "ada/demo")
    monkeypatch.setenv("GENIE_WORLD", set_to)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "80" if set_to else "")
    args = parse(space_arguments())
    assert (args.world, str(args.port), args.host) == (world, port, "0.0.0.0")


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "foo://bar"])
def test_a_proxy_that_the_demo_cannot_start_with_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    refused(run("--web"), "the proxy that your environment names cannot be used", "unset ALL_PROXY")


@pytest.mark.parametrize("name", MODES)
def test_an_interrupt_says_what_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(args: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    mode = find_mode(name)
    monkeypatch.setattr(f"app.cli.{name}.MODE", mode._replace(run=interrupted))
    needed = [word for key, told in mode.options.items() if told.get("required") for word in (flag(key), "x")]
    ended = run(flag(name), *([] if mode.argument == options.ON else ["x"]), *needed)
    assert ended.returncode == 130 and ended.stdout == ""
    assert re.fullmatch(r"\nstopped; [^\n]{10,}\n", ended.stderr)


def test_missing_world(picture_file: Path, tmp_path: Path) -> None:
    ended = run("--play", picture_file, "--world", "nowhere", "--actions", "left", "--save", tmp_path / "p.gif")
    refused(ended, "nowhere")


def test_unknown_suffix(picture_file: Path, tmp_path: Path) -> None:
    ended = run("--play", picture_file, "--world", "nowhere", "--actions", "left", "--save", tmp_path / "p.avi")
    refused(ended, "p.avi", ".mp4, .gif, .png, .npz")


def test_unknown_action(picture_file: Path, tmp_path: Path, tiny_world: Path) -> None:
    ended = run("--play", picture_file, "--world", tiny_world, "--actions", "left,fly*3", "--save", tmp_path / "p.gif")
    refused(ended, "'fly*3'", "jump_right", "ids 0-7")
    assert not (tmp_path / "p.gif").exists()


def test_plays_a_script_from_any_folder(picture_file: Path, tmp_path: Path, tiny_world: Path) -> None:
    arguments = ["--play", picture_file.name, "--world", tiny_world, "--actions", "left*3,7", "--fps", "10"]
    for name in ("one.npz", "two.npz", "p.gif"):
        ended = run(*arguments, "--save", name, "--quiet", cwd=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert one["actions"].tolist() == [3, 3, 3, 7]
        assert one["frames"].shape == (5, 32, 32, 3)
        assert np.array_equal(one["frames"], two["frames"]), "the same call gives the same frames"
    with Image.open(tmp_path / "p.gif") as gif:
        assert gif.info["duration"] == 100, "--fps overrides the world's own"


def test_it_is_said_what_was_saved(picture_file: Path, tmp_path: Path, tiny_world: Path) -> None:
    call = ["--play", picture_file, "--world", tiny_world, "--actions", "left*3,7", "--save"]
    for path in ("p.gif", str(tmp_path / "p.npz")):
        assert run(*call, path, cwd=tmp_path).stdout == f"saved {path}, 5 frames played\n"


def test_a_picture_far_from_what_the_world_knows_is_warned_of(
    picture_file: Path, tmp_path: Path, tiny_world: Path
) -> None:
    """As in the window; to an untrained world every picture is."""
    ended = run("--play", picture_file, "--world", tiny_world, "--actions", "left", "--save", tmp_path / "p.gif")
    assert re.fullmatch(
        r"warning: this picture is far from what the world knows \(familiarity \d+ of 100\)\n", ended.stderr
    )
    assert ended.returncode == 0


@pytest.mark.parametrize(("temperature", "alike"), [("0", True), ("2", False)])
def test_temperature_and_seed_reach_the_engine(
    picture_file: Path, tmp_path: Path, tiny_world: Path, temperature: str, alike: bool
) -> None:
    played = []
    for seed in ("1", "2"):
        call = ["--play", picture_file, "--world", tiny_world, "--actions", "left*4", "--save", tmp_path / "p.npz"]
        call += ["--temperature", temperature, "--seed", seed, "--quiet"]
        assert launch.main([str(part) for part in call]) == 0
        with np.load(tmp_path / "p.npz") as saved:
            played.append(saved["frames"])
    assert np.array_equal(*played) == alike


def test_the_command_line_overrides_the_world_on_disk(tiny_world: Path) -> None:
    plain = load_world(parse(["--worlds", "--world", str(tiny_world)]))
    assert (plain.config.sampling.unmask_steps, plain.config.fps) == (1, 15)
    changed = ["--unmask-steps", "3", "--temperature", "0.5", "--fps", "7.5"]
    other = load_world(parse(["--worlds", "--world", str(tiny_world), *changed]))
    assert (other.config.sampling.unmask_steps, other.config.sampling.temperature, other.config.fps) == (3, 0.5, 7.5)


def test_playing_needs_no_training_packages(picture_file: Path, tmp_path: Path, tiny_world: Path) -> None:
    call = ["--play", picture_file, "--world", tiny_world, "--actions", "left", "--save", tmp_path / "p.png"]
    heavy = ("lightning", "gradio", "procgen", "torchmetrics", "pygame", "huggingface_hub")
    code = (
        f"import sys, launch; launch.main({[str(part) for part in call]});"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1] == "[]", ended.stderr


@pytest.mark.parametrize(
    ("call", "status", "told"),
    [
        (["--worlds"], 0, "frozen-lake"),
        (
            ["--play", "assets/coinrun.png", "--world", "frozen-lak", "--actions", "1", "--save", "x.png"],
            1,
            "did you mean",
        ),
    ],
)
def test_the_light_install_lists_its_worlds(call: list[str], status: int, told: str) -> None:
    """Without the Hub's package: what the window and a slip in a name look through, too."""
    without = "".join(f"sys.modules[{name!r}] = None;" for name in ("huggingface_hub", "torch", "gradio"))
    code = f"import sys; {without} import launch; sys.exit(launch.main({call}))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == status and told in ended.stdout + ended.stderr, ended.stderr


def test_a_world_without_graphs_is_told_in_words_by_the_light_install(tmp_path: Path) -> None:
    """As the window, which plays on in its own world, meets it."""
    world = shutil.copytree(WORLDS / "frozen-lake", tmp_path / "lake", ignore=shutil.ignore_patterns("*.onnx"))
    told = json.loads((world / "config.json").read_text())
    told["files"] = {name: promise for name, promise in told["files"].items() if not name.endswith(".onnx")}
    (world / "config.json").write_text(json.dumps(told))
    code = (
        "import sys; sys.modules['torch'] = None;"
        "from app.cli.known_worlds import find_playable; from app.cli.options import parse;"
        "from genie_core.errors import MissingExtraError\n"
        f"try: find_playable(parse(['--play', 'x.png', '--world', {str(world)!r}]))\n"
        "except MissingExtraError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "has no graphs that play without torch" in ended.stdout, ended.stderr


def test_worlds_say_what_a_player_wants(tiny_world: Path) -> None:
    head, tiny, *_, last = described(tiny_world.parent)
    assert head.split("   ")[0] == "--world" and "speed here" in head and "actions" in head
    assert re.fullmatch(
        r"tiny +unknown +32×32 +0\.\d MB +(–|\d+ frames/s) +8: right jump stay left jump_right .*", tiny
    )
    assert last == "play one: python launch.py --play IMAGE --world NAME"


def test_the_speed_of_a_world_here_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = speed_here.frames_per_second(WORLDS / "coinrun")
    monkeypatch.setattr(speed_here, "_measure", lambda folder: pytest.fail("it is kept"))
    assert (
        first is not None and first > 0.1 and speed_here.frames_per_second(WORLDS / "coinrun") == float(f"{first:.1f}")
    )


DAMAGED = {
    "half": '{"actions": [{"name"',
    "deep": '{"a":' * 9000,
    "escapes": json.dumps({"format_version": "\x1b[2J\x1b]0;title\x07", "actions": []}),
    "large": json.dumps({"format_version": 2, "actions": [], "fps": 10**400}),
    "lone": '{"format_version": "\\ud800"}',
}


def test_damaged_worlds_are_told_of_beside_the_others(tmp_path: Path, tiny_world: Path) -> None:
    shutil.copytree(tiny_world, tmp_path / "tiny")
    for name, text in DAMAGED.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (tmp_path / "not_a_world").mkdir()
    lines = described(tmp_path)
    assert lines[1].startswith("tiny ") and "not_a_world" not in "".join(lines)
    assert [line.split(":")[0] for line in lines[2:7]] == sorted(DAMAGED)
    assert all("get the world again" in line for line in lines[2:7])
    assert "".join(lines).isprintable()


def described(shipped: Path) -> list[str]:
    return describe_worlds(shipped, shipped / "runs")


def test_no_worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    (told,) = described(tmp_path)
    assert "there are no worlds in" in told and "--train" in told


def test_worlds_trained_here_are_listed_by_the_name_to_give(tmp_path: Path, tiny_world: Path) -> None:
    shutil.copytree(tiny_world, tmp_path / "runs" / "easy" / "world")
    ended = run("--worlds", cwd=tmp_path)
    shipped = sorted(path.parent.name for path in (ROOT / "checkpoints").glob("*/config.json"))
    listed = [line.split()[0] for line in ended.stdout.splitlines() if line]
    assert listed[1 : len(shipped) + 2] == [*shipped, "runs/easy/world"] and "coinrun" in shipped


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("coinrn", "--world coinrun or --world coinrun-hard"),
        ("runs/easy/wrld", "--world runs/easy/world"),
        ("runs/easy", "--world runs/easy/world"),
        ("zzz", ""),
    ],
)
def test_near_names_are_suggested(
    picture_file: Path, tmp_path: Path, tiny_world: Path, monkeypatch: pytest.MonkeyPatch, typed: str, meant: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    shutil.copytree(tiny_world, tmp_path / "runs" / "easy" / "world")
    play = ("--play", picture_file, "--actions", "left", "--save", "p.gif", "--world")
    refused(run(*play, typed, cwd=tmp_path), typed, f"did you mean {meant}?" if meant else "--worlds")


def test_the_name_of_a_shipped_world_is_enough(tmp_path: Path) -> None:
    assert complete("coinrun", WORLDS) == str(WORLDS / "coinrun")
    assert complete(str(tmp_path), WORLDS) == str(tmp_path)
    assert complete("ada/coinrun", WORLDS) == "ada/coinrun"


def test_interrupt_ends_quietly(picture_file: Path, tmp_path: Path, tiny_world: Path) -> None:
    """Ctrl-C in the middle of a long script, sent when the first step has been taken."""
    call = ["--play", picture_file, "--world", tiny_world, "--actions", "left*90000", "--save", tmp_path / "p.gif"]
    code = f"""
import _thread, signal, sys, launch, genie_core.engine
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
step = genie_core.engine.WorldEngine.step
def interrupting_step(self, action):
    _thread.interrupt_main()
    return step(self, action)
genie_core.engine.WorldEngine.step = interrupting_step
sys.exit(launch.main({[str(part) for part in call]}))
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 130
    assert ended.stderr.splitlines()[-1] == "stopped; nothing was saved" and "Traceback" not in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompt.png"]


def test_playing_without_the_web_does_not_import_it() -> None:
    code = "import sys, launch, app.play.session, app.media.write; sys.exit('gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0


def test_evaluating_takes_the_clips_that_ship_and_prints_a_table(
    tiny_world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = {"mean": 31.25, "ci95": 0.5, "n": 24}
    asked = []

    def evaluate(world: World, dataset: VideoDataset, *_: object) -> Evaluation:
        asked.append((world.config.game, dataset.info.source["game"], world.name))
        return Evaluation({"source": {}, "world": world.name, "tokenizer": {"psnr": figure}}, *[None] * 3)  # type: ignore[arg-type]

    monkeypatch.setattr("genie_core.evaluation.measure.evaluate", evaluate)
    assert launch.main(["--evaluate", "--quick"]) == 0
    assert asked == [("coinrun", "coinrun", "coinrun")]
    told = capsys.readouterr().out
    assert "| tokenizer PSNR, dB | 31.25 ± 0.50 | 24 |" in told
    assert told.splitlines()[-1].startswith("measured coinrun on")
    assert launch.main(["--evaluate", "--world", str(tiny_world)]) == 1
    assert "name a data set with --data DIR" in capsys.readouterr().err


def test_a_benchmark_prints_its_figures(
    tiny_world: Path, short_benchmark: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch.main(["--benchmark", "--world", str(tiny_world), "--quiet"]) == 0
    figures = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(figures["fps"]) > 0 and figures["unmask_steps"] == "1" and "step_ms.p50" in figures


def test_a_benchmark_keeps_its_figures_where_a_value_of_its_sweep_does_not_fit_in_memory(
    tiny_world: Path,
    short_benchmark: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As with 16 frames of a world of 2^21 numbers a frame, whose own 8 frames do."""
    sweep = {"unmask_steps": (1, 2), "context_frames": (4, 16), "players": (1,)}
    monkeypatch.setattr("genie_core.evaluation.speed.SWEEP", sweep)
    monkeypatch.setattr("genie_core.limits.MOST_KEPT", 10_000)  # 4 frames of 64 tokens have 8,192 numbers
    monkeypatch.setattr("genie_core.limits.MOST_NOISE", 3_000)  # a pass of 64 tokens has 2,048
    call = ["--benchmark", "--world", str(tiny_world), "--quiet"]
    assert launch.main([*call, "--json", str(tmp_path / "speed.json")]) == 0
    report = json.loads((tmp_path / "speed.json").read_text())
    kept = [{"unmask_steps": 1}, {"context_frames": 4}, {"players": 1}]
    assert [{name: row[name] for name in row if name in sweep} for row in report["sweep"]] == kept
    assert all(row["fps"] > 0 and row["step_ms"] > 0 for row in report["sweep"]) and report["fps"] > 0
    assert {*report["not_measured"]} == {"sweep.unmask_steps=2", "sweep.context_frames=16"}
    assert "context_frames 16 and grid (8, 8) give" in report["not_measured"]["sweep.context_frames=16"]
    assert launch.main(call) == 0
    assert "not_measured.sweep.context_frames=16 layers 1, width 16" in capsys.readouterr().out


def test_a_game_brings_the_options_of_its_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(type(games.find("coinrun")), "collect", lambda self, *arguments: told.extend(arguments))
    call = ["--collect", "coinrun", "--out", str(tmp_path), "--frames", "500", "--levels", "7:9", "--seed", "3"]
    assert launch.main([*call, "--quiet"]) == 0
    assert told == [tmp_path, 500, 3, None, {"levels": (7, 9), "mode": "easy"}, True]
