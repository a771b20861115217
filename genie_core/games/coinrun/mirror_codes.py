"""Refit the codes of a world that finds them by rules, so that the codebook is its own mirror image.

    python -m genie_core.games.coinrun.mirror_codes --world checkpoints/coinrun --data DATA … --out WORLD

The codes are laid out by hand: START lists which eight there are, MIRROR their mirror images. k-means then moves them
to the data. This stays, in the wing of its game, until codes are learnt without a table. WORLD is there to start a
latent action stage from (`start_from`): a dynamics has to learn the new codes before it plays.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from genie_core.data import VideoDataset
from genie_core.games.coinrun.rules import POLE, KeyModel, Presumed, on_sphere
from genie_core.pixels import to_model
from genie_core.world import World

CLIPS, FRAMES, AT_ONCE, ROUNDS = 160, 12, 16, 80
# the scenery's motion in pixels, x right, y down, and for each code the code that is its mirror image
START = ((0.4, 0.0), (0.0, -3.0), (-0.5, 4.1), (0.0, 4.1), (0.0, 1.5), (0.5, 4.1), (-0.4, 0.0), (0.0, 0.0))
MIRROR = (6, 1, 5, 3, 4, 2, 0, 7)
FLIP = torch.tensor([-1.0, 1.0, 1.0])


@torch.inference_mode()
def surprises(network: KeyModel, dataset: VideoDataset) -> Tensor:
    """What keys may have done in CLIPS random clips, pixels (steps, 2); take-offs are held in half of them."""
    starts = np.random.default_rng(5).choice(dataset.clip_starts(FRAMES), CLIPS, replace=False)
    pixels = to_model(torch.from_numpy(np.stack([dataset.clip(int(start), FRAMES) for start in starts])))
    presumed = Presumed(held=torch.arange(CLIPS) % 4 > 1, push=torch.zeros(CLIPS))
    parts = zip(pixels.split(AT_ONCE), *(each.split(AT_ONCE) for each in presumed), strict=True)
    found = [network.surprise(network.observe(part), Presumed(*own))[0].flatten(0, 1) for part, *own in parts]
    return torch.cat(found)


def fit(points: Tensor, codes: Tensor) -> Tensor:
    """k-means on the unit sphere from `codes` (8, 3), tied to its mirror image, of points (n, 3)."""
    for _ in range(ROUNDS):
        nearest = (points @ codes.T).argmax(-1)
        sums = torch.zeros_like(codes).index_add(0, nearest, points)
        means = F.normalize(torch.where(sums.norm(dim=-1, keepdim=True) > 0, sums, codes), dim=-1)
        codes = F.normalize(means + FLIP * means[list(MIRROR)], dim=-1)
    return codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    world = World.from_pretrained(args.world)
    network = world.latent_action
    if not isinstance(network, KeyModel):
        parser.error(f"the codes of {args.world} follow no rules; name another --world")
    seen = torch.cat([surprises(network, VideoDataset(path)) for path in args.data])
    variance, middle = network.spread.running_var, network.spread.running_mean
    assert variance is not None and middle is not None  # BatchNorm tracks them here
    spread = variance.sqrt()
    middle[0] = 0
    points = on_sphere((torch.cat([seen, seen * FLIP[:2]]) - middle) / spread)
    codes = fit(points, on_sphere((torch.tensor(START) - middle) / spread))
    network.quantizer.codebook.copy_(codes)
    shares = torch.bincount((points @ codes.T).argmax(-1), minlength=len(codes)) / len(points)
    network.quantizer.usage.copy_(shares)
    places = codes[:, :2] / codes[:, 2:] * POLE * spread + middle
    for index, ((x, y), share) in enumerate(zip(places.tolist(), shares.tolist(), strict=True)):
        print(f"{index}: the scenery moves {x:+.2f}, {y:+.2f} px more than expected, in {share:.1%} of steps")
    world.save_pretrained(args.out)


if __name__ == "__main__":
    main()
