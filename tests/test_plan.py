"""Presets, what they are said to cost before a training begins, and early signs of trouble while it runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch
from test_training import SETTINGS, record

from genie_core import games
from genie_core.config import WorldConfig
from genie_core.data import DatasetWriter, VideoDataset
from genie_core.errors import ConfigError
from genie_core.limits import counting_only
from genie_core.models.foretelling import AHEAD
from genie_core.training import presets
from genie_core.training.clips import split_starts
from genie_core.training.cost import Sharing, build, cost, count_flop
from genie_core.training.plan import scaled, told
from genie_core.training.run import train
from genie_core.training.settings import STAGES, TrainingSettings, load_settings, parse_settings
from genie_core.training.signs import signs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "squares")


def preset(name: str, data: Path) -> TrainingSettings:
    dataset = VideoDataset(data)
    return parse_settings(*presets.find(Path(name), dataset), dataset.info.frame_size)


def weights(settings: TrainingSettings) -> dict[str, int]:
    with torch.device("meta"):
        return {name: sum(p.numel() for p in build(name, settings)[0].parameters()) for name in STAGES}


def test_every_preset_makes_a_world(data: Path) -> None:
    with counting_only():
        for name in presets.names():
            settings = preset(name, data)
            WorldConfig(*settings.networks, settings.sampling)
            assert settings.dynamics.clip_frames > settings.networks.dynamics.context_frames


def test_the_largest_preset_has_as_many_weights_as_the_largest_genie(data: Path) -> None:
    """Genie (arXiv:2402.15391), App. C: 200 million, 300 million and 10.1 billion."""
    with counting_only():
        counted = weights(preset("platformers", data))
    assert counted["tokenizer"] == pytest.approx(2e8, rel=0.15)
    assert counted["latent_action"] == pytest.approx(3e8, rel=0.2)
    assert counted["dynamics"] == pytest.approx(1.01e10, rel=0.02)


def test_a_preset_to_be_counted_is_not_trained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"preset platformers: width 5120 .* too large .*--dry-run"):
        train([data], tmp_path / "run", Path("platformers"), device="cpu", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_name_that_is_no_preset_is_told_what_there_is(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lapptop does not exist.*unknown\.toml.*auto, .*laptop, .*tiny"):
        train([data], tmp_path / "run", Path("lapptop"), device="cpu", quiet=True)


@pytest.mark.parametrize(("size", "tokens"), [((16, 16), 16), ((64, 64), 64), ((90, 160), 60), ((256, 256), 64)])
def test_settings_are_chosen_for_the_size_and_number_of_frames(
    size: tuple[int, int], tokens: int, tmp_path: Path
) -> None:
    with DatasetWriter(tmp_path / "film", source={}, frame_size=size) as writer:
        for length in (12, 20, 300):
            writer.add_episode(torch.zeros(length, *size, 3, dtype=torch.uint8).numpy())
    source = presets.find(None, VideoDataset(tmp_path / "film"))
    settings = parse_settings(*source, size)
    assert settings.networks.tokenizer.tokens == tokens
    assert settings.dynamics.minutes == presets.LEAST * 120 and settings.dynamics.token_clips == 1000
    assert presets.dump(tomllib.loads(source.text)) == source.text.split("\n\n", 1)[1]


@pytest.mark.parametrize(
    ("lengths", "longest"),
    [((12, 20, 300), 20), ((120, 120), 24), ((10,) * 60 + (300,) * 40, 12), ((300,) * 60, 26)],
    ids=["half of the episodes", "a tenth of all is held out", "a clip at least", "as it stands in the file"],
)
def test_films_are_as_long_as_the_episodes_and_what_is_held_out_allow(
    lengths: tuple[int, ...], longest: int, tmp_path: Path
) -> None:
    with DatasetWriter(tmp_path / "film", source={}, frame_size=(16, 16)) as writer:
        for length in lengths:
            writer.add_episode(torch.zeros(length, 16, 16, 3, dtype=torch.uint8).numpy())
    dynamics = parse_settings(*presets.find(None, VideoDataset(tmp_path / "film")), (16, 16)).dynamics
    assert dynamics.film_frames == longest - AHEAD, "what a film's last steps did shows afterwards"


def test_what_is_chosen_for_a_short_film_can_be_learnt_from_it(tmp_path: Path) -> None:
    """A tenth of it is held out, and every stage is judged by that."""
    with DatasetWriter(tmp_path / "film", source={}, frame_size=(16, 16)) as writer:
        writer.add_episode(torch.zeros(150, 16, 16, 3, dtype=torch.uint8).numpy())
    dataset = VideoDataset(tmp_path / "film")
    settings = parse_settings(*presets.find(None, dataset), (16, 16))
    for frames in (settings.latent_action.clip_frames, settings.dynamics.written_frames + AHEAD):
        learnt, held_out = split_starts(dataset, frames, settings.held_out_every)
        assert len(learnt) and len(held_out)


def test_less_time_learns_from_fewer_clips() -> None:
    settings = load_settings(games.find("unknown").settings, (64, 64))
    most, whole = settings.dynamics.token_clips, settings.dynamics.minutes
    clips = [settings.lasting(share * whole).dynamics.token_clips for share in (0.01, 0.5, 1, 2)]
    assert clips == [1000, most / 2, most, most]


@pytest.mark.slow
def test_a_dry_run_tells_what_it_would_take_and_writes_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(SETTINGS.replace("[train.dynamics]\n", "[train.dynamics]\nsteps = 1000\n"))
    train([data], tmp_path / "run", config, device="cpu", dry_run=True, devices=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("settings:", "stage", "tokenizer", "latent_action", "tokens", "dynamics", "naming", "all:"),
    ]
    assert "30 min" in lines[2] and "200 clips" in lines[4] and "1,000 steps" in lines[5] and "2 processes" in lines[-1]
    assert not (tmp_path / "run").exists()


def test_shards_and_ranks_need_less_memory(data: Path) -> None:
    settings = parse_settings(SETTINGS, "tiny", (16, 16))
    alone, shared, sharded = (
        cost("dynamics", settings, sharing) for sharing in (Sharing(), Sharing(4), Sharing(4, sharded=True))
    )
    assert alone.step_flop == shared.step_flop == sharded.step_flop > 0
    assert alone.memory > shared.memory > sharded.memory > 0


@pytest.mark.parametrize("groups", [1, 8])
def test_the_way_back_through_a_convolution_counts_twice_the_way_there(groups: int) -> None:
    """Of a depthwise one as well, for which torch counts a full one."""
    layer, x = torch.nn.Conv2d(8, 8, 3, padding=1, groups=groups), torch.zeros(2, 8, 4, 4, requires_grad=True)
    with count_flop() as there:
        y = layer(x)
    with count_flop() as back:
        y.sum().backward()
    assert there.get_total_flops() == 2 * 2 * 8 * 16 * 9 * 8 // groups
    assert back.get_total_flops() == 2 * there.get_total_flops()


def test_numbers_and_times_are_told_in_their_largest_units() -> None:
    assert [scaled(number) for number in (12, 1234, 9.21e17)] == ["12 ", "1.23 k", "921 P"]
    assert [told(seconds) for seconds in (3, 61, 7300, 200_000, 1e12)] == [
        *("3 s", "1 min 1 s", "2 h 1 min", "2 days 7 h", "31,688 years"),
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"val/sharpness": 0.3}, "30% of the detail.*texture = 1.0"),
        ({"val/codebook_usage": 0.04}, "4% of the codebook.*codebook_entropy"),
        ({f"val/code_{i}": share for i, share in enumerate((0.4, 0.6, 0, 0, 0.001))}, "3 of 5 codes.*num_actions = 2"),
        ({f"val/code_{i}": share for i, share in enumerate((0.9, 0.05, 0.05))}, "one code.*90%.*horizon"),
        ({"delta_psnr": 0.1, "delta_psnr_error": 0.2}, "no difference.*0.10 ± 0.20.*--labels"),
    ],
)
def test_signs_of_trouble_say_what_to_change(values: dict[str, float], words: str) -> None:
    healthy = {
        **{"val/sharpness": 0.8, "val/codebook_usage": 0.5, "delta_psnr": 1.0, "delta_psnr_error": 0.2},
        **{f"val/code_{i}": 0.25 for i in range(4)},
    }
    assert not list(signs("any", 0.5, healthy)) and not list(signs("any", 0.1, values))
    (sign,) = signs("any", 0.5, values)
    assert sign.startswith("any: ") and re.search(words, sign)
