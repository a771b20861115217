"""Looks into a world, as HTML: what it makes of a picture, the effect of each action, the tokens."""

from __future__ import annotations

from html import escape

import numpy as np
import torch

from app.play.keymap import doubles
from app.web.attract import animation
from app.web.told import data_url
from genie_core.config import TokenizerConfig
from genie_core.engine import WorldEngine
from genie_core.rollout import rollout
from genie_core.world import World

HELD_STEPS = 12
TOGETHER = 4  # actions stepped as one batch: more would hold up the players
FRAME_MS = 160
COPY = "numbers, called tokens, are all that the network which plays sees of this picture."
CHANGES = "tokens say how the last picture becomes this one. The dynamics sees them beside the pictures."
NO_TOKENS = "A start picture has no tokens: this world sees the picture itself. Tokens say how each next one differs."
STILL = "the same after one step in which nothing changes"


def before_and_after(engine: WorldEngine, prompt: np.ndarray) -> str:
    """The picture, uint8 (H, W, 3), beside what the world makes of it, with a sentence on how familiar it is."""
    known = engine.familiarity(prompt)
    verdict = (
        "⚠ This world was trained on nothing like your picture. You can play it, but it will soon look different."
        if known.unfamiliar
        else "This world knows pictures like this one."
    )
    match = f"the two pictures match with a PSNR of {known.psnr:.1f} dB"
    told = f"{verdict} Familiarity {100 * known.score:.0f} of 100; {match}."
    figures = _figure(data_url(prompt), "your picture, fitted into a frame")
    reference = engine.world.config.tokenizer.reference  # the picture itself is what play starts from
    figures += _figure(data_url(known.seen), STILL if reference else "the world's copy of it")
    return f'<p class="verdict" data-unfamiliar="{known.unfamiliar}">{told}</p><div class="look">{figures}</div>'


def each_action(world: World, prompt: np.ndarray) -> str:
    """The same prompt under each action, held for `HELD_STEPS` steps; stills for readers who want no motion."""
    names = [action.name for action in world.config.actions]
    twins = doubles(world.config.actions)
    figures = ""
    for first in range(0, len(names), TOGETHER):
        ids = range(first, min(first + TOGETHER, len(names)))
        held = np.tile(np.array(ids)[:, None], HELD_STEPS)
        films = rollout(world, np.repeat(prompt[None], len(ids), axis=0), held, 0)
        for action, film in zip(ids, films, strict=True):
            still = f'<source media="(prefers-reduced-motion: reduce)" srcset="{data_url(film[-1])}">'
            moving = data_url(film, lambda film: animation(film, FRAME_MS), "image/webp")
            told = f"much like {names[twins[action]]}" if action in twins else names[action]
            figures += _figure(moving, f"{action + 1}: {told.replace('_', ' ')}", still)
    return f'<div class="look" data-actions="{len(names)}">{figures}</div>'


def tokens_of(world: World, prompt: np.ndarray) -> np.ndarray | None:
    """The token ids (h, w) of a start picture, uint8 (H, W, 3); None if the world starts from the picture itself."""
    if world.config.tokenizer.reference:
        return None
    tokens: np.ndarray = world.encode(torch.from_numpy(prompt)[None, None])[0, 0].cpu().numpy()
    return tokens


def token_grid(tokens: np.ndarray | None, picture: np.ndarray, config: TokenizerConfig) -> str:
    """Token ids (h, w) as coloured squares over the picture, uint8 (H, W, 3), that they stand for; None have none."""
    if tokens is None:
        return f"<p>{NO_TOKENS}</p>"
    bits = config.code_bits
    rows, columns = tokens.shape
    cells = "".join(
        f'<span style="background:rgb({_colour(int(token), bits)} / .5)" title="token {token}">{token}</span>'
        for token in tokens.flat
    )
    style = (
        f"grid-template:repeat({rows},1fr) / repeat({columns},1fr);aspect-ratio:{picture.shape[1]}/{picture.shape[0]}"
    )
    style += f";background-image:url({data_url(picture)})"
    told = f"{tokens.size} {CHANGES if config.reference else COPY} Each has {bits} bits and lies over the pixels that "
    told += f"it {'changes' if config.reference else 'stands for'}. Numbers that share most bits have similar colours."
    label = f'role="img" aria-label="the tokens of the picture, {rows} rows of {columns}"'
    grid = f'<div class="tokens" {label} style="{style}">{cells}</div>'
    return f'<figure class="grid">{grid}<figcaption>{told}</figcaption></figure>'


def _colour(token: int, bits: int) -> str:
    """Red, green and blue, each by a third of the token's bits."""
    share = -(-bits // 3)
    parts = ((token >> (share * part)) & (2**share - 1) for part in range(3))
    return " ".join(str(round(255 * part / (2**share - 1))) for part in parts)


def _figure(source: str, label: str, still: str = "") -> str:
    label = escape(label)
    return (
        f'<figure><picture>{still}<img src="{source}" alt="{label}"></picture><figcaption>{label}</figcaption></figure>'
    )
