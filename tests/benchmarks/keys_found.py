"""How many asked keys can be found again in the real game: what `control.found_again` of a world is to be read against.

    python tests/benchmarks/keys_found.py --data DATA --lives 400

DATA is a recording of CoinRun. From wherever its policy has led in each life, on its levels, every key is held for as
long as an action is in `--evaluate`. A small net is *taught* the keys on three lives in four, and asked on the fourth.
It sees the motions that latent actions are found from, of the same steps around each step. It knows more than a world's
own codes, which nobody tells.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from itertools import count, islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
import torch.nn.functional as F
from real_game import BEGINNING, step
from torch import Tensor, nn

from genie_core.actions.naming import held_steps
from genie_core.config import LatentActionConfig
from genie_core.evaluation.asked import FOUND, found_again
from genie_core.games.coinrun.record import ACTIONS, FPS, FRAME_SIZE, POLICIES, open_coinrun
from genie_core.models.foretelling import AHEAD, PAST_STEPS, ForetellingModel, repeat_last
from genie_core.pixels import to_model

KEYS, HELD = list(ACTIONS.values()), held_steps(FPS)
FOLDS, STEPS, BATCH, RATE = 4, 1500, 512, 1e-3
WIDEST = 24  # directions along which motions vary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lives", type=int, default=400)
    args = parser.parse_args()
    if args.lives < FOLDS:
        parser.error(f"--lives {args.lives} is too few, expected {FOLDS} or more")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    source = json.loads((args.data / "dataset.json").read_text())["source"]
    look = ForetellingModel(LatentActionConfig((FRAME_SIZE, FRAME_SIZE), len(KEYS), horizon=1)).eval()
    with torch.inference_mode():
        lives = islice(filter(None, (held(source, seed) for seed in count())), args.lives)
        around = windows(torch.stack([look.observe(to_model(torch.from_numpy(np.stack(clips)))) for clips in lives]))
    samples = found_again(told(around))
    values, confusion = samples.values[f"{FOUND}.value"], samples.facts[f"{FOUND}.confusion"]
    error = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    print(f"{args.data.name}: {values.mean():.3f} ± {error:.3f} found again, chance {1 / len(KEYS):.3f}")
    print("by step", ", ".join(f"{share:.2f}" for share in samples.curves[f"{FOUND}.by_step"]))
    print("of the steps with each key, the share taken for", ", ".join(ACTIONS))
    for name, row in zip(ACTIONS, confusion, strict=True):
        print(f"{name:10}", ", ".join(f"{share:.2f}" for share in row))


def held(source: dict[str, Any], seed: int) -> list[np.ndarray] | None:
    """For every key, frames uint8 (t, H, W, 3) in which it is held from one moment of a life on, and some before.

    None if the life ends within them, for another level's first frame tells of no key.
    """
    rng, env = random.Random(seed), open_coinrun(tuple(source["levels"]), source["mode"], seed)
    actions = POLICIES[source["policy"]].actions(rng)
    before = [seen(env, action) for action in islice(actions, PAST_STEPS + 1 + rng.randint(0, BEGINNING))]
    before, moment, clips = before[-PAST_STEPS - 1 :], env.callmethod("get_state"), []
    for key in KEYS:
        env.callmethod("set_state", moment)
        frames, begins = zip(*before, *(seen(env, key) for _ in range(HELD)), strict=True)
        if any(begins[1:]):
            return None
        clips.append(np.stack(frames))
    return clips


def seen(env: Any, action: int) -> tuple[np.ndarray, bool]:
    """The frame after `action`, and whether another level begins with it."""
    frame = step(env, action)
    return frame, bool(env.observe()[2][0])


def windows(motions: Tensor) -> Tensor:
    """Motions (lives, keys, t, d) to those around each step for which a key is held, (lives, keys, HELD, w)."""
    flat = motions.flatten(0, 2)
    _, _, directions = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    widest = (motions - flat.mean(0)) @ directions[:WIDEST].T
    steps = repeat_last((widest / widest.flatten(0, 2).std(0)).flatten(0, 1), AHEAD).unflatten(0, motions.shape[:2])
    return steps.unfold(2, PAST_STEPS + 1 + AHEAD, 1).flatten(3)


def told(around: Tensor) -> np.ndarray:
    """The key told for each step of `around` (lives, keys, HELD, w), by number, by nets not taught on that life."""
    keys = torch.arange(around.shape[1])[None, :, None].expand(around.shape[:-1])
    found, fold = torch.empty_like(keys), torch.arange(len(around)) % FOLDS
    for asked in range(FOLDS):
        net = taught(around[fold != asked].flatten(0, 2), keys[fold != asked].flatten())
        found[fold == asked] = net(around[fold == asked]).argmax(-1)
    return found.numpy()


def taught(around: Tensor, keys: Tensor) -> nn.Module:
    width = 128
    hidden = (nn.Linear(width, width), nn.GELU(), nn.Dropout(0.3), nn.Linear(width, len(KEYS)))
    net = nn.Sequential(nn.Linear(around.shape[-1], width), nn.GELU(), nn.Dropout(0.3), *hidden)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.02)
    for number in range(STEPS):
        rows = torch.randint(len(keys), (BATCH,))
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - number / STEPS)
        optimizer.zero_grad()
        F.cross_entropy(net(around[rows]), keys[rows]).backward()
        optimizer.step()
    return net.eval()


if __name__ == "__main__":
    main()
