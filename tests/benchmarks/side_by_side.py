"""Times one frame of our dynamics beside recomputing it and beside public peers, in one run on one machine.

    python tests/benchmarks/side_by_side.py [--xgpt CLONE_OF_1xgpt] [--tinyworlds CLONE_OF_tinyworlds]

All at the same token grid, width, depth, context and number of unmasking passes, with fresh weights, batch 1, decoding
left out. Peers run as they are, from clones that you make; nothing of them is part of this project. Packages that
1xgpt imports and does not use here are stood in for where they are not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from genie_core.config import DynamicsConfig
from genie_core.models.dynamics import DynamicsModel, Prediction
from genie_core.sampling import reveal

GRID, WIDTH, LAYERS, HEADS, CONTEXT, PASSES = 8, 128, 4, 4, 16, 2
TOKENS, REPEATS = 2**18, 60


def ours() -> tuple[Callable[[], object], Callable[[], object]]:
    """A frame by the engine's cached passes, and by recomputing all frames in each pass."""
    config = DynamicsConfig(
        (GRID, GRID), num_actions=8, width=WIDTH, layers=LAYERS, heads=HEADS, context_frames=CONTEXT
    )
    network = DynamicsModel(config).eval()
    clip = torch.randint(TOKENS, (1, CONTEXT + 1, GRID, GRID))
    actions = torch.randint(8, (1, CONTEXT + 1))
    shape, ages = (1, GRID * GRID, HEADS, CONTEXT, WIDTH // HEADS), torch.arange(CONTEXT + 2).clamp(max=CONTEXT + 1)
    keys, values = ([torch.randn(shape) for _ in range(LAYERS)] for _ in range(2))
    blank = torch.full((1, GRID * GRID), config.mask_id)
    noise = torch.zeros(1, PASSES, 1, config.token_factors, 1), torch.zeros(1)

    def cached() -> torch.Tensor:
        pasts = network.pasts(keys, values, ages.expand(1, 2, -1))
        both = torch.stack([clip[:, -1].flatten(1), blank], 1)
        first, lasts = network.play(both, actions[:, -2:], pasts, None)
        later = [past._replace(bias=past.bias[..., 1:, :]) for past in pasts]

        def predict(draft: torch.Tensor) -> Prediction:
            return first if draft is blank else network.play(draft[:, None], actions[:, -1:], later, lasts)[0]

        return reveal(predict, blank, config.mask_id, *noise)

    def predict(draft: torch.Tensor) -> Prediction:
        x = network.embed(torch.cat([clip[:, 1:], draft.view(1, 1, GRID, GRID)], 1), actions)
        for block in network.blocks:
            x, _ = block(x)
        return Prediction(network.norm(x[:, -1]), network)

    return cached, lambda: reveal(predict, blank, config.mask_id, *noise)


def xgpt(clone: Path) -> Callable[[], object]:
    """1xgpt's ST-MaskGIT: 2x512 factorised vocabulary, random order."""
    os.environ["XFORMERS_DISABLED"] = "true"
    unused = {
        "mup": {"MuReadout": torch.nn.Linear},
        "xformers": {},
        "xformers.ops": dict.fromkeys(("LowerTriangularMask", "memory_efficient_attention", "unbind")),
        "huggingface_hub": {"PyTorchModelHubMixin": object},
        "transformers": {},
        "transformers.utils": {"ModelOutput": dict},
    }
    missing = {name for name in unused if importlib.util.find_spec(name.split(".")[0]) is None}
    for name in sorted(missing):
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(unused[name])
    sys.path.insert(0, str(clone))
    from genie import st_mask_git  # type: ignore[import-not-found]
    from genie.config import GenieConfig  # type: ignore[import-not-found]

    st_mask_git.tqdm = iter  # no bar in the timings
    config = GenieConfig(LAYERS, HEADS, WIDTH, T=CONTEXT + 1, S=GRID**2, image_vocab_size=TOKENS, num_factored_vocabs=2)
    network = st_mask_git.STMaskGIT(config).eval()
    prompt = torch.randint(TOKENS, (1, CONTEXT + 1, GRID, GRID))

    def frame() -> object:
        prompt[:, CONTEXT] = network.mask_token_id
        return network.maskgit_generate(prompt, CONTEXT, maskgit_steps=PASSES)

    return frame


def tinyworlds(clone: Path) -> Callable[[], object]:
    """tinyworlds' dynamics: 1,024 codes, its own schedule."""
    sys.path.insert(0, str(clone))
    from models.dynamics import DynamicsModel as Peer  # type: ignore[import-not-found]

    network = Peer((64, 64), 8, WIDTH, HEADS, 4 * WIDTH, LAYERS, num_bins=4, conditioning_dim=3, latent_dim=5).eval()
    context, actions = torch.randn(1, CONTEXT, GRID**2, 5), torch.zeros(1, CONTEXT + 1, 3)

    def decode(indices: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*indices.shape, 5)

    return lambda: network.forward_inference(context, 1, PASSES, decode, conditioning=actions)


def median_ms(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Medians of calls taken in turn, so that a disturbance meets all alike."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(REPEATS + 5):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if repeat >= 5:
                took[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(times)) for name, times in took.items()}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xgpt", type=Path, help="a clone of github.com/1x-technologies/1xgpt")
    parser.add_argument("--tinyworlds", type=Path, help="a clone of github.com/AlmondGod/tinyworlds")
    args = parser.parse_args()
    cached, uncached = ours()
    calls = {"ours, cached": cached, "ours, recomputing": uncached}
    if args.xgpt:
        calls["1xgpt"] = xgpt(args.xgpt)
    if args.tinyworlds:
        calls["tinyworlds"] = tinyworlds(args.tinyworlds)
    print(f"{GRID}x{GRID} tokens, {LAYERS} layers of {WIDTH}, {CONTEXT} frames of context, {PASSES} passes a frame")
    for threads in (1, torch.get_num_threads()):
        torch.set_num_threads(threads)
        found = median_ms(calls)
        for name, ms in found.items():
            print(f"{threads} thread(s)  {name:20} {ms:8.1f} ms a frame  {ms / found['ours, cached']:5.1f}x ours")


if __name__ == "__main__":
    main()
