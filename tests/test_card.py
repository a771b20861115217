"""A model card says what was measured and nothing else, in a form that the Hub reads."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from genie_core.checkpoint import read_config
from genie_core.config import WorldConfig
from genie_core.hub.card import FIGURES, card

SHIPPED = Path(__file__).parents[1] / "checkpoints" / "coinrun"
CONFIG = read_config(SHIPPED)
GAME = CONFIG.training["source"]["game"]


def test_the_hub_reads_the_metadata() -> None:
    data = ModelCard(card(CONFIG, "ada/coinrun")).data
    assert (data.library_name, data.pipeline_tag, data.license) == ("genie-core", "image-to-video", "mit")
    assert "world-model" in data.tags and data.datasets == [GAME]
    results = {(each.dataset_name, each.metric_name): each.metric_value for each in data.eval_results}
    for policy, measured in CONFIG.training["metrics"].items():
        clips = f"{GAME}, {policy}, {measured['clips']} clips"
        assert results.pop((clips, "10 frames from one, PSNR, dB")) == measured["rollout_psnr"]
        assert results.pop((clips, "tokenizer SSIM")) == measured["tokenizer_ssim"]
    known = [set(measured) & set(FIGURES) for measured in CONFIG.training["metrics"].values()]
    assert len(results) == sum(map(len, known)) - 2 * len(known)
    assert data.model_name == "coinrun"


def test_every_figure_comes_from_the_config() -> None:
    text = card(CONFIG, "ada/coinrun")
    told = {float(number) for number in re.findall(r"\d+\.\d+", text)}
    known = {abs(float(number)) for number in re.findall(r"-?\d+\.\d+", json.dumps(dataclasses.asdict(CONFIG)))}
    assert told - known == {round(CONFIG.context_frames / CONFIG.fps, 2)}


def test_the_card_names_actions_keys_and_the_way_to_play() -> None:
    text = card(CONFIG, "ada/coinrun", "play.gif")
    right = next(action for action in CONFIG.actions if action.name == "right")
    x, y = right.motion_px
    assert f"| {right.id + 1} | right | right d | {x:+.2f}, {y:+.2f} |" in text
    assert "`python launch.py --play IMAGE --world ada/coinrun`" in text
    assert "](play.gif)" in text and "](play.gif)" not in card(CONFIG, "ada/coinrun")
    assert "## Limits" in text and CONFIG.training["data"] in text


def test_the_shipped_card_is_the_one_rendered_now() -> None:
    assert (SHIPPED / "README.md").read_text(encoding="utf-8") == card(CONFIG)


@pytest.mark.parametrize("training", [{}, {"metrics": 3}, {"metrics": {"fvd": 9}}, {"source": "a film", "metrics": {}}])
def test_a_world_that_measured_nothing_says_nothing(training: dict) -> None:
    text = card(WorldConfig(training=training))
    data = ModelCard(text).data
    assert data.eval_results is None and data.datasets is None
    assert "PSNR" not in text and ("None recorded" in text) == (not training.get("metrics"))
