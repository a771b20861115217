"""One choice at a time, from scratch, the same minutes, clips and seed for each: what the log's tables come from.

Minutes are those of the processor, on one thread, so that other work beside them takes nothing away.

    python tests/benchmarks/ablations.py --run RUN --data DATA … --judge DATA … --minutes 6 VARIANT …

RUN holds the tokens and the settings of a hard world whose training is done; DATA is what it learns from, and --judge
names the sets that figures are taken on. A VARIANT is a network and what is other about it, as in `dynamics:tables`;
`dynamics:plain`, `tokenizer:plain` and `latent_action:plain` are what the others are compared with.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from genie_core import games
from genie_core.data import VideoDataset
from genie_core.data.scenes import draw_clips
from genie_core.evaluation import metrics
from genie_core.evaluation.buttons import mutual_information
from genie_core.layers.quantize import split_tokens
from genie_core.models import tokenizer as tokenizer_file
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_model
from genie_core.rollout import rollout
from genie_core.training import dynamics_stage
from genie_core.training import learner as learner_file
from genie_core.training.batches import Batches, Sample, load
from genie_core.training.clips import FrameClips, split_starts
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.grow import go_on_from
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.learner import Learner
from genie_core.training.learnt import load_network
from genie_core.training.processes import Machines, start
from genie_core.training.settings import DynamicsSettings, LatentActionSettings, TokenizerSettings, load_settings
from genie_core.training.stage import Batch, Stage
from genie_core.training.tokenizer_stage import TokenizerStage
from genie_core.training.tokens import TokenClips
from genie_core.world import World

EMA_DECAY = 0.98  # of a run of some hundred steps
JUDGED_CLIPS, HELD_OUT = 48, 64
HALF = 12_000  # clips of 24,064, which come in the order of the data they were drawn from


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--judge", type=Path, nargs="+", required=True)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("variants", metavar="VARIANT", nargs="+", choices=VARIANTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    judged = {path.name: VideoDataset(path) for path in args.judge}
    for variant in args.variants:
        torch.manual_seed(0)
        line = VARIANTS[variant](args.run, VideoDataset(*args.data), judged, args.minutes)
        print(f"{variant}: {line}", flush=True)


# ---- dynamics


class Tables(nn.Module):
    """A learnt vector for each value of each sub-token, in place of a linear map of bits."""

    def __init__(self, bits: int, factors: int, width: int) -> None:
        super().__init__()
        self.embed = nn.ModuleList(nn.Embedding(2 ** (bits // factors), width) for _ in range(factors))
        self.register_buffer("place", 2 ** torch.arange(bits // factors))

    def forward(self, bits: Tensor) -> Tensor:
        parts = rearrange(bits > 0, "... (f k) -> f ... k", f=len(self.embed))
        return torch.stack([e((part * self.place).sum(-1)) for e, part in zip(self.embed, parts, strict=True)]).sum(0)


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


class ChangedCountsDouble(DynamicsStage):
    """A token that is not what it was a frame before counts twice."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        tokens = batch["tokens"].long()
        entropy = F.cross_entropy

        def weighted(logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
            changed = (tokens[:, 1:] != tokens[:, :-1]).float() + 1
            weights = (changed / changed.mean())[..., None].expand(*changed.shape, self.network.config.token_factors)
            return entropy(logits, targets, reduction=reduction) * weights.flatten()

        with instead(dynamics_stage.F, "cross_entropy", weighted):
            return super().losses(batch)


class AdamW(DynamicsStage):
    """The same step for all parameters, none orthogonalised."""

    def configure_optimizers(self) -> Any:
        ours = super().configure_optimizers()
        groups = [{"params": group["params"], "weight_decay": 0.01} for group in ours.param_groups]
        return torch.optim.AdamW(groups, betas=(0.9, 0.95))


@contextmanager
def instead(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def dynamics(
    change: Callable[[DynamicsModel], None] = lambda network: None,
    stage: type[DynamicsStage] = DynamicsStage,
    pace: dict[str, Any] | None = None,
    clips: slice = slice(None),
    **config: Any,
) -> Callable[..., str]:
    def variant(run: Path, dataset: VideoDataset, judged: dict[str, VideoDataset], minutes: float) -> str:
        settings = load_settings(run / "settings.toml", dataset.info.frame_size)
        own = replace(settings.networks.dynamics, **{"width": 128, "heads": 4, "link_width": 256} | config)
        network = DynamicsModel(own)
        change(network)
        tokenizer_config, start = settings.networks.tokenizer, settings.tokenizer.start_from
        tokenizer = load_network(run, "tokenizer", VideoTokenizer(tokenizer_config), start)
        paced = DynamicsSettings(minutes=minutes, batch_size=6, decay=0.65)
        taught = stage(network, replace(paced, **pace or {}), tokenizer)
        sample = TokenClips(run / "tokens" / "train", 6)
        sample.tokens, sample.actions = sample.tokens[clips], sample.actions[clips]
        steps, averaged = learn(taught, sample)
        world = World.from_pretrained(settings.latent_action.start_from or run / "world")
        factors = {"token_factors": own.token_factors}
        world.config = replace(
            world.config,
            tokenizer=replace(tokenizer_config, **factors),
            dynamics=own,
            sampling=settings.sampling,
        )
        world.tokenizer, world.dynamics = tokenizer, network.eval()
        nats = [held_out_nats(each.eval(), run / "tokens" / "held_out") for each in (network, averaged)]
        size = sum(p.numel() for p in network.parameters()) / 1e6
        told = f"{size:.2f} M parameters, {steps} steps, {nats[0]:.3f} nats a token held out (averaged {nats[1]:.3f})"
        for name, data in judged.items():
            drawn = draw_clips(data, JUDGED_CLIPS, 11, 11)
            real = drawn.frames
            actions = world.infer_actions(torch.from_numpy(real)).numpy()
            played = np.concatenate([rollout(world, real[i : i + 16, 0], actions[i : i + 16], i) for i in (0, 16, 32)])
            told += f"; {name} {metrics.psnr(real[:, 1:], played[:, 1:]).mean():.2f} dB"
        return told

    return variant


@torch.inference_mode()
def held_out_nats(network: DynamicsModel, folder: Path) -> float:
    """Nats a whole token, of next frames of held-out clips given their true past."""
    clips = TokenClips(folder, 1)
    chosen = np.linspace(0, len(clips.tokens) - 1, HELD_OUT).astype(int)
    c, total = network.config, 0.0
    for rows in np.split(chosen, HELD_OUT // 8):
        tokens, actions = (torch.from_numpy(each[rows]).long() for each in (clips.tokens, clips.actions))
        logits = network(tokens, torch.full_like(tokens, c.mask_id), actions).logits(tokens)[:, 1:]
        targets = split_tokens(tokens[:, 1:], c.token_factors, c.factor_vocabulary)
        errors = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none").view(targets.shape)
        total += float(errors.sum(-1).mean()) * len(rows) / HELD_OUT
    return total


def tables(network: DynamicsModel) -> None:
    c = network.config
    network.token_embed = Tables(c.code_bits, c.token_factors, c.width)  # type: ignore[assignment]


def no_neighbours(network: DynamicsModel) -> None:
    for block in network.blocks:
        block.mlp.depthwise = Nothing()  # type: ignore[union-attr,assignment]


# ---- tokenizer


class Adversarial(TokenizerStage):
    """A small critic of patches learns to tell real pictures from rebuilt ones, and the decoder to pass (hinge)."""

    WEIGHT, AFTER = 0.05, 0.3  # from so much of the minutes on

    def __init__(self, network: VideoTokenizer, settings: TokenizerSettings) -> None:
        super().__init__(network, settings)
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 32), (32, 64), (64, 64)):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        critic = nn.Sequential(*layers, nn.Conv2d(64, 1, 3, padding=1))
        self._critic = [critic, torch.optim.AdamW(critic.parameters(), 4e-4, (0.5, 0.9))]

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        told = super().losses(batch)
        if self.training and self.progress > self.AFTER:
            critic, optimizer = self._critic
            pixels = to_model(batch["frames"])
            real, rebuilt = (rearrange(x, "b c t h w -> (b t) c h w") for x in (pixels, self.network(pixels).pixels))
            with torch.enable_grad():
                wrong = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(rebuilt.detach())).mean()
                optimizer.zero_grad()
                wrong.backward()
                optimizer.step()
            told["loss"] = told["loss"] - self.WEIGHT * critic.requires_grad_(False)(rebuilt).mean()
            critic.requires_grad_(True)
        return told


