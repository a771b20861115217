"""World: the three networks together, without state. It knows frames and tokens, not playthroughs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from genie_core import checkpoint, games
from genie_core.config import WorldConfig
from genie_core.errors import CheckpointError, ConfigError
from genie_core.hub.address import find_address
from genie_core.hub.download import download, mend
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_frames, to_model

NETWORKS = ("tokenizer", "latent_action", "dynamics")
SPAN_PIXELS = 2**24  # of a video whose actions are found at once
LEAST_SPAN, MOST_SPAN = 16, 128  # frames of it: attention through time grows with their square


class World:
    """A learnt world. Build one from a config with fresh weights, or load one with `from_pretrained`."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self.name = "world"
        self.tokenizer = VideoTokenizer(config.tokenizer)
        self.latent_action = games.latent_action_model(config.latent_action)
        self.dynamics = DynamicsModel(config.dynamics)
        for network in self.networks().values():
            network.eval().requires_grad_(False)

    @classmethod
    def from_pretrained(cls, path: str | Path, revision: str | None = None) -> World:
        """Loads a world strictly, from the folder `path` or, if there is none, from the Hub: a text OWNER/NAME.

        `revision`, a branch, tag or commit, may also stand behind an @. Files that the cache lacks are downloaded, and
        damaged ones once more. Raises CheckpointError for a damaged world, HubError if it cannot be downloaded.
        """
        address = find_address(path, revision)
        if address is None:
            return cls._load(Path(path), Path(path).resolve().name)
        folder = download(address)
        try:
            return cls._load(folder, str(address))
        except CheckpointError:
            if not mend(address, folder):  # it is like this on the Hub
                raise
            return cls._load(folder, str(address))

    @classmethod
    def _load(cls, folder: Path, name: str) -> World:
        config = checkpoint.read_config(folder)
        try:
            world = cls(config)
        except ConfigError as error:
            raise CheckpointError(f"{folder}/config.json: {error}; {checkpoint.MEND}") from error
        world.name = name
        checkpoint.load_weights(folder, world.networks())
        return world

    def save_pretrained(self, path: str | Path) -> None:
        """Writes config.json, README.md and the weights of the three networks into the folder `path`."""
        checkpoint.save(Path(path), self.config, self.networks())

    def push_to_hub(
        self, repo: str, *, private: bool = False, revision: str | None = None, animation: Path | None = None
    ) -> str:
        """Publishes the world as OWNER/NAME, with `revision` as its tag; returns the commit's hash.

        Raises CheckpointError, ConfigError and HubError as `publish_world` does.
        """
        from genie_core.hub.publish import publish_world

        return publish_world(self, repo, private=private, revision=revision, animation=animation)

    def networks(self) -> dict[str, nn.Module]:
        """The three networks by the names of their folders."""
        return {name: getattr(self, name) for name in NETWORKS}

    def fingerprint(self) -> dict[str, str]:
        """A sha256 of each network's weights: a saved session checks it against its world's."""
        return checkpoint.fingerprint(self.networks())

    @property
    def device(self) -> torch.device:
        return self.dynamics.position.device

    def to(self, device: torch.device | str) -> World:
        for network in self.networks().values():
            network.to(device)
        return self

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """uint8 frames (b, t, H, W, 3) to tokens (b, t, h, w)."""
        return self.tokenizer.encode(to_model(frames.to(self.device)))

    @torch.inference_mode()
    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens (b, t, h, w) to uint8 frames (b, t, H, W, 3)."""
        return to_frames(self.tokenizer.decode(tokens.to(self.device)))

    @torch.inference_mode()
    def infer_actions(self, frames: Tensor, progress: bool = False) -> Tensor:
        """The latent action between each two of uint8 frames (b, t, H, W, 3), a video of any length: ids (b, t-1).

        A long video is processed in spans that fit into memory. Each span has the earlier frames that it depends on, so
        spans give the same actions as the whole. `progress` shows a bar if it takes long.
        """
        model, (b, t, height, width, _) = self.latent_action, frames.shape
        if t < 2:
            return torch.zeros(b, 0, dtype=torch.int64, device=self.device)
        span = max(LEAST_SPAN, min(MOST_SPAN, SPAN_PIXELS // (b * height * width)))
        observed = []
        starts = range(0, t - 1, span)
        for start in tqdm(starts, "finding actions", unit=f" x {span} frames", delay=2, disable=not progress):
            first = max(0, start - model.reach)
            pixels = to_model(frames[:, first : start + span + 1].to(self.device))
            observed.append(model.observe(pixels)[:, start - first :])
        return model.infer_observed(torch.cat(observed, 1)).indices


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA, else Apple's MPS, else the CPU; ConfigError if the one named is not here."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if here[kind])
    if not here.get(name):
        usable = ", ".join(kind for kind, present in here.items() if present)
        raise ConfigError(f"device {name} is not available here; use --device with one of: auto, {usable}")
    return torch.device(name)
