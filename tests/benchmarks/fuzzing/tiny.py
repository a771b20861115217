"""Worlds that play in milliseconds, made anew: what damage starts from."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzzing.kind import Files


@cache
def _content(reference: bool) -> Files:
    with TemporaryDirectory() as folder:
        return files_in(_tiny_world(Path(folder), reference))


def tiny_world(folder: Path, reference: bool = False) -> Path:
    """The folder of an untrained world of 16×16 pixels, with its graphs; of a world by `reference`."""
    for name, content in _content(reference).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _tiny_world(folder: Path, reference: bool) -> Path:
    import torch

    from genie_core.config import Action, SamplingConfig, WorldConfig, build_networks
    from genie_core.world import World

    torch.manual_seed(0)
    torch.set_num_threads(1)
    sections = {
        "tokenizer": {"channels": [8, 8], "decoder_blocks": 1, "code_bits": 8, "reference": reference},
        "latent_action": {"width": 16, "layers": 1, "heads": 2, "code_width": 4},
        "dynamics": {"width": 16, "layers": 1, "heads": 2},
    }
    names = ("right", "jump", "stay", "left")
    actions = tuple(Action(id, name, (name[0],), (0.5, 0.0), "told") for id, name in enumerate(names))
    config = WorldConfig(
        *build_networks((16, 16), 3, len(actions), sections),
        sampling=SamplingConfig(unmask_steps=1),
        actions=actions,
        training={"metrics": {"test": {"psnr": 20.5, "clips": 3}}, "rules": ["none"], "steps": {"dynamics": 5}},
        guessing_above=2.0,
    )
    World(config).save_pretrained(folder)
    return folder


def files_in(folder: Path) -> Files:
    """The content of each file inside, by its path."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