def tokenizer(
    stage: type[TokenizerStage] = TokenizerStage, start_from: str | None = None, temporal_frames: int = 3, **config: Any
) -> Callable[..., str]:
    def variant(run: Path, dataset: VideoDataset, judged: dict[str, VideoDataset], minutes: float) -> str:
        own = load_settings(run / "settings.toml", dataset.info.frame_size).networks.tokenizer
        with instead(tokenizer_file, "TEMPORAL_FRAMES", temporal_frames):
            network = VideoTokenizer(replace(own, **config))
        if start_from:
            go_on_from(network, World.from_pretrained(start_from).tokenizer)
        starts, _ = split_starts(dataset, 4, 50)
        steps, _ = learn(stage(network, TokenizerSettings(minutes=minutes)), FrameClips(dataset, starts, 4, 16))
        told, network = f"{steps} steps", network.eval()
        for name, data in judged.items():
            clips = draw_clips(data, JUDGED_CLIPS, 11, 11).frames
            with torch.inference_mode():
                pixels = [network(to_model(torch.from_numpy(rows))).pixels for rows in np.split(clips, 6)]
            frames = torch.cat(pixels).add(1).mul(127.5).round().clamp(0, 255).byte()
            rebuilt = rearrange(frames, "b c t h w -> b t h w c").numpy()
            energy = metrics.sharpness(rebuilt) / metrics.sharpness(clips)
            told += f"; {name} {metrics.psnr(clips, rebuilt).mean():.2f} dB / {metrics.ssim(clips, rebuilt).mean():.3f}"
            told += f", energy {energy.mean():.2f}"
        return told

    return variant


