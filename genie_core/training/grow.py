"""Growth: a larger network goes on from a smaller one and at first computes the same.

Source: function-preserving growth, as in Net2Net, Chen et al. 2015 (arXiv:1511.05641). Differs: nothing is copied
twice. New weights keep their random start, but either all their inputs or all their outputs begin at zero.
"""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import torch
from einops import rearrange
from torch import nn

from genie_core.config import DynamicsConfig, TokenizerConfig
from genie_core.models.dynamics import DynamicsModel

# the weights that write a new channel of the residual stream from outside, or read a new bit: zero at first
SILENT = ("token_embed", "mask_embed", "position", "action_embed", "seen_embed", "decoder.stem", "decoder.code_embed")
GROWING = {
    TokenizerConfig: {"code_bits", "token_factors"},
    DynamicsConfig: {"code_bits", "token_factors", "width", "heads", "layers", "link_width", "num_actions"},
}


def can_grow(smaller: object, larger: object) -> bool:
    """Whether a network of config `larger` can go on from one of config `smaller`; alike ones always can.

    A tokenizer grows in bits; a dynamics in bits, layers, heads of an unchanged size, and links between sub-tokens.
    Bits may be divided into other sub-tokens on the way, whose logits are then learnt anew. So are actions, where there
    are more or fewer of them: they are another latent action model's.
    """
    if type(smaller) is not type(larger):
        return False
    before, after = (dataclasses.asdict(cast(Any, config)) for config in (smaller, larger))
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    head_sizes = {values["width"] // values["heads"] for values in (before, after) if "grid" in values}
    return (
        changed <= GROWING.get(type(larger), set())
        and len(head_sizes) < 2
        and all((before[name] or 0) <= (after[name] or 0) for name in changed - {"token_factors", "num_actions"})
    )


@torch.no_grad()
def go_on_from(network: nn.Module, smaller: nn.Module) -> None:
    """Give `network` what `smaller`, a network of the same kind that `can_grow` into it, has learnt."""
    learnt = smaller.state_dict()
    if _sub_tokens(network) != _sub_tokens(smaller):
        learnt = {name: old for name, old in learnt.items() if not name.startswith(("head.", "links."))}
    for name, new in network.state_dict().items():
        if name not in learnt:
            continue  # of a new block or link, whose outputs begin as zero, or logits of other sub-tokens
        old = learnt[name]
        if name == "action_embed.weight" and len(new) != len(old):
            old = torch.cat([old[:-1].mean(0).expand(len(new) - 1, -1), old[-1:]])  # the last: no action
        if new.shape != old.shape:
            if name.startswith(SILENT):
                new.zero_()
            if "norm" in name:
                old = old * (len(old) / len(new)) ** 0.5  # the mean of the squares now counts channels that are zero
            if ".qkv." in name:
                size = len(old) // 3 // cast(DynamicsModel, smaller).config.heads
                new, old = (rearrange(x, "(three g e) d -> three g e d", three=3, e=size) for x in (new, old))
        new[tuple(slice(length) for length in old.shape)] = old


def _sub_tokens(network: nn.Module) -> tuple[int, int] | None:
    """How many logits of how many kinds a dynamics has."""
    if not isinstance(network, DynamicsModel):
        return None
    return network.config.token_factors, network.config.factor_vocabulary
