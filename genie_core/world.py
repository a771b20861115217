"""World: the three networks together, without state. It knows frames and tokens, not playthroughs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from genie_core import checkpoint, games, weights
from genie_core.checkpoint import NETWORKS
from genie_core.config import WorldConfig
from genie_core.errors import CheckpointError, ConfigError
from genie_core.graph_file import Graph
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.models.tokenizers import build_tokenizer
from genie_core.pixels import to_frames, to_model

SPAN_PIXELS = 2**24  # of a video whose actions are found at once
LEAST_SPAN, MOST_SPAN = 16, 128  # frames of it: attention through time grows with their square


class World:
    """A learnt world. Build one from a config with fresh weights, or load one with `from_pretrained`."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self.name = "world"
        self.folder: Path | None = None  # that it was loaded from
        self.graphs: dict[str, Graph] = {}  # that were there, by file name
        self.tokenizer = build_tokenizer(config.tokenizer)
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
        return checkpoint.open_world(path, revision, cls._load)

    @classmethod
    def _load(cls, folder: Path, name: str) -> World:
        config = checkpoint.read_config(folder)
        try:
            with torch.device("meta"):
                weights.require_fitting(folder, cls(config).networks())
            world = cls(config)
        except ConfigError as error:
            raise CheckpointError(f"{folder}/config.json: {error}; {checkpoint.MEND}") from error
        world.name, world.folder = name, folder
        weights.load_weights(folder, world.networks())
        world.graphs = checkpoint.read_graphs(folder, config)
        return world

    def save_pretrained(self, path: str | Path) -> None:
        """Writes config.json, README.md, the weights of the three networks and the two graphs into the folder `path`.

        So it does what the folder that the world came from has beside them: the filmstrip of its actions, and pictures
        to start from. Without the package onnx there are no graphs; whoever plays the world makes them.
        """
        contents = weights.contents(self.networks())
        came_with = checkpoint.beside(self.folder)
        checkpoint.save(Path(path), self.config, contents | self._graphs_of(contents), came_with)

    def _graphs_of(self, contents: dict[str, bytes]) -> dict[str, bytes]:
        if importlib.util.find_spec("onnx") is None:
            return {}
        from genie_core.graphs import encode_graph, step_graph  # which brings onnx

        networks = self.config, self.dynamics, self.tokenizer
        played = {path: contents[path] for path in checkpoint.PLAYED}  # equal weights may stand in the third file too
        return {
            checkpoint.ENCODE: encode_graph(self.config, self.tokenizer, played),
            checkpoint.STEP: step_graph(*networks, self.config.sampling.unmask_steps, played),
        }

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
        return weights.fingerprint(self.networks())

    @property
    def starts(self) -> list[Path]:
        """The pictures that it brings to start from."""
        return checkpoint.starts_of(self.folder)

    @property
    def device(self) -> torch.device:
        return self.dynamics.position.device

    def to(self, device: torch.device | str) -> World:
        for network in self.networks().values():
            network.to(device)
        return self

    def encode(self, frames: Tensor) -> Tensor:
        """uint8 frames (b, t, H, W, 3) to tokens (b, t, h, w)."""
        return self.code(frames)[0]

    @torch.inference_mode()
    def decode(self, tokens: Tensor, start: Tensor | None = None) -> Tensor:
        """Tokens (b, t, h, w) to uint8 frames (b, t, H, W, 3).

        A world whose tokens say what changes is given the first frame as well, `start` uint8 (b, H, W, 3): without it,
        ConfigError.
        """
        tokens = tokens.to(self.device)
        if isinstance(self.tokenizer, VideoTokenizer):
            return to_frames(self.tokenizer.decode(tokens))
        if start is None:
            raise ConfigError("the tokens of this world say what changes; give the frame they start from as well")
        return to_frames(self.tokenizer.decode(tokens, to_model(start[:, None].to(self.device))[:, :, 0]))

    @torch.inference_mode()
    def code(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 frames (b, t, H, W, 3) as tokens (b, t, h, w), and as the world sees them, uint8."""
        coded = self.tokenizer.code(to_model(frames.to(self.device)))
        return coded.tokens, to_frames(coded.pixels)

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

    @property
    def whole(self) -> World:
        """This world, which has its networks; see `GraphWorld.whole`."""
        return self

    def actions_between(self, frames: np.ndarray, progress: bool = False) -> list[int]:
        """The latent action between each two of uint8 frames (t, H, W, 3), as `infer_actions` finds them."""
        ids: list[int] = self.infer_actions(torch.from_numpy(frames)[None], progress)[0].tolist()
        return ids


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA, else Apple's MPS, else the CPU; ConfigError if the one named is not here."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if here[kind])
    if not here.get(name):
        usable = ", ".join(kind for kind, present in here.items() if present)
        raise ConfigError(f"device {name} is not available here; use --device with one of: auto, {usable}")
    return torch.device(name)