# ---- latent actions


def latent_action(**config: Any) -> Callable[..., str]:
    def variant(run: Path, dataset: VideoDataset, judged: dict[str, VideoDataset], minutes: float) -> str:
        own = load_settings(run / "settings.toml", dataset.info.frame_size).networks.latent_action
        network = games.latent_action_model(replace(own, **config))
        starts, _ = split_starts(dataset, 20, 50)
        stage = LatentActionStage(network, LatentActionSettings(minutes=minutes))
        steps, _ = learn(stage, FrameClips(dataset, starts, 20, 12))
        told, network = f"{steps} steps", network.eval()
        for name, data in judged.items():
            clips = draw_clips(data, 4 * JUDGED_CLIPS, 20, 20)
            assert clips.true_actions is not None
            with torch.inference_mode():
                codes = [network.infer(to_model(torch.from_numpy(rows))).indices for rows in np.split(clips.frames, 12)]
            chosen = torch.cat(codes).numpy()
            buttons = games.find(data.info.source.get("game")).buttons(clips.true_actions)
            shared = mutual_information(chosen[:, 4:], buttons[:, 4:])
            shares = np.bincount(chosen.ravel(), minlength=network.config.num_actions) / chosen.size
            told += f"; {name} {shared:.3f} of the keys' information, {(shares > 0.01).sum()} codes in use"
        return told

    return variant


def learn(stage: Stage, sample: Sample) -> tuple[int, nn.Module]:
    """Trains for the minutes of its settings; the steps taken, and the moving average of the network's weights."""
    averaged = AveragedModel(stage.network, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)

    learner = Learner(stage, start(Machines("cpu")), Path(), seed=0)
    with instead(learner_file, "time", SimpleNamespace(perf_counter=time.process_time)):
        learner.start_clock()
        for batch in load(Batches(sample, 0)):
            learner.step([(batch, 0, sample.batch_size)], stop_asked=False)
            averaged.update_parameters(stage.network)
            if stage.progress >= 1:
                break
    return stage.step, averaged.module


VARIANTS: dict[str, Callable[..., str]] = {
    "dynamics:plain": dynamics(),
    "dynamics:tables": dynamics(tables),
    "dynamics:unlinked": dynamics(link_width=None),
    "dynamics:bits": dynamics(link_width=None, token_factors=24),
    "dynamics:bits-linked": dynamics(link_width=64, token_factors=24),
    "dynamics:six-parts-linked": dynamics(token_factors=6),
    "dynamics:no-neighbours": dynamics(no_neighbours),
    "dynamics:wider": dynamics(width=192, heads=6),
    "dynamics:deeper": dynamics(layers=8),
    "dynamics:wide-flat": dynamics(width=192, heads=6, layers=2),
    "dynamics:context-2": dynamics(context_frames=2),
    "dynamics:context-4": dynamics(context_frames=4),
    "dynamics:context-11": dynamics(context_frames=11),
    "dynamics:first-data-only": dynamics(clips=slice(HALF)),
    "dynamics:second-data-only": dynamics(clips=slice(-HALF, None)),
    "dynamics:true-contexts": dynamics(pace={"flipped_bits": 0.0, "own_context": 0.0}),
    "dynamics:flipped-bits-only": dynamics(pace={"own_context": 0.0}),
    "dynamics:changed-count-double": dynamics(stage=ChangedCountsDouble),
    "dynamics:constant-rates": dynamics(pace={"decay": 0.0}),
    "dynamics:adamw": dynamics(stage=AdamW, pace={"muon_learning_rate": 1.5e-3}),
    "tokenizer:plain": tokenizer(),
    "tokenizer:16x16": tokenizer(channels=(32, 64), code_bits=6, token_factors=1),
    "tokenizer:frames-alone": tokenizer(temporal_frames=1),
    "tokenizer:from-easy": tokenizer(start_from="checkpoints/coinrun"),
    "tokenizer:adversarial": tokenizer(Adversarial),
    "latent_action:plain": latent_action(),
    "latent_action:history-2": latent_action(context_frames=2),
    "latent_action:history-16": latent_action(context_frames=16),
    "latent_action:4-codes": latent_action(num_actions=4),
    "latent_action:16-codes": latent_action(num_actions=16),
    "latent_action:from-pixels": latent_action(horizon=None),
    "latent_action:horizon-2": latent_action(horizon=2),
    "latent_action:horizon-10": latent_action(horizon=10),
}

if __name__ == "__main__":
    main()
