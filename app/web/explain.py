"""Looks into a world, as HTML: a picture as the world sees it, the effect of each action, the tokens."""

from __future__ import annotations

from html import escape
from io import BytesIO

import numpy as np
import torch
from PIL import Image

from app.web.player import data_url
from genie_core.engine import WorldEngine
from genie_core.rollout import rollout
from genie_core.world import World

HELD_STEPS = 12
TOGETHER = 4  # actions stepped as one batch: more would hold up the players
FRAME_MS = 160
HUES = 137.508  # degrees: neighbouring tokens get colours far apart


def before_and_after(engine: WorldEngine, prompt: np.ndarray) -> str:
    """The picture, uint8 (H, W, 3), beside the same after encoding, with a sentence on how familiar it is."""
    known = engine.familiarity(prompt)
    verdict = (
        "⚠ This world was trained on nothing like your picture. You can play it, but it will soon look different."
        if known.unfamiliar
        else "This world knows pictures like this one."
    )
    told = f"Familiarity {known.score:.2f} of 1. The two pictures match with a PSNR of {known.psnr:.1f} dB. {verdict}"
    figures = _figure(data_url(prompt), "your picture, fitted into a frame")
    figures += _figure(data_url(known.seen), "the world's copy of it")
    return f'<p class="verdict" data-unfamiliar="{known.unfamiliar}">{told}</p><div class="look">{figures}</div>'


def each_action(world: World, prompt: np.ndarray, seed: int) -> str:
    """The same prompt under each action, held for `HELD_STEPS` steps; stills for readers who want no motion."""
    names = [action.name for action in world.config.actions]
    figures = ""
    for first in range(0, len(names), TOGETHER):
        ids = range(first, min(first + TOGETHER, len(names)))
        held = np.tile(np.array(ids)[:, None], HELD_STEPS)
        films = rollout(world, np.repeat(prompt[None], len(ids), axis=0), held, seed)
        for action, film in zip(ids, films, strict=True):
            still = f'<source media="(prefers-reduced-motion: reduce)" srcset="{data_url(film[-1])}">'
            figures += _figure(data_url(film, _animation, "image/webp"), f"{action + 1}: {names[action]}", still)
    return f'<div class="look" data-actions="{len(names)}">{figures}</div>'


def tokens_of(world: World, prompt: np.ndarray) -> np.ndarray:
    """The token ids (h, w) of a picture, uint8 (H, W, 3)."""
    tokens: np.ndarray = world.encode(torch.from_numpy(prompt)[None, None])[0, 0].cpu().numpy()
    return tokens


def token_grid(tokens: np.ndarray) -> str:
    """Token ids (h, w) as a coloured table: equal tokens, equal colours."""
    cells = "".join(
        f'<span style="background:hsl({token * HUES % 360:.0f} 70% 72%)">{token}</span>' for token in tokens.flat
    )
    columns = f"grid-template-columns:repeat({tokens.shape[1]},1fr)"
    return f'<div class="tokens" role="img" aria-label="token grid" style="{columns}">{cells}</div>'


def _animation(film: np.ndarray) -> bytes:
    first, *rest = (Image.fromarray(frame) for frame in film)
    file = BytesIO()
    first.save(
        file, "WEBP", save_all=True, append_images=rest, duration=FRAME_MS, loop=0, lossless=True, quality=0, method=0
    )
    return file.getvalue()


def _figure(source: str, label: str, still: str = "") -> str:
    label = escape(label)
    return (
        f'<figure><picture>{still}<img src="{source}" alt="{label}"></picture><figcaption>{label}</figcaption></figure>'
    )
