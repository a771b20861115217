"""How much a few labels help the latent actions: trained anew for each share of labelled steps, judged by true buttons.

Minutes are those of the processor, on one thread, so that other work beside them takes nothing away.

    python tests/benchmarks/few_labels.py --data DATA … --judge DATA --minutes 3 0 0.0005 0.02 1
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

from genie_core import games
from genie_core.data import VideoDataset
from genie_core.evaluation.buttons import mapping_accuracy, mutual_information
from genie_core.pixels import to_model
from genie_core.training import learner as learner_file
from genie_core.training.learnt import labelled_steps, load_network
from genie_core.training.run import train
from genie_core.training.settings import load_settings

CLIPS, FRAMES = 250, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("shares", metavar="SHARE", type=float, nargs="+")
    args = parser.parse_args()
    torch.set_num_threads(1)
    learner_file.time = SimpleNamespace(perf_counter=time.process_time)  # type: ignore[attr-defined]
    for share in args.shares:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            train(args.data, out, stage="latent_action", minutes=args.minutes, quiet=True, labels=share)
            print(f"share {share:g}, {labelled_steps(out):,} labelled steps: {judge(out, args.judge)}", flush=True)


@torch.inference_mode()
def judge(out: Path, path: Path) -> str:
    """Figures of the latent actions of the run `out`, on clips of the data set `path`, less their first steps."""
    dataset = VideoDataset(path)
    settings = load_settings(out / "settings.toml", dataset.info.frame_size)
    network = load_network(out, "latent_action", games.latent_action_model(settings.networks.latent_action))
    past, whole = network.reach, network.reach + FRAMES + network.ahead
    starts = np.random.default_rng(3).choice(dataset.clip_starts(whole), CLIPS, replace=False)
    codes = []
    for part in np.split(starts, 10):
        clips = np.stack([dataset.clip(int(start), whole) for start in part])
        codes.append(network.infer(to_model(torch.from_numpy(clips))).indices[:, past : past + FRAMES - 1].numpy())
    found, true = np.concatenate(codes), np.stack([dataset.true_actions(int(start) + past, FRAMES) for start in starts])
    buttons = games.find(dataset.info.source.get("game")).buttons(true.astype(np.int64))
    told, shares = (
        mapping_accuracy(found, buttons),
        np.bincount(found.ravel(), minlength=settings.networks[1].num_actions),
    )
    return (
        f"accuracy of 200 labels {told['accuracy']:.3f} (commonest {told['commonest']:.3f}), mutual information "
        f"{mutual_information(found, buttons):.3f}, code is the button {(found == buttons).mean():.3f}, shares "
        f"{np.round(shares / found.size, 2)}"
    )


if __name__ == "__main__":
    main()
