"""`--report`: what an evaluation found, as one page that needs nothing beside it, and as Markdown tables."""

from __future__ import annotations

import dataclasses
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from genie_core import checkpoint
from genie_core.actions.filmstrip import write_effects
from genie_core.actions.naming import held_steps
from genie_core.config import WorldConfig
from genie_core.errors import DataError
from genie_core.evaluation.i3d_weights import load_i3d
from genie_core.evaluation.measure import Effort, Evaluation, write_json
from genie_core.evaluation.plots import plot, strip
from genie_core.figures import at, table_of, told
from genie_core.files import write_whole
from genie_core.games import Game, find
from genie_core.rollout import rollout
from genie_core.world import World

POLICIES = {"random": "random keys", "idle": "no key", "held": "one key held"}  # of long play
SHOWN_CLIPS = 6
SHOWN_FRAMES = 11
PAGE, TITLE = "report.html", "# Figures of "
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .25rem .7rem; text-align: left }
tr { border-bottom: 1px solid #e2e8f0 } td:nth-child(n+2) { font-variant-numeric: tabular-nums }
img { max-width: 100%; image-rendering: pixelated } .plots img { width: 48%; image-rendering: auto }
.better { font-weight: 600 } small, figure { color: #4a5568 } figure { margin: 1rem 0; display: flex }
figure ul { flex: none; width: 9rem; margin: 0; padding: 0; list-style: none; display: flex; flex-direction: column }
figure li { flex: 1 1 0; align-content: center; line-height: 1.2 } figure img { min-width: 0; align-self: start }
"""


def check_extras(effort: Effort, folder: Path | None) -> None:
    """Raises MissingExtraError, before the measuring, for what the measuring or the report would miss at its end."""
    if effort.fvd_clips:
        load_i3d()
    if folder is not None:
        plot("", "", "", [])


def check_folder(folder: Path, world: World) -> None:
    """Raises DataError, before the measuring, if a report in `folder` would replace what is somebody else's."""
    card = folder / "README.md"
    if not card.is_file() or card.read_text(encoding="utf-8", errors="replace").startswith(TITLE):
        return
    if not (_is_of(folder, world) and checkpoint.fingerprint(folder) == world.fingerprint()):
        raise DataError(
            f"{card} is no report, and a report of {world.name} would replace it; give --report a folder of its own, "
            "or that of the very world"
        )


def _is_of(folder: Path, world: World) -> bool:
    return (folder / "config.json").is_file() and checkpoint.read_config(folder) == world.config


def write_report(folder: Path, world: World, evaluation: Evaluation) -> None:
    """Writes report.html, evaluation.json and README.md, the tables as Markdown, into `folder`, which is made.

    If that is the folder of this very world, its config.json takes in the figures, and README.md is its model card.
    """
    page = _page(world, evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / PAGE, page)
    write_json(folder / "evaluation.json", evaluation.report)
    if _is_of(folder, world):
        write_effects(folder, world, evaluation.strips.truth[:, 0])
        checkpoint.write_config(folder, _with_metrics(world.config, evaluation.report))
    else:
        write_whole(folder / "README.md", _markdown(evaluation.report))


def game_of(report: dict[str, Any]) -> Game:
    """The game of an evaluation's world; older evaluations name that of their data alone."""
    return find(report.get("game", report.get("source", {}).get("game")))


def _with_metrics(config: WorldConfig, report: dict[str, Any]) -> WorldConfig:
    """`config` with the figures for its model card, under the policy or the name of the data."""
    means = {figure: at(report, name) for name, figure in table_of(game_of(report).figures).items() if figure.card}
    values = {
        figure.card: round(mean.get("mean", mean.get("value")), figure.digits)
        for figure, mean in means.items()
        if mean and mean["n"]
    }
    name = report["source"].get("policy", report["data"])
    metrics = config.training.get("metrics")
    others = metrics if isinstance(metrics, dict) else {}
    measured = {**others, name: {**values, "clips": report["clips"]}}
    return dataclasses.replace(config, training={**config.training, "metrics": measured})


def figures_table(report: dict[str, Any], shown_only: bool = False) -> str:
    """The measured figures, or those that a README shows, beside what others published, as a Markdown table."""
    rows = _rows(report, shown_only)
    lines = [" | ".join(row) for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]
    return "\n".join(f"| {line} |" for line in lines)


def _rows(report: dict[str, Any], shown_only: bool = False) -> list[list[str]]:
    """The head of the table and a row for each figure."""
    game = game_of(report)
    rows = [["figure", "value", "n", *game.references]]
    for name, figure in table_of(game.figures).items():
        mean = at(report, name) or {}
        if mean.get("n") and (figure.shown or not shown_only):
            published = figure.published or ("–",) * len(game.references)
            rows.append([figure.label, told(mean, figure.digits), str(mean["n"]), *published])
    return rows


def _markdown(report: dict[str, Any]) -> str:
    parts = [
        f"{TITLE}{report['world']}",
        _told_how(report),
        figures_table(report),
        "\n".join(f"- {line}" for line in _others(report)),
        f"Figures over steps and pictures: [{PAGE}]({PAGE}). All values: [evaluation.json](evaluation.json).",
        game_of(report).sources,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _told_how(report: dict[str, Any]) -> str:
    settings = report["settings"]
    source = ", ".join(f"{key} {value}" for key, value in report["source"].items()) or "unknown source"
    return (
        f"On {report['clips']} clips of {report['data']} ({source}), at the world's own "
        f"settings: {settings['unmask_steps']} unmasking passes, temperature "
        f"{settings['temperature']:g}; seed {settings['seed']}. Means with 95 % confidence intervals over clips, "
        f"scenes or rollouts; n is how many. Long rollouts: {settings['rollouts']} of {settings['steps']} steps under "
        "each policy."
    )


def _others(report: dict[str, Any]) -> list[str]:
    """Lines on what is no mean: how codes are used, what they say of buttons, speed, and what was left out and why."""
    action, speed = report["latent_action"], report["speed"]
    lines = [f"share of steps by code: {' '.join(f'{share:.3f}' for share in action['code_histogram'])}"]
    lines += _about_asked(report["control"])
    if "nmi" in action:
        mapped = action["mapping_accuracy_200"]
        lines += [
            f"mutual information of codes and buttons, normalised: {action['nmi']:.3f}",
            f"buttons told from codes after 200 labels: {mapped['accuracy']:.3f} ± {mapped['ci95']:.3f} "
            f"(always the commonest: {mapped['commonest']:.3f})",
            f"button pressed most under each code: {', '.join(name or '–' for name in action['best_mapping'])}",
        ]
    memory = "" if speed["rss_mb"] is None else f", {speed['rss_mb']:.0f} MB"
    lines += [
        f"codebook usage of the tokenizer: {report['tokenizer']['codebook_usage']:.3f}",
        f"speed on this machine: {speed['fps']:.1f} frames/s on {speed['threads']} thread(s), a step "
        f"{speed['step_ms']['p50']:.1f} ms (p95 {speed['step_ms']['p95']:.1f}), {speed['gflop_per_frame']:.2f} GFLOP a "
        f"frame{memory}",
    ]
    return lines + [f"not measured, {name}: {reason}" for name, reason in report.get("not_measured", {}).items()]


def _about_asked(control: dict[str, Any]) -> list[str]:
    """Of which action is found again how often, and which two are hardest to tell apart."""
    lines = []
    if "found_again" in control:
        found = control["found_again"]
        shares = " ".join(f"{share:.3f}" for share in found["by_code"])
        lines.append(f"share of asked actions found again, by code: {shares} (chance: {found['chance']:.3f})")
    if "effects" in control:
        least = control["effects"]["least_clear"]
        one, other = least["actions"]
        lines.append(f"the two codes least clear of each other: {one} and {other}, {least['separation']:.2f} spreads")
    return lines


def _page(world: World, evaluation: Evaluation) -> str:
    report = evaluation.report
    others = "".join(f"<li>{escape(line)}</li>" for line in _others(report))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(report['world'])} measured</title>"
        f"<style>{STYLE}</style><h1>Figures of {escape(report['world'])}</h1>"
        f"<p>{escape(_told_how(report))}</p>"
        f"{html_table(*_rows(report))}<ul>{others}</ul>"
        f"<p><small>{escape(game_of(report).sources)}</small></p><h2>Over steps</h2><p class=plots>{_plots(report)}</p>"
        f"<h2>Clips</h2>{_clips(evaluation)}<h2>The actions</h2>{_actions(world, evaluation)}{_asked(world, report)}"
        f"<h2>Long play</h2>{_long_play(evaluation)}</html>\n"
    )


def html_table(head: list[str], *rows: list[str]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{lines}</table>"


def _plots(report: dict[str, Any]) -> str:
    fidelity, drift = report["rollout"], report["drift"]
    four = fidelity.get("four_frames", {})
    kinds = _policies(drift)
    player = [(kind, drift[kind]["player_by_10_steps"]) for kind in kinds if "player_by_10_steps" in drift[kind]]
    fidelities = [
        ("from one frame", fidelity["psnr_by_step"]),
        ("from four frames", four.get("psnr_by_step", [])),
        ("the picture shown again", fidelity["repeat_prompt"]["psnr_by_step"]),
    ]
    sharpness = [(kind, drift[kind]["sharpness_by_10_steps"]) for kind in kinds]
    drawn = [
        plot("Rollout against the real clip", "generated frame", "PSNR, dB", fidelities),
        plot("ΔPSNR", "generated frame", "dB", [("inferred minus random actions", report["delta_psnr"]["by_t"])]),
        plot("Gradient energy in long play", "step", "of the picture's", sharpness, x_step=10),
    ]
    found = report["control"].get("found_again")
    if found:
        chance = [found["chance"]] * len(found["by_step"])
        lines = [("all actions", found["by_step"]), ("chance", chance)]
        drawn.append(plot("Asked actions found again", "step held", "share", lines))
    if player:
        drawn.append(plot("Player still there", "step", "share of rollouts", player, x_step=10))
    return "".join(f'<img src="{address}" alt="">' for address in drawn)


def _clips(evaluation: Evaluation) -> str:
    chosen = np.linspace(0, len(evaluation.strips.truth) - 1, SHOWN_CLIPS).astype(int)
    names = ["real", "inferred actions", "random actions"]
    sheets = [_sheet(names, [rows[clip, :SHOWN_FRAMES] for rows in evaluation.strips]) for clip in chosen]
    told = "Real clips, each also played from its first frame: with the actions inferred from it, and with random ones."
    return f"<p>{told}</p>{''.join(sheets)}"


def _actions(world: World, evaluation: Evaluation) -> str:
    clips = evaluation.strips.truth
    stillest = np.abs(clips[:, 1].astype(int) - clips[:, 0]).mean((1, 2, 3)).argmin()  # so that each action shows
    prompt = clips[stillest, 0]
    actions = world.config.actions
    held = np.repeat(np.arange(len(actions))[:, None], held_steps(world.config.fps), 1)
    played = rollout(world, np.repeat(prompt[None], len(actions), 0), held)
    return f"<p>Each held from one picture.</p>{_sheet([action.name for action in actions], list(played))}"


def _asked(world: World, report: dict[str, Any]) -> str:
    """Which actions were found where each was asked for, in shares, and how far apart the effects of each two are."""
    control = report["control"]
    names = [action.name for action in world.config.actions]
    tables = []
    if "found_again" in control:
        told = "Asked (rows) and found again (columns) by the world's own latent action model, shares of steps."
        tables.append((told, control["found_again"]["confusion"]))
    if "effects" in control:
        told = "Distance between the effects of two actions, in spreads over the clips; above 1 they are clear."
        tables.append((told, control["effects"]["separation"]))
    parts = []
    for told, table in tables:
        rows = [[name, *(f"{value:.2f}" for value in row)] for name, row in zip(names, table, strict=True)]
        parts.append(f"<p>{told}</p>{html_table(['', *names], *rows)}")
    return "".join(parts)


def _long_play(evaluation: Evaluation) -> str:
    drift = evaluation.report["drift"]
    names = [POLICIES[policy] for policy in _policies(drift)]
    told = f"<p>The picture and ten frames up to step {drift['steps']}.</p>"
    return told + _sheet(names, list(evaluation.long_play))


def _policies(drift: dict[str, Any]) -> list[str]:
    """The policies that were played, in the order of their pictures."""
    return [policy for policy in POLICIES if policy in drift]


def _sheet(names: list[str], rows: list[np.ndarray]) -> str:
    """Rows of frames as one picture, the name of each beside it."""
    items = "".join(f"<li>{escape(name)}</li>" for name in names)
    return f'<figure><ul>{items}</ul><img src="{strip(rows)}" alt=""></figure>'
