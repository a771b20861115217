"""Find out what a world's doubt is worth, and from what doubt on it is to say that it guesses.

    python -m genie_core.tools.calibrate_doubt --world WORLD --data DATA [--clips N] [--plot FILE.png] [--write]

DATA are recordings that the world was not trained on. With --write the threshold goes into the world's config.json, as
`guessing_above`; --plot draws the share of wrong tokens against doubt.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from genie_core.data import VideoDataset
from genie_core.data.scenes import draw_clips
from genie_core.evaluation.doubt import Calibration, calibrate
from genie_core.files import write_whole
from genie_core.world import World

LENGTH = 17  # frames of a clip


def draw(calibration: Calibration, above: float, world: str, file: Path) -> None:
    """A plot of `calibration` with the threshold `above`, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    doubt, wrong, interval, _ = zip(*calibration.bins(), strict=True)
    figure = Figure(figsize=(5.6, 3.4), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.errorbar(doubt, wrong, interval, color="#2b6cb0", marker="o", ms=4, lw=1.6, capsize=3)
    axes.axvspan(above, max(*doubt, above * 1.05), color="#c05621", alpha=0.15, label="says that it guesses")
    axes.set(xlabel="doubt: mean −log p of the tokens drawn, nats", ylabel="share of wrong tokens", ylim=(0, None))
    axes.set_title(f"{world}: {len(calibration.doubt):,} held-out steps in {len(doubt)} bins", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=128)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    world = World.from_pretrained(args.world)
    clips = draw_clips(VideoDataset(args.data), args.clips, LENGTH, LENGTH).frames
    calibration = calibrate(world, clips, world.infer_actions(torch.from_numpy(clips)).cpu().numpy())
    above = round(calibration.guessing_above, 4)
    sure, guessed = calibration.shares(above)
    print(f"{len(calibration.doubt)} steps; Spearman's correlation of doubt and error {calibration.correlation:.3f}")
    for doubt, wrong, interval, count in calibration.bins():
        print(f"doubt {doubt:.3f}: {wrong:.3f} ± {interval:.3f} of tokens wrong, n = {count}")
    print(f"guesses above {above}: {guessed:.3f} of tokens wrong there, {sure:.3f} elsewhere")
    if args.plot:
        draw(calibration, above, world.name, args.plot)
    if args.write:
        config = Path(args.world) / "config.json"
        values = json.loads(config.read_text(encoding="utf-8")) | {"guessing_above": above}
        write_whole(config, (json.dumps(values, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
