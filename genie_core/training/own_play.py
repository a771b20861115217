"""Clips in which the model itself has taken some of the steps, and what would have led back to the truth.

Source: DAgger, Ross et al. 2011 (arXiv:1011.0686): a learner is told what is due where its own steps have led it,
not where the teacher's have. Here the teacher is the tokenizer, which codes the true next frame after any picture.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizer import Coded
from genie_core.pixels import pad_to_multiple, to_levels

LOST = 19.0  # dB: below, a picture has little to do with the truth any more


class OwnPlay(NamedTuple):
    """A clip as it was `played`, and the tokens (b, t, h, w) that lead from each picture of it to the next true one.

    `known` (b, t, h, w) says where these may be learnt. Where the picture before shows other things than the truth,
    what the teacher would put there cannot be known, and what should become of the learner's own is not told.
    """

    played: Coded
    targets: Tensor
    known: Tensor


@torch.no_grad()
def own_play(tokenizer: ReferenceTokenizer, true: Coded, guesses: Tensor, own: Tensor) -> OwnPlay:
    """Goes through a clip, taking the tokens `guesses` (b, t, h, w) where `own` (b, t) says so, else the teacher's.

    A step that would be lost is the teacher's all the same. The first frame is the clip's own.
    """
    pictures, tokens, targets = [true.pixels[:, :, 0]], [true.tokens[:, 0]], [true.tokens[:, 0]]
    known = [torch.ones_like(targets[0], dtype=torch.bool)]
    for step in range(1, true.tokens.shape[1]):
        last, truth = pictures[-1], true.pixels[:, :, step]
        known.append(alike(last, true.pixels[:, :, step - 1], tokenizer.config.stride))
        seen = tokenizer.look(last)
        targets.append(tokenizer.encode_after(last, seen, truth))
        taken = torch.where(own[:, step, None, None], guesses[:, step], targets[-1])
        shown = to_levels(tokenizer.decode_tokens(last, seen, taken.flatten(1)))
        lost = own[:, step] & (psnr_of_each(shown, truth) <= LOST)
        if lost.any():
            taken = torch.where(lost[:, None, None], targets[-1], taken)
            shown = to_levels(tokenizer.decode_tokens(last, seen, taken.flatten(1)))
        tokens.append(taken)
        pictures.append(shown)
    played = Coded(torch.stack(tokens, 1), torch.stack(pictures, 2))
    return OwnPlay(played, torch.stack(targets, 1), torch.stack(known, 1))


def alike(pictures: Tensor, truth: Tensor, stride: int) -> Tensor:
    """Where pictures (b, c, H, W) show what is true, token by token and in the tokens next to it: bool (b, h, w)."""
    error = pad_to_multiple((pictures - truth).square().mean(1, keepdim=True)[:, :, None], stride)[:, :, 0]
    worst = F.max_pool2d(F.avg_pool2d(error, stride), 3, 1, 1)[:, 0]
    return 10 * torch.log10(4 / worst.clamp_min(1e-10)) > LOST


def psnr_of_each(pictures: Tensor, truth: Tensor) -> Tensor:
    """PSNR in dB of each of pictures (b, c, H, W) in [-1, 1]."""
    return 10 * torch.log10(4 / (pictures - truth).square().mean((1, 2, 3)).clamp_min(1e-10))
