"""The three stages, each with its network and how it draws batches to learn from and to be judged by."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lightning.fabric import Fabric

from genie_core import games
from genie_core.config import UNKNOWN_GAME, WorldConfig
from genie_core.data.dataset import VideoDataset
from genie_core.errors import ConfigError, DataError
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.foretelling import AHEAD
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizers import Tokenizer, build_tokenizer
from genie_core.training.batches import Sample
from genie_core.training.clips import FrameClips, split_starts
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.films import Films
from genie_core.training.labels import labelled_buttons
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.learnt import labelled_steps, load_network
from genie_core.training.probes import CLIPS, STEPS
from genie_core.training.processes import by_first
from genie_core.training.reference_stage import ReferenceTokenizerStage
from genie_core.training.saved import load_state
from genie_core.training.settings import DynamicsSettings, LatentActionSettings, TrainingSettings
from genie_core.training.stage import Stage
from genie_core.training.tokenizer_stage import TokenizerStage
from genie_core.training.tokens import TokenClips, networks_origin, write_tokens
from genie_core.world import World

LOOK_CLIPS = 16
LOOK_FRAMES = 16  # of films, so that one sees how pictures wear
HELD_OUT_TOKEN_CLIPS = 256


class Built(NamedTuple):
    """A stage, how it draws batches, and how held-out ones are drawn."""

    stage: Stage
    sample: Sample
    look: Sample


class Builder(NamedTuple):
    """What the stages of a run are built from."""

    settings: TrainingSettings
    dataset: VideoDataset
    out: Path
    seed: int
    fabric: Fabric
    quiet: bool

    def check(self, names: Iterable[str]) -> None:
        """Raise what is wrong with the data for any of these stages, DataError or ConfigError, before the first."""
        ahead = AHEAD if self.settings.networks.latent_action.horizon is not None else 0
        for name in names:
            own = self.settings.stage(name)
            frames = own.written_frames + ahead if isinstance(own, DynamicsSettings) else own.clip_frames
            split_starts(self.dataset, frames, self.settings.held_out_every)
            if isinstance(own, LatentActionSettings):
                self._buttons()

    def build(self, name: str) -> Built:
        """The stage `name`. The dynamics has its tokens written, by rank 0."""
        made: Built = {"tokenizer": self._tokenizer, "latent_action": self._latent_action, "dynamics": self._dynamics}[
            name
        ]()
        return made

    def _tokenizer(self) -> Built:
        own, tokenizer = self.settings.tokenizer, build_tokenizer(self.settings.networks.tokenizer)
        starts, held_out = split_starts(self.dataset, own.clip_frames, self.settings.held_out_every)
        if isinstance(tokenizer, ReferenceTokenizer):
            return Built(
                ReferenceTokenizerStage(tokenizer, own),
                Films(self.dataset, starts, own.clip_frames, own.batch_size, own.recoloured),
                self._held_out_films(),
            )
        return Built(
            TokenizerStage(tokenizer, own),
            FrameClips(self.dataset, starts, own.clip_frames, own.batch_size),
            FrameClips(self.dataset, held_out, own.clip_frames, LOOK_CLIPS),
        )

    def _held_out_films(self) -> FrameClips:
        """Clips of LOOK_FRAMES frames, or of as many as a window has where episodes are shorter."""
        window, every = self.settings.tokenizer.clip_frames, self.settings.held_out_every
        length = max(window, LOOK_FRAMES)
        try:
            _, held_out = split_starts(self.dataset, length, every)
        except DataError:
            length = window
            _, held_out = split_starts(self.dataset, length, every)
        return FrameClips(self.dataset, held_out, length, LOOK_CLIPS)

    def _latent_action(self) -> Built:
        own, config = self.settings.latent_action, self.settings.networks.latent_action
        starts, held_out = split_starts(self.dataset, own.clip_frames, self.settings.held_out_every)
        buttons = self._buttons()
        told, before = 0 if buttons is None else int((buttons >= 0).sum()), labelled_steps(self.out)
        if before not in (None, told):
            raise ConfigError(
                f"the run {self.out} learns from {before:,} labelled steps, not {told:,}; give the same --labels"
            )
        return Built(
            LatentActionStage(games.latent_action_model(config), own, told),
            FrameClips(self.dataset, starts, own.clip_frames, own.batch_size, buttons),
            FrameClips(self.dataset, held_out, own.clip_frames, LOOK_CLIPS),
        )

    def _buttons(self) -> np.ndarray | None:
        """The buttons that the latent actions are told, if any. A stage that goes on has those that it began with."""
        own = self.settings.latent_action
        if not own.labels:
            return None
        seed = load_state(self.out, "latent_action").get("seed", self.seed)
        steps, _ = split_starts(self.dataset, 2, self.settings.held_out_every)
        count = self.settings.networks.latent_action.num_actions
        return labelled_buttons(self.dataset, steps, own.labels, count, seed)

    def _dynamics(self) -> Built:
        own, configs = self.settings.dynamics, self.settings.networks
        tokenizer = load_network(
            self.out, "tokenizer", build_tokenizer(configs.tokenizer), self.settings.tokenizer.start_from
        )
        latent_action = load_network(
            self.out,
            "latent_action",
            games.latent_action_model(configs.latent_action),
            self.settings.latent_action.start_from,
        )
        device = self.fabric.device
        by_first(self.fabric, lambda: self._write_tokens(tokenizer.to(device), latent_action.to(device)))
        world, clips = self._watched(tokenizer, latent_action)
        stage = DynamicsStage(DynamicsModel(configs.dynamics), own, tokenizer, world, clips)
        stage.learnt_from = networks_origin(tokenizer, latent_action)
        return Built(
            stage,
            TokenClips(self.out / "tokens" / "train", own.batch_size, own.clip_frames),
            TokenClips(self.out / "tokens" / "held_out", LOOK_CLIPS, own.clip_frames),
        )

    def _write_tokens(self, tokenizer: Tokenizer, latent_action: LatentActionModel) -> None:
        seed = load_state(self.out, "dynamics").get("seed", self.seed)  # of a stage that goes on, its own
        own, rng = self.settings.dynamics, np.random.default_rng(seed)
        length = own.written_frames
        whole = length + latent_action.ahead
        train_starts, held_out = split_starts(self.dataset, whole, self.settings.held_out_every)
        for part, starts, clips, mirrored, recoloured in (
            ("train", train_starts, own.token_clips, own.mirrored, own.recoloured),
            ("held_out", held_out, HELD_OUT_TOKEN_CLIPS, 0.0, 0.0),
        ):
            chosen = np.sort(rng.choice(starts, min(clips, len(starts)), replace=False))
            folder = self.out / "tokens" / part
            write_tokens(
                folder, self.dataset, chosen, length, tokenizer, latent_action, mirrored, self.quiet, recoloured
            )

    def _watched(self, tokenizer: Tokenizer, latent_action: LatentActionModel) -> tuple[World | None, np.ndarray]:
        """A world to be looked at while its dynamics learns, and held-out clips to play from."""
        own, info = self.settings.dynamics, self.dataset.info
        _, held_out = split_starts(self.dataset, own.clip_frames, self.settings.held_out_every)
        chosen = held_out[np.unique(np.linspace(0, len(held_out) - 1, CLIPS).astype(int))]
        clips = np.stack([self.dataset.clip(int(start), own.clip_frames) for start in chosen])
        if own.clip_frames <= STEPS or len(clips) < 2:
            return None, clips
        game = info.game or UNKNOWN_GAME
        world = World(WorldConfig(*self.settings.networks, self.settings.sampling, fps=info.fps, game=game))
        world.tokenizer, world.latent_action = tokenizer, latent_action
        return world, clips
