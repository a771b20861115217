"""A stage's saved state in the folder of a run, and the networks filled from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from genie_core.errors import ConfigError
from genie_core.files import write_whole
from genie_core.training.grow import can_grow, go_on_from
from genie_core.training.saved import CHECKPOINT, load_state
from genie_core.training.settings import STAGES, TrainingSettings
from genie_core.world import World

BEFORE = "before.json"

Network = TypeVar("Network", bound=nn.Module)


def load_network(out: Path, name: str, network: Network, start_from: str | None = None) -> Network:
    """Fill `network` with what the run `out` has learnt in stage `name`, or else with the world `start_from`'s own.

    ConfigError if the stage has not run and there is no such world.
    """
    state = load_state(out, name)
    if state:
        prefix = "network."
        weights = {key.removeprefix(prefix): v for key, v in state["state_dict"].items() if key.startswith(prefix)}
        network.load_state_dict(weights)
    elif start_from is None:
        raise ConfigError(f"the run {out} has no trained {name}; train it first with --stage {name}")
    else:
        go_on_from(network, World.from_pretrained(start_from).networks()[name])
    return network.eval()


def labelled_steps(out: Path) -> int | None:
    """How many labelled steps the latent actions of the run `out` learn from; None before they have begun."""
    state = load_state(out, "latent_action")
    return int(state["state_dict"].get("labels.steps", 0)) if state else None


def check_starts(settings: TrainingSettings, out: Path) -> None:
    """Raise ConfigError for a stage that has yet to start, from a world whose network cannot become the run's own."""
    for name in STAGES:
        start_from = settings.stage(name).start_from
        if start_from is None or (out / name / CHECKPOINT).exists():
            continue
        ours = getattr(settings.networks, name)
        theirs = getattr(World.from_pretrained(start_from).config, name)
        if not can_grow(theirs, ours):
            raise ConfigError(
                f"[{name}] of the settings is {ours}, but start_from in [train.{name}] names {start_from}, "
                f"whose own is {theirs}; take that over, or leave start_from out, in the file named with --config"
            )


def remember_start(out: Path, name: str, start_from: str) -> None:
    """Write down what the world `start_from` tells of its stage `name`, before this run's own steps."""
    (out / name).mkdir(parents=True, exist_ok=True)
    write_whole(out / name / BEFORE, json.dumps(_told(name, start_from)))


def what_was_done(out: Path, settings: TrainingSettings) -> dict[str, dict[str, Any]]:
    """Steps and minutes of each stage here, and under `before` what the world it started from tells of its own."""
    done: dict[str, dict[str, Any]] = {}
    for name in STAGES:
        state, before = load_state(out, name), out / name / BEFORE
        if not state:
            done[name] = {"steps": 0, "minutes": 0.0, "before": _told(name, settings.stage(name).start_from)}
            continue
        minutes = float(state["state_dict"]["trained_seconds"]) / 60
        done[name] = {"steps": state["global_step"], "minutes": round(minutes, 1)}
        if before.exists():
            done[name]["before"] = json.loads(before.read_text())
    return done


def trained_shares(out: Path, settings: TrainingSettings) -> dict[str, float]:
    """How much of each stage is trained, as a share of the length that `settings` give it; 1 and more is all."""
    shares = {}
    for name in STAGES:
        own, state = settings.stage(name), load_state(out, name)
        if state and own.steps is not None:
            shares[name] = state["global_step"] / own.steps
        elif state:
            shares[name] = float(state["state_dict"]["trained_seconds"]) / (60 * own.minutes)
    return shares


def _told(name: str, start_from: str | None) -> Any:
    """What the world `start_from` tells of its stage `name`, and whether hand-written rules found its codes.

    A world from elsewhere may tell nothing.
    """
    if start_from is None:
        return None
    config = World.from_pretrained(start_from).config
    stages = config.training.get("stages")
    told = stages.get(name) if isinstance(stages, dict) else None
    return told | {"ruled": True} if isinstance(told, dict) and config.latent_action.rules else told
