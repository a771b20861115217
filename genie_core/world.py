"""World: the three networks together, stateless. It knows frames and tokens, not playthroughs."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from genie_core import checkpoint
from genie_core.config import WorldConfig
from genie_core.errors import CheckpointError, ConfigError
from genie_core.hub.address import find_address
from genie_core.hub.card import card
from genie_core.hub.download import download, mend
from genie_core.hub.upload import upload
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.motion import Presumed
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_frames, to_model

NETWORKS = ("tokenizer", "latent_action", "dynamics")


class World:
    """A learnt world. Build one from a config with fresh weights, or load one with `from_pretrained`."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self.name = "world"
        self.tokenizer = VideoTokenizer(config.tokenizer)
        self.latent_action = LatentActionModel(config.latent_action)
        self.dynamics = DynamicsModel(config.dynamics)
        for network in self.networks().values():
            network.eval().requires_grad_(False)

    @classmethod
    def from_pretrained(cls, path: str | Path, revision: str | None = None) -> World:
        """Loads a world strictly, from the folder `path` or, if there is none, from the Hub: a text OWNER/NAME.

        `revision`, a branch, tag or commit, may also stand behind an @. Downloads what the cache lacks, and once more
        what is damaged there. CheckpointError says in words what is wrong with a world, HubError why it cannot be had.
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
        world = cls(checkpoint.read_config(folder))
        world.name = name
        checkpoint.load_weights(folder, world.networks())
        return world

    def save_pretrained(self, path: str | Path) -> None:
        """Writes config.json, README.md and the weights of the three networks into the folder `path`."""
        checkpoint.save(Path(path), self.config, self.networks())

    def save_for_hub(self, path: str | Path, repo: str, animation: Path | None = None) -> None:
        """Writes into the folder `path` what the repository `repo`, OWNER/NAME, is to hold, and loads it as a check.

        `animation`, a picture file, is shown on the model card. Raises CheckpointError if the world does not load.
        """
        folder = Path(path)
        self.save_pretrained(folder)
        if animation is not None:
            shutil.copy(animation, folder)
        text = card(self.config, repo, animation.name if animation else None)
        (folder / "README.md").write_text(text, encoding="utf-8")
        World.from_pretrained(folder)

    def push_to_hub(
        self, repo: str, *, private: bool = False, revision: str | None = None, animation: Path | None = None
    ) -> str:
        """Publishes the world as OWNER/NAME, with `revision` as its tag; returns the commit's hash.

        Raises CheckpointError if it fails its own load check, ConfigError and HubError as `upload` does.
        """
        with TemporaryDirectory() as folder:
            self.save_for_hub(folder, repo, animation)
            return upload(Path(folder), repo, private=private, tag=revision)

    def networks(self) -> dict[str, nn.Module]:
        """The three networks by the names of their folders."""
        return {name: getattr(self, name) for name in NETWORKS}

    def fingerprint(self) -> dict[str, str]:
        """A sha256 of each network's weights, by which a saved session knows its world again."""
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
    def infer_actions(self, frames: Tensor, keys_last: bool | Tensor = False) -> Tensor:
        """The latent action between each two of uint8 frames (b, t, H, W, 3): ids (b, t-1).

        `keys_last`, for all or for each (b,): whoever plays holds keys on, also where nothing shows it.
        """
        presumed = Presumed.of(torch.as_tensor(keys_last).expand(len(frames)))
        return self.latent_action.infer(to_model(frames.to(self.device)), presumed).indices

    @torch.inference_mode()
    def keys_last(self, frames: Tensor) -> bool:
        """Whether whoever plays in uint8 clips (b, t, H, W, 3) holds keys on; never in a world that does not look."""
        return self.latent_action.keys_last(to_model(frames.to(self.device)))


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA, else Apple's MPS, else the CPU; ConfigError if the one named is not here."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if here[kind])
    if not here.get(name):
        usable = ", ".join(kind for kind, present in here.items() if present)
        raise ConfigError(f"device {name} is not available here; use --device with one of: auto, {usable}")
    return torch.device(name)
