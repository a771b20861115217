"""The end of a run: its three networks become a world, whose actions are named by watching them."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from genie_core import games
from genie_core.actions.filmstrip import write_effects
from genie_core.actions.naming import held_steps, measure_actions
from genie_core.config import UNKNOWN_GAME, WorldConfig
from genie_core.data.dataset import VideoDataset
from genie_core.files import whole_file
from genie_core.hub.download import STARTS
from genie_core.rollout import rollout
from genie_core.training.clips import split_starts
from genie_core.training.learnt import labelled_steps, load_network, what_was_done
from genie_core.training.saved import load_state
from genie_core.training.settings import TrainingSettings
from genie_core.training.tokens import networks_origin
from genie_core.weights import round_to_halves
from genie_core.world import World

NAMING_PROMPTS = 48


def assemble(out: Path, settings: TrainingSettings, dataset: VideoDataset, device: torch.device) -> None:
    """Put what the run has learnt together as the world `out`/world, which is watched on `device`."""
    world = World(
        WorldConfig(
            *settings.networks,
            settings.sampling,
            fps=dataset.info.fps,
            game=dataset.info.game or UNKNOWN_GAME,
            training=describe(out, settings, dataset),
        )
    )
    for name, network in world.networks().items():
        load_network(out, name, network, settings.stage(name).start_from)
    round_to_halves(world.latent_action)  # 2 of 1,000 codes of a film differ, and play needs none
    prompts = pick_frames(dataset, settings.held_out_every)
    world.to(device)
    name_actions(world, prompts)
    write_effects(out / "world", world, prompts)
    write_starts(out / "world", prompts)
    world.to("cpu").save_pretrained(out / "world")


def fits_together(out: Path, settings: TrainingSettings) -> bool:
    """Whether the dynamics of the run `out` has learnt the tokens and actions that its other networks give."""
    learnt_from = load_state(out, "dynamics").get("learnt_from")
    if not learnt_from:
        return True  # it is another world's, as the others may be, or of an earlier program
    world = World(WorldConfig(*settings.networks))
    for name in ("tokenizer", "latent_action"):
        load_network(out, name, world.networks()[name], settings.stage(name).start_from)
    return networks_origin(world.tokenizer, world.latent_action) == learnt_from


def name_actions(world: World, prompts: np.ndarray) -> None:
    """Name the actions of `world` by what they do from `prompts`, uint8 (n, H, W, 3), as far as its game can tell."""
    game, count = games.find(world.config.game), world.config.num_actions
    motions = measure_actions(game, partial(rollout, world), prompts, count, held_steps(world.config.fps))
    world.config = dataclasses.replace(world.config, actions=game.name_actions(motions, count))


def pick_frames(dataset: VideoDataset, held_out_every: int) -> np.ndarray:
    """NAMING_PROMPTS frames that training has not seen, uint8 (n, H, W, 3), from all over the data set."""
    _, starts = split_starts(dataset, 1, held_out_every)
    chosen = starts[np.linspace(0, len(starts) - 1, NAMING_PROMPTS).astype(int)]
    return np.stack([dataset.clip(int(start), 1)[0] for start in chosen])


def write_starts(folder: Path, prompts: np.ndarray) -> None:
    """Write a few of `prompts`, uint8 (n, H, W, 3), into the world's `folder`, as pictures to start from."""
    few = prompts[np.linspace(0, len(prompts) - 1, len(STARTS)).astype(int)]
    for name, picture in zip(STARTS, few, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / name) as partial:
            Image.fromarray(picture).save(partial, "PNG", optimize=True)


def describe(out: Path, settings: TrainingSettings, dataset: VideoDataset) -> dict[str, Any]:
    """How the world came about: `training` of its config.json. `labels` is how many steps had their button told.

    A stage that did not run here has no settings: what it learnt, it learnt elsewhere.
    """
    stages = what_was_done(out, settings)
    idle = {name for name, told in stages.items() if not told["steps"]}
    return {
        "data": dataset.info.name,
        "source": dataset.info.source,
        "stages": stages,
        "settings": {name: values for name, values in settings.recorded().items() if name not in idle},
        "rules": [*rules(settings, labels := labelled_steps(out) or 0, idle), *taken_over(stages)],
        "labels": labels,
        "commit": _commit(),
    }


def taken_over(stages: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Which parts of the world another world had learnt, of what `what_was_done` tells, a sentence each."""
    for part, told in stages.items():
        earlier = list(_worlds_before(told))
        if not earlier:
            continue
        codes = ", by that world's codes," if part == "dynamics" else ""
        ruled = " under rules laid down by hand" if any(each.get("ruled") for each in earlier) else ""
        here = f" and {told['minutes']:g} minutes here" if told["steps"] else " and does not change here"
        known = [each.get("minutes") for each in earlier]  # a world from elsewhere may tell anything
        numbers = [minutes for minutes in known if isinstance(minutes, int | float)]
        minutes = f"{sum(numbers):g} minutes" if len(numbers) == len(known) else "a time that it does not tell"
        yield f"From another world: the {part.replace('_', ' ')} learnt{codes} for {minutes} there{ruled}{here}."


def _worlds_before(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is told of the world that a stage went on from, of the world before that one, and so on."""
    while isinstance(before := told.get("before"), dict):
        yield (told := before)


def rules(settings: TrainingSettings, labels: int, idle: Collection[str] = ()) -> Iterator[str]:
    """What of the world is laid down by hand, a sentence each. For `idle` stages, the world they come from says it."""
    if labels:
        yield f"By labels: {labels:,} steps of the key log say which codes there are; the effect of each is learnt."
    stages = (("latent_action", "latent actions", settings.latent_action), ("dynamics", "dynamics", settings.dynamics))
    for name, part, stage in stages:
        if name in idle and stage.start_from:
            told = World.from_pretrained(stage.start_from).config.training.get("rules", [])
            lines = [line for line in told if isinstance(line, str)] if isinstance(told, list) else []
            yield from (line for line in lines if line.startswith("By hand: ") and f" of the {part} are" in line)
            if name == "latent_action":
                yield from (line for line in lines if line.startswith("By labels: "))
        elif name not in idle and stage.mirrored:
            yield f"By hand: {stage.mirrored:.0%} of the training clips of the {part} are mirrored sideways."


def _commit() -> str | None:
    """The commit this program runs from, if it runs from a clone."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() or None
