"""A model card says what was measured and nothing else, in a form that the Hub reads."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from conftest import world_config
from huggingface_hub import ModelCard
from tiny import make_reference_world

from genie_core.checkpoint import read_config
from genie_core.config import Action
from genie_core.figures import table_of
from genie_core.games import find
from genie_core.hub.card import EFFECTS, card

WORLDS = Path(__file__).parents[1] / "checkpoints"
SHIPPED = WORLDS / "coinrun"
SHIPPED_WORLDS = sorted(file.parent for file in WORLDS.glob("*/config.json"))
CONFIG = read_config(SHIPPED)
RULED = read_config(WORLDS / "coinrun-hard")  # whose codes hand-written rules found
FOUND = "The actions were found, not given"
GAME = CONFIG.training["source"]["game"]
FIGURES = {figure.card for figure in table_of(find(GAME).figures).values()}


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


@pytest.mark.parametrize("folder", SHIPPED_WORLDS, ids=lambda folder: folder.name)
def test_the_shipped_card_is_the_one_rendered_now(folder: Path) -> None:
    effects = EFFECTS if (folder / EFFECTS).exists() else None
    rendered = card(read_config(folder), effects=effects)
    assert (folder / "README.md").read_text(encoding="utf-8") == rendered
    if not read_config(folder).training.get("rules"):
        assert FOUND in rendered and effects


@pytest.mark.parametrize("folder", SHIPPED_WORLDS, ids=lambda folder: folder.name)
def test_a_shipped_card_tells_each_rule_and_claims_no_more(folder: Path) -> None:
    config = read_config(folder)
    text, rules = card(config), config.training.get("rules", [])
    section = text.split("## What was learnt, and what was laid down by hand\n")[1].split("\n## ")[0]
    told = section.strip().splitlines()
    assert told[: len(rules)] == [f"- {rule}" for rule in rules]
    assert all("names come from a list" in line or FOUND in line for line in told[len(rules) :])
    if config.latent_action.rules:
        assert {rule.split(":")[0] for rule in rules} >= {"By hand", "Learnt from video, without button labels"}
    assert (FOUND in text) == (not rules) and "rules" not in text.split("## Training")[1]


def test_a_world_without_rules_says_that_nothing_was_laid_down() -> None:
    assert f"- {FOUND}: nothing was laid down by hand.\n" in card(world_config())
    named = tuple(Action(id=i, name=f"way_{i}x") for i in range(len(world_config().actions)))
    assert "The names come from a list" in card(world_config(actions=named))


def test_a_world_whose_codes_rules_find_claims_nothing_without_a_list_of_them() -> None:
    training = {name: value for name, value in RULED.training.items() if name != "rules"}
    text = card(dataclasses.replace(RULED, training=training))
    assert FOUND not in text and f"- By hand: the rules of {GAME} that say which motion stands for a key" in text


def test_motion_is_a_column_only_where_it_is_known() -> None:
    still = tuple(dataclasses.replace(action, motion_px=(0.0, 0.0), evidence="") for action in CONFIG.actions)
    assert "motion of the player" in card(CONFIG)
    assert "motion" not in card(dataclasses.replace(CONFIG, actions=still)).split("## What")[0]
    assert "| 1 | action_0 | – |\n" in card(world_config())


def test_frames_need_not_be_square() -> None:
    assert "96x64 pixels" in card(world_config((64, 96)))


def test_a_world_that_starts_from_any_picture_does_not_turn_it_into_another() -> None:
    assert "turns into something it knows" in card(CONFIG)
    text = card(make_reference_world().config)
    assert "turns into" not in text and "It shows any start picture as it is" in text


@pytest.mark.parametrize("training", [{}, {"metrics": 3}, {"metrics": {"fvd": 9}}, {"source": "a film", "metrics": {}}])
def test_a_world_that_measured_nothing_says_nothing(training: dict) -> None:
    text = card(world_config(training=training))
    data = ModelCard(text).data
    assert data.eval_results is None and data.datasets is None
    assert "PSNR" not in text and ("None recorded" in text) == (not training.get("metrics"))
