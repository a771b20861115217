"""A stage with its optimizer on the ranks' devices: it takes steps, saves all that learning on needs, and goes back."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map

from genie_core.errors import ConfigError, GenieError
from genie_core.layers.st_block import STBlock
from genie_core.training.chance import Chance
from genie_core.training.cost import recompute_blocks
from genie_core.training.saved import save_state
from genie_core.training.stage import Batch, Stage
from genie_core.training.watchdog import ExplodedError, Watchdog

LONGEST_STEP_SECONDS = 60.0  # more than that is a machine asleep or a process halted, not training
LOWER_RATE = 0.3  # of the rates, after a loss that exploded


class Step(NamedTuple):
    """What a step gave: its losses on this rank, and whether any rank wishes to stop."""

    losses: dict[str, Tensor]
    stop: bool


class Learner:
    """Trains `stage`; its state belongs in `folder`."""

    def __init__(self, stage: Stage, fabric: Fabric, folder: Path, seed: int) -> None:
        self.stage, self.fabric, self.folder, self.seed = stage, fabric, folder, seed
        if stage.settings.recompute:
            recompute_blocks(stage)
        if fabric.device.type == "cuda":
            compile_blocks(stage)
        self.module = fabric.setup_module(stage)
        self.optimizer = stage.configure_optimizers()
        self.stepper: Any = fabric.setup_optimizers(self.optimizer)
        self.sharded = any(isinstance(parameter, DTensor) for parameter in stage.parameters())
        self.watchdog = Watchdog()
        self.mean: dict[str, Tensor] = {}  # of the network's parameters, over `mean_steps` steps
        self.mean_steps = 0
        self.first: dict[str, Any] | None = None
        self.saved_at = self.tick = 0.0

    def state(self) -> dict[str, Any]:
        """All that learning on needs, whole. Every rank must ask for it.

        The step is the position in the data, and with the seed the state of every random number.
        """
        stage = self.stage
        return {
            "state_dict": tree_map(_whole, {**stage.state_dict(), "trained_seconds": stage.trained_seconds.clone()}),
            "optimizer_states": [tree_map(_whole, self.optimizer.state_dict())],
            "global_step": stage.step,
            "seed": self.seed,
            "rate": stage.rate,
            "learnt_from": stage.learnt_from,
            "mean": tree_map(_whole, self.mean),
            "mean_steps": self.mean_steps,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any number of ranks; ConfigError if the stage has other parts than it had."""
        stage, values = self.stage, dict(state["state_dict"])
        own = {*stage.state_dict(), "trained_seconds"}
        if own != values.keys():
            parts = sorted({name.partition(".")[0] for name in own ^ values.keys()})
            raise ConfigError(
                f"{self.folder} was learnt {'without' if own > values.keys() else 'with'} {', '.join(parts)}, which "
                f"a setting of [train.{stage.name}] has changed, such as surprise; give it the value that the run "
                "began with, or start another run with another --out"
            )
        stage.trained_seconds.fill_(values.pop("trained_seconds"))
        stage.step, stage.rate = state["global_step"], state.get("rate", 1.0)
        self.seed = state.get("seed", self.seed)
        stage.load_state_dict({name: _placed(values[name], own) for name, own in stage.state_dict().items()})
        own_parameters = dict(stage.network.named_parameters())
        self.mean = {name: _placed(value, own_parameters[name]) for name, value in state.get("mean", {}).items()}
        self.mean_steps = state.get("mean_steps", 0)
        self.optimizer.load_state_dict(self._sharded(state["optimizer_states"][0]))
        self.saved_at, self.watchdog = float(stage.trained_seconds), Watchdog()

    def save(self) -> None:
        """Save the state; rank 0 writes."""
        state = self.state()
        if self.fabric.is_global_zero:
            save_state(self.folder, state)
        self.fabric.barrier()
        self.saved_at, self.first = float(self.stage.trained_seconds), None

    def remember_start(self) -> None:
        """Keep the state before the first step to go back to, until one is saved."""
        self.first = copy.deepcopy(self.state())

    def go_back(self, saved: dict[str, Any], trouble: ExplodedError) -> str:
        """Return to the last good state at a lower rate, once; the second time, GenieError. Says what was done."""
        name, at = self.stage.name, self.stage.step
        if self.stage.rate < 1:
            kept = f"The last good state is kept in {self.folder}" if saved else "No state had been saved yet"
            raise GenieError(
                f"{name}: at step {at} {trouble} again, at {self.stage.rate:g} of the rates too. {kept}. "
                f"Lower learning_rate and muon_learning_rate of [train.{name}] in a copy of "
                "settings.toml, and go on with --resume --config COPY"
            )
        state = saved or self.first
        assert state is not None
        self.load(state)
        self.stage.rate = LOWER_RATE
        return f"{name}: at step {at} {trouble}; back to step {self.stage.step}, at {LOWER_RATE:g} of the rates"

    def step(self, parts: Iterable[tuple[Batch, int, int]], stop_asked: bool) -> Step:
        """One step on this rank's parts of a global batch: each with the number of its first row, and of all rows.

        ExplodedError if the loss must not be followed; nothing is changed then but statistics of the batch.
        """
        stage = self.stage
        stage.train()
        stage.set_rates(self.optimizer)
        self.stepper.zero_grad()  # before, not after: a step that was not taken keeps its gradients
        torch.manual_seed(
            (self.seed * 1_000_003 + stage.step) % 2**63
        )  # of what draws without `chance`, alike on all ranks
        losses, total = self._backward(list(parts))
        longest: Any = self.fabric.clip_gradients(
            self.module, self.stepper, max_norm=stage.settings.gradient_norm, error_if_nonfinite=False
        )
        now = time.perf_counter()
        elapsed, self.tick = min(now - self.tick, LONGEST_STEP_SECONDS), now
        loss, seconds, stop = self._agree(float(total), elapsed, float(stop_asked))
        self.watchdog.see(loss, float(longest))
        self.stepper.step()
        stage.step += 1
        stage.trained_seconds += seconds
        if stage.settings.averaged and stage.progress > 1 - stage.settings.averaged:
            self._average()
        return Step({**losses, "loss": torch.tensor(loss)}, stop > 0)

    @torch.no_grad()
    def _average(self) -> None:
        """Take the weights of this step into their mean."""
        self.mean_steps += 1
        for name, parameter in self.stage.network.named_parameters():
            if name in self.mean:
                self.mean[name].lerp_(parameter, 1 / self.mean_steps)
            else:
                self.mean[name] = parameter.detach().clone()

    @torch.no_grad()
    def finish(self) -> None:
        """At the end of the stage, give the network the mean of its weights, if one was kept."""
        for name, parameter in self.stage.network.named_parameters():
            if name in self.mean:
                parameter.copy_(self.mean[name])
        self.mean, self.mean_steps = {}, 0

    def _backward(self, parts: list[tuple[Batch, int, int]]) -> tuple[dict[str, Tensor], Tensor]:
        """Leave the gradients of the batch; the losses of its last part, and the loss of all."""
        stage, total, weights = self.stage, torch.zeros((), dtype=torch.float64), torch.zeros(())
        for index, (batch, first_row, rows) in enumerate(parts):
            stage.chance = Chance(self.seed, stage.step, first_row, rows)
            with self.fabric.no_backward_sync(self.module, enabled=index < len(parts) - 1):
                losses = self.module(batch)
                weight = stage.weight if len(parts) > 1 else torch.ones(())
                self.fabric.backward(losses["loss"] * weight.to(losses["loss"]))
            total, weights = total + (losses["loss"].detach() * weight).cpu().double(), weights + weight.cpu()
        for parameter in stage.parameters() if len(parts) > 1 else ():
            if parameter.grad is not None:
                parameter.grad /= float(weights)
        return losses, total / weights

    def any_asks(self, asked: bool) -> bool:
        """Whether it is `asked` on any rank."""
        (share,) = self._agree(float(asked))
        return share > 0

    def start_clock(self) -> None:
        self.tick = time.perf_counter()

    def _agree(self, *numbers: float) -> list[float]:
        """The means over the ranks, so that all do the same."""
        told = torch.tensor(numbers, dtype=torch.float32, device=self.fabric.device)
        means: list[float] = self.fabric.all_reduce(told, reduce_op="mean").tolist()  # type: ignore[union-attr]
        return means

    def _sharded(self, optimizer_state: dict[str, Any]) -> dict[str, Any]:
        """The state of an optimizer, each tensor placed on the ranks as its parameter is."""
        own = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        return optimizer_state | {
            "state": {
                index: {
                    name: _placed(value, own[index]) if value.shape == own[index].shape else value
                    for name, value in values.items()
                }
                for index, values in optimizer_state["state"].items()
            }
        }


def compile_blocks(stage: Stage) -> None:
    """Compile the space-time blocks in place. Not tried on a GPU yet."""
    for block in stage.modules():
        if isinstance(block, STBlock):
            block.compile()
            block.draft = torch.compile(block.draft)  # type: ignore[method-assign]


def _whole(value: Any) -> Any:
    return value.full_tensor().cpu() if isinstance(value, DTensor) else value


def _placed(value: Tensor, like: Tensor) -> Tensor:
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
