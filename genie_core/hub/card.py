"""The model card of a world: its actions, how they came about, its training and its figures, from its config alone."""

from __future__ import annotations

import json
import re
from typing import Any

from genie_core.config import UNKNOWN_GAME, WorldConfig
from genie_core.figures import Figure, table_of
from genie_core.games import find

TASK = "image-to-video"
EFFECTS = "effects.png"  # the filmstrip of the actions, beside a card
BY_HAND = "By hand"  # how a rule begins in `training.rules`


def card(config: WorldConfig, repo: str | None = None, animation: str | None = None, effects: str | None = None) -> str:
    """Markdown under the Hub's metadata. `repo` is the OWNER/NAME of the world.

    `animation` and `effects` are files beside the card: a playthrough, and the filmstrip of the actions.
    """
    height, width = config.frame_size
    sections = [
        f"# {repo.split('/')[1] if repo else 'A playable world'}",
        f"![A playthrough that this world made from one picture]({animation})" if animation else "",
        f"A world to play in: {width}x{height} pixels at {config.fps:g} frames/s, {config.context_frames} frames of "
        "memory. Three networks make every frame from the frames before and the key held; no game is running.",
        f"## Play\n\n`python launch.py --play IMAGE --world {repo or 'THIS_FOLDER'}`",
        _actions(config),
        _filmstrip(effects),
        _origin(config),
        _training(config.training),
        _measurements(config),
        _limits(config),
    ]
    metadata = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _metadata(config, repo).items()
    )
    return f"---\n{metadata}\n---\n" + "\n\n".join(section for section in sections if section) + "\n"


def _metadata(config: WorldConfig, repo: str | None) -> dict[str, Any]:
    """The Hub's metadata. Values are written as JSON, which is YAML too."""
    values: dict[str, Any] = {
        "library_name": "genie-core",
        "pipeline_tag": TASK,
        "license": "mit",
        "tags": ["world-model", "genie", "video-generation", "interactive"],
    }
    game, figures = game_of(config), _figures(config)
    if game:
        values["datasets"] = [game]
    results = [
        {
            "task": {"type": TASK},
            "dataset": {"type": game or "video", "name": f"{game or 'video'}, {name}, {measured.get('clips')} clips"},
            "metrics": [
                {"type": figures[key].metric, "name": figures[key].label, "value": value}
                for key, value in measured.items()
                if key in figures
            ],
        }
        for name, measured in _sets(config.training.get("metrics"))
    ]
    if results:
        values["model-index"] = [{"name": repo.split("/")[1] if repo else "world", "results": results}]
    return values


def game_of(config: WorldConfig) -> str | None:
    """The name of the game that the world learnt, None if the config tells none."""
    return None if config.game == UNKNOWN_GAME else config.game


def _figures(config: WorldConfig) -> dict[str, Figure]:
    """The figures that a card shows, by their keys in `training.metrics`."""
    return {figure.card: figure for figure in table_of(find(config.game).figures).values() if figure.card}


def _sets(metrics: Any) -> list[tuple[str, dict[str, Any]]]:
    """The test sets by name; a world from elsewhere may have recorded something else, or nothing."""
    if not isinstance(metrics, dict):
        return []
    return [(name, measured) for name, measured in metrics.items() if isinstance(measured, dict)]


def _actions(config: WorldConfig) -> str:
    """A table of keys, and of motions and evidence if the config knows any: without a known motion all are zero."""
    told = {
        "motion of the player, pixels a step (x right, y down)": [
            f"{x:+.2f}, {y:+.2f}" if any(any(a.motion_px) for a in config.actions) else ""
            for x, y in (action.motion_px for action in config.actions)
        ],
        "evidence: the motion of its own and its spread": [action.evidence for action in config.actions],
    }
    known = {head: column for head, column in told.items() if any(column)}
    rows = [
        [str(a.id + 1), a.name, " ".join(a.keys) or "–", *(column[a.id] or "–" for column in known.values())]
        for a in config.actions
    ]
    return _table([["key", "action", "other keys", *known], *rows])


def _filmstrip(effects: str | None) -> str:
    if effects is None:
        return ""
    told = "Each action is held from one picture; a row shows that picture and frames of the next eight steps."
    return f"![What each action does]({effects})\n\n{told}"


def _table(rows: list[list[str]]) -> str:
    """Markdown of `rows`, the first being the head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]])


def _origin(config: WorldConfig) -> str:
    """What of the actions was learnt and what a person laid down; it claims no more than the config says."""
    told, rules = config.training.get("rules"), config.latent_action.rules
    lines = [str(rule) for rule in told] if isinstance(told, list) else []
    if not lines and rules is None:
        lines = ["The actions were found, not given: nothing was laid down by hand."]
    elif not any(line.startswith(BY_HAND) for line in lines) and rules is not None:
        lines.append(
            f"{BY_HAND}: the rules of {rules.game} that say which motion stands for a key, so the actions were not "
            "found from video alone. What each action does to the picture was learnt."
        )
    named = any(not re.fullmatch(r"action_\d+", action.name) for action in config.actions)
    if named and not any("names" in line for line in lines):
        lines.append("The names come from a list: each action was held from many pictures and named after its motion.")
    return "## What was learnt, and what was laid down by hand\n\n" + "\n".join(f"- {line}" for line in lines)


def _training(training: dict[str, Any]) -> str:
    told = {key: value for key, value in training.items() if key not in ("metrics", "rules")}
    lines = "\n".join(f"- {key}: {json.dumps(value)}" for key, value in told.items()) or "- not recorded"
    return f"## Training\n\n{lines}"


def _measurements(config: WorldConfig) -> str:
    """One table of the figures known by name; other metrics are printed as they are."""
    metrics, figures = config.training.get("metrics"), _figures(config)
    sets = _sets(metrics)
    known = [key for key in figures if any(key in measured for _, measured in sets)]
    if not known:
        return f"## Measurements\n\n{json.dumps(metrics) if metrics else 'None recorded.'}"
    head = ["figure", *(f"{name}, {measured.get('clips', '?')} clips" for name, measured in sets)]
    rows = [[figures[key].label, *(str(measured.get(key, "–")) for _, measured in sets)] for key in known]
    return f"## Measurements\n\nOn held-out clips, by `python launch.py --evaluate`.\n\n{_table([head, *rows])}"


def _limits(config: WorldConfig) -> str:
    seconds = config.context_frames / config.fps
    knows = game_of(config) or "its training videos"
    other = "A picture of anything else turns into something it knows."
    if config.tokenizer.reference:
        other = "It shows any start picture as it is; what changes in another one looks like what it knows."
    return (
        "## Limits\n\n"
        f"- A frame attends to the {config.context_frames} frames before it, {seconds:.2g} s. "
        "The world invents what scrolls in.\n"
        "- Each frame builds on generated ones, so errors add up.\n"
        f"- The world knows {knows} alone. {other}"
    )
