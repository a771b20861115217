"""The processes of a training: Lightning starts them, here or as torchrun or SLURM has, and says which this one is.

Devices and nodes default to what torchrun or SLURM gives, else to one. Without CUDA a device is a process on the CPU.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch import nn

from genie_core.errors import ConfigError, GenieError
from genie_core.layers.ranks import alone
from genie_core.layers.st_block import STBlock

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

PATIENCE = timedelta(days=1)  # ranks wait while the first writes tokens; a rank that dies ends the others sooner
STRATEGIES = ("auto", "ddp", "fsdp")
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}

for logger in ("lightning.fabric", "lightning.fabric.utilities.rank_zero", "lightning_utilities.core.rank_zero"):
    logging.getLogger(logger).setLevel(logging.ERROR)  # the bar says what a person needs


class Machines(NamedTuple):
    """Where to train, as the flags say; None takes what torchrun or SLURM gives, else 1, and "auto" what fits."""

    device: str = "auto"
    devices: int | None = None
    nodes: int | None = None
    strategy: str = "auto"
    precision: str = "auto"

    def sizes(self) -> tuple[int, int]:
        """Devices a node and nodes."""
        devices = self.devices or _told("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE") or 1
        nodes = self.nodes or _told("GROUP_WORLD_SIZE", "SLURM_NNODES" if _told("SLURM_NTASKS_PER_NODE") else "") or 1
        return devices, nodes


def start(machines: Machines) -> Fabric:
    """Start the ranks; each returns its own Fabric. ConfigError if there are not so many devices."""
    devices, nodes = machines.sizes()
    ranks = devices * nodes
    try:
        fabric = Fabric(
            accelerator=machines.device,
            devices=devices,
            num_nodes=nodes,
            strategy=_strategy(machines.strategy, ranks),
            precision=precision_of(machines),  # type: ignore[arg-type]
        )
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        told = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"--devices {devices} --nodes {nodes} --device {machines.device} cannot be had: {told}; ask for fewer, or "
            "for --device cpu"
        ) from error
    return fabric


def by_first(fabric: Fabric, call: Callable[[], object]) -> None:
    """Let rank 0 alone do something, while the others wait; its GenieError is raised by all."""
    error = None
    if fabric.is_global_zero:
        try:
            with alone():
                call()
        except GenieError as refusal:
            error = refusal
    if fabric.world_size > 1:
        error = fabric.broadcast(error)
    if error is not None:
        raise error


def error_of_any(fabric: Fabric, error: GenieError | None) -> GenieError | None:
    """The error that one of the ranks has met, if any has. All ranks must call it."""
    if fabric.world_size == 1:
        return error
    met = torch.zeros(fabric.world_size, device=fabric.device)
    met[fabric.global_rank] = float(error is not None)
    ranks: torch.Tensor = fabric.all_reduce(met, reduce_op="sum").nonzero()  # type: ignore[union-attr]
    return fabric.broadcast(error, int(ranks[0])) if len(ranks) else None


class LostRankError(GenieError):
    """Another process of the training has died."""


def end_quietly(fabric: Fabric, error: GenieError) -> None:
    """Leave the word to rank 0: another rank that meets an `error` that all meet ends without printing it."""
    if not fabric.is_global_zero and not isinstance(error, LostRankError):
        sys.exit(1)


def lost_rank(error: BaseException) -> bool:
    """Whether `error` is what a rank meets when another one has died."""
    words = ("connection closed", "connection reset", "broken pipe", "timed out", "nccl", "gloo", "peer")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


def _told(*names: str) -> int | None:
    """The first of these numbers that the environment has."""
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), None)


def precision_of(machines: Machines) -> str:
    """bfloat16 where a GPU computes it, else float32."""
    if machines.precision != "auto":
        return PRECISIONS[machines.precision]
    gpu = machines.device in ("auto", "cuda") and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return PRECISIONS["bf16" if gpu else "32"]


def _strategy(name: str, ranks: int) -> Any:
    if name == "fsdp":
        return ModelParallelStrategy(_shard, data_parallel_size=ranks, tensor_parallel_size=1, timeout=PATIENCE)
    if name == "ddp" or ranks > 1:
        return DDPStrategy(timeout=PATIENCE)
    return "auto"


def _shard(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Shard each space-time block, then the rest, over the ranks (FSDP2)."""
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    for parameter in module.parameters():  # kernels lie in memory as convolutions like them, shards by rows
        parameter.data = parameter.data.contiguous()
    for block in module.modules():
        if isinstance(block, STBlock):
            fully_shard(block, mesh=mesh["data_parallel"])
            for method in ("draft", "key_values"):
                register_fsdp_forward_method(block, method)
    fully_shard(module, mesh=mesh["data_parallel"])
    return module
