"""Muon orthogonalises, the other half is AdamW to the digit, and each weight goes where it belongs."""

import pytest
import torch
from tiny import make_dynamics, make_world
from torch import nn

from genie_core.training.optimizer import MuonAdamW, build_optimizer, is_hidden_matrix, orthogonalize
from genie_core.training.settings import StageSettings


@pytest.mark.parametrize("shape", [(32, 32), (64, 16), (16, 64), (1, 40), (40, 1)], ids=str)
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_orthogonalize_levels_the_singular_values_and_keeps_the_directions(
    shape: tuple[int, int], scale: float
) -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.linspace(1, 0.05, len(v))
    levelled = orthogonalize(scale * (u * values) @ v)
    assert levelled.shape == shape
    seen = u.T @ levelled @ v.T
    assert seen.diagonal().min() > 0.5 and seen.diagonal().max() < 1.5
    torch.testing.assert_close(seen, torch.diag(seen.diagonal()), atol=1e-3, rtol=0)


def test_orthogonalize_leaves_its_argument_alone_and_survives_zeros() -> None:
    matrix = torch.randn(4, 6)
    before = matrix.clone()
    orthogonalize(matrix)
    assert torch.equal(matrix, before)
    assert torch.equal(orthogonalize(torch.zeros(4, 6)), torch.zeros(4, 6))


def network_and_gradients(seed: int = 0) -> tuple[nn.Module, list[list[torch.Tensor]]]:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3))
    return network, [[10**i * torch.randn_like(p) for p in network.parameters()] for i in range(-2, 4)]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_plain_half_is_adamw(weight_decay: float) -> None:
    (ours, gradients), (theirs, _) = network_and_gradients(), network_and_gradients()
    settings = {"lr": 0.01, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": weight_decay}
    optimizers = (
        MuonAdamW([{"params": ours.parameters(), **settings}]),
        torch.optim.AdamW(theirs.parameters(), **settings),
    )
    for step in gradients:
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            for parameter, gradient in zip(network.parameters(), step, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
        for mine, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(mine, reference, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(6, 10), (10, 6), (8, 4, 1, 3, 3)], ids=str)
def test_the_muon_half_steps_by_the_rate_along_every_direction(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(shape))
    optimizer = MuonAdamW([{"params": [weight], "muon": True, "lr": 0.1}])
    weight.grad = torch.randn(shape)
    optimizer.step()
    rows, columns = weight.flatten(1).shape
    values = torch.linalg.svdvals(weight.detach().flatten(1)) / (0.1 * max(1, rows / columns) ** 0.5)
    assert values.min() > 0.3 and values.max() < 1.5
    assert (weight.detach() * weight.grad).sum() < 0


def test_the_muon_half_is_torchs_muon() -> None:
    """But for the precision: torch orthogonalises in bfloat16."""
    reference_kind = getattr(torch.optim, "Muon", None)
    if reference_kind is None:
        pytest.skip("torch.optim.Muon came with torch 2.9")
    torch.manual_seed(0)
    start = torch.randn(12, 8)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer = MuonAdamW([{"params": [ours], "muon": True, "lr": 0.02, "weight_decay": 0.01}])
    reference = reference_kind([theirs], lr=0.02, weight_decay=0.01, momentum=0.95, nesterov=True)
    for _ in range(5):
        gradient = torch.randn(12, 8)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        reference.step()
    moved, expected = ours.detach() - start, theirs.detach() - start
    assert torch.nn.functional.cosine_similarity(moved.flatten(), expected.flatten(), dim=0) > 0.99
    assert moved.norm() == pytest.approx(expected.norm().item(), rel=0.05)


def rates(adamw: float, muon: float) -> StageSettings:
    return StageSettings(learning_rate=adamw, muon_learning_rate=muon)


def test_parameters_without_gradient_stay_and_gradients_are_kept() -> None:
    network, _ = network_and_gradients()
    before = [p.clone() for p in network.parameters()]
    optimizer = build_optimizer(network, rates(0.1, 0.1))
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    gradient = torch.randn_like(network[0].weight)
    network[0].weight.grad = gradient.clone()
    optimizer.step()
    assert torch.equal(network[0].weight.grad, gradient)
    assert not torch.equal(network[0].weight, before[0])


def test_training_goes_on_from_a_saved_state() -> None:
    """Two steps in a row equal one step, saving, loading and another step."""

    def run(interrupted: bool) -> list[torch.Tensor]:
        network, gradients = network_and_gradients()
        optimizer = build_optimizer(network, rates(0.01, 0.02))
        for step in gradients:
            for parameter, gradient in zip(network.parameters(), step, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
            if interrupted:
                state, optimizer = optimizer.state_dict(), build_optimizer(network, rates(0.5, 0.5))
                optimizer.load_state_dict(state)
        return [p.detach() for p in network.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(run(False), run(True), strict=True))


def muon_names(network: nn.Module) -> set[str]:
    return {name for name, parameter in network.named_parameters() if is_hidden_matrix(name, parameter)}


def test_attention_and_mlp_matrices_of_the_dynamics_go_to_muon_and_no_others() -> None:
    matrices = ("spatial.qkv", "spatial.out", "temporal.qkv", "temporal.out", "mlp.up", "mlp.down")
    assert muon_names(make_dynamics()) == {f"blocks.{i}.{name}.weight" for i in range(2) for name in matrices}


def test_of_the_latent_action_model_embeddings_heads_and_positions_stay_out() -> None:
    network = make_world().latent_action
    matrices = ("spatial.qkv", "spatial.out", "temporal.qkv", "temporal.out", "mlp.up", "mlp.down")
    blocks = {f"{p}.blocks.{i}.{name}.weight" for p in ("encoder", "decoder") for i in range(2) for name in matrices}
    names = muon_names(network)
    assert blocks <= names
    assert not [
        name for name in names - blocks if any(word in name for word in ("embed", "position", "head", "blocks"))
    ]


def test_convolutions_of_the_tokenizer_go_to_muon_and_its_head_and_norms_stay_out() -> None:
    tokenizer = make_world().tokenizer
    names = muon_names(tokenizer)
    residual = {f"{name}.weight" for name, module in tokenizer.named_modules() if name.endswith(("conv1", "conv2"))}
    assert residual and residual <= names
    assert "decoder.stem.weight" in names
    assert "encoder.head.weight" not in names
    assert not any("norm" in name or name.endswith("bias") for name in names)


@pytest.mark.parametrize("kind", ["tokenizer", "latent_action", "dynamics"])
def test_every_weight_is_in_one_group(kind: str) -> None:
    network = make_world().networks()[kind]
    groups = build_optimizer(network, rates(1e-3, 0.02)).param_groups
    assert [group["muon"] for group in groups] == [True, False]
    assert [group["lr"] for group in groups] == [0.02, 1e-3]
    assert [group["weight_decay"] > 0 for group in groups] == [True, False]
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in network.parameters())
