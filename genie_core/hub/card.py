"""The model card of a world: what its actions do, how it was trained and what was measured, from its config alone."""

from __future__ import annotations

import json
from typing import Any

from genie_core.config import WorldConfig

TASK = "image-to-video"
FIGURES = {  # of `training.metrics`: the Hub's type of metric, and what is measured
    "tokenizer_psnr": ("psnr", "tokenizer PSNR, dB"),
    "tokenizer_ssim": ("ssim", "tokenizer SSIM"),
    "rollout_psnr": ("psnr", "10 frames from one, PSNR, dB"),
    "rollout_ssim": ("ssim", "10 frames from one, SSIM"),
    "delta_psnr_4": ("delta_psnr", "ΔPSNR at frame 4, dB: with inferred actions minus with random ones"),
    "fvd": ("fvd", "FVD, 16 frames"),
    "opposite_actions": ("accuracy", "left and right go opposite ways, share of scenes without a wall"),
    "lands": ("accuracy", "a jump from the ground rises and lands, share of scenes"),
    "walls": ("accuracy", "a wall stops the player, share of scenes"),
    "alive_and_answers_200": ("accuracy", "player there and answering after 200 random steps, share of rollouts"),
    "alive_and_answers_500": ("accuracy", "player there and answering after 500 random steps, share of rollouts"),
}


def card(config: WorldConfig, repo: str | None = None, animation: str | None = None) -> str:
    """Markdown under the Hub's metadata. `repo` is OWNER/NAME where it will be, `animation` a file beside the card."""
    sections = [
        f"# {repo.split('/')[1] if repo else 'A playable world'}",
        f"![A playthrough that this world made from one picture]({animation})" if animation else "",
        f"A world to play in, learnt from video without labels: {config.frame_size}x{config.frame_size} pixels at "
        f"{config.fps:g} frames/s, {config.context_frames} frames of memory. Every frame is made from the ones before "
        "and the key held; no game is running.",
        f"## Play\n\n`python launch.py --play IMAGE --world {repo or 'THIS_FOLDER'}`",
        _actions(config),
        _training(config.training),
        _measurements(config.training.get("metrics")),
        _limits(config),
    ]
    metadata = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _metadata(config, repo).items()
    )
    return f"---\n{metadata}\n---\n" + "\n\n".join(section for section in sections if section) + "\n"


def _metadata(config: WorldConfig, repo: str | None) -> dict[str, Any]:
    """What the Hub reads. Values are written as JSON, which is YAML too."""
    values: dict[str, Any] = {
        "library_name": "genie-core",
        "pipeline_tag": TASK,
        "license": "mit",
        "tags": ["world-model", "genie", "video-generation", "interactive"],
    }
    game = _game(config.training)
    if game:
        values["datasets"] = [game]
    results = [
        {
            "task": {"type": TASK},
            "dataset": {"type": game or "video", "name": f"{game or 'video'}, {name}, {measured.get('clips')} clips"},
            "metrics": [
                {"type": FIGURES[key][0], "name": FIGURES[key][1], "value": value}
                for key, value in measured.items()
                if key in FIGURES
            ],
        }
        for name, measured in _sets(config.training.get("metrics"))
    ]
    if results:
        values["model-index"] = [{"name": repo.split("/")[1] if repo else "world", "results": results}]
    return values


def _game(training: dict[str, Any]) -> str | None:
    source = training.get("source")
    return source.get("game") if isinstance(source, dict) else None


def _sets(metrics: Any) -> list[tuple[str, dict[str, Any]]]:
    """The test sets by name; a world from elsewhere may have recorded something else, or nothing."""
    if not isinstance(metrics, dict):
        return []
    return [(name, measured) for name, measured in metrics.items() if isinstance(measured, dict)]


def _actions(config: WorldConfig) -> str:
    rows = "\n".join(
        f"| {a.id + 1} | {a.name} | {' '.join(a.keys) or '–'} | {a.motion_px[0]:+.2f}, {a.motion_px[1]:+.2f} |"
        for a in config.actions
    )
    return (
        "| key | action | other keys | motion of the player, pixels a step (x right, y down) |\n"
        f"|---|---|---|---|\n{rows}\n\n"
        "The actions were found, not given: each was held from many pictures, and named after how the scenery moved."
    )


def _training(training: dict[str, Any]) -> str:
    told = {key: value for key, value in training.items() if key != "metrics"}
    lines = "\n".join(f"- {key}: {json.dumps(value)}" for key, value in told.items()) or "- not recorded"
    return f"## Training\n\n{lines}"


def _measurements(metrics: Any) -> str:
    """One table of the figures known by name; whatever else was recorded stands below as it is."""
    sets = _sets(metrics)
    known = [key for key in FIGURES if any(key in measured for _, measured in sets)]
    if not known:
        return f"## Measurements\n\n{json.dumps(metrics) if metrics else 'None recorded.'}"
    head = " | ".join(f"{name}, {measured.get('clips', '?')} clips" for name, measured in sets)
    rows = [f"| {FIGURES[key][1]} | " + " | ".join(str(m.get(key, "–")) for _, m in sets) + " |" for key in known]
    table = [f"| figure | {head} |", f"|---|{'---|' * len(sets)}", *rows]
    return "## Measurements\n\nOn held-out clips, by `python launch.py --evaluate`.\n\n" + "\n".join(table)


def _limits(config: WorldConfig) -> str:
    seconds = config.context_frames / config.fps
    knows = _game(config.training) or "what it was trained on"
    return (
        "## Limits\n\n"
        f"- A frame attends to the {config.context_frames} before it, {seconds:.2g} s: what scrolls in is invented.\n"
        "- Each frame builds on generated ones, so errors add up.\n"
        f"- It knows {knows} alone; a picture of anything else does not stay what it was."
    )
