"""Every optimizer against torch's own, and LARS against the paper's algorithm in loops."""

import copy

import pytest
import torch
from torch import nn

from labkit.run_folder import LabError
from labkit.train import optimizers


def small_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))


def take_steps(model, optimizer, steps=5):
    data = torch.randn(steps, 16, 6, generator=torch.Generator().manual_seed(1))
    for x in data:
        optimizer.zero_grad()
        model(x.to(model[0].weight.dtype)).square().sum(1).mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.01)),
        ("nesterov", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.01, nesterov=True)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, lr=0.05, weight_decay=0.01)),
        ("adadelta", lambda p: torch.optim.Adadelta(p, lr=0.05, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.999), weight_decay=0.01)),
        ("adamw", lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.999), weight_decay=0.01)),
        ("rmsprop", lambda p: torch.optim.RMSprop(p, lr=0.05, weight_decay=0.01)),
    ],
)
def test_equals_torchs_own(name, oracle):
    ours, theirs = small_model(), small_model()
    a = take_steps(ours, optimizers.build(name, ours, lr=0.05, momentum=0.8, weight_decay=0.01))
    b = take_steps(theirs, oracle(theirs.parameters()))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert not torch.equal(a[0], small_model()[0].weight), "the model did not move"


def lars_in_loops(model, steps, lr, momentum, decay, eta):
    """Algorithm 1 of You et al. 2017, one tensor at a time; vectors (norms and biases) get plain momentum."""
    velocity = {p: 0.0 for p in model.parameters()}
    for x in torch.randn(steps, 16, 6, generator=torch.Generator().manual_seed(1)):
        grads = torch.autograd.grad(model(x.double()).square().sum(1).mean(), list(model.parameters()))
        with torch.no_grad():
            for w, g in zip(model.parameters(), grads, strict=True):
                if w.ndim > 1:
                    rate = eta * w.norm().item() / (g.norm().item() + decay * w.norm().item())
                    velocity[w] = momentum * velocity[w] + lr * rate * (g + decay * w)
                else:
                    velocity[w] = momentum * velocity[w] + lr * g
                w -= velocity[w]
    return [p.detach().clone() for p in model.parameters()]


def test_lars_equals_the_papers_algorithm():
    ours, oracle = small_model().double(), small_model().double()
    a = take_steps(ours, optimizers.build("lars", ours, lr=0.3, momentum=0.9, weight_decay=0.5))
    b = lars_in_loops(oracle, 5, lr=0.3, momentum=0.9, decay=0.5, eta=1e-3)
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_lars_moves_a_zero_tensor_and_ignores_the_gradients_scale():
    moved = []
    for scale in (1.0, 1e3):
        weight, zero = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.zeros(2, 2))
        optimizer = optimizers.build("lars", [weight, zero], lr=1.0)
        weight.grad, zero.grad = scale * torch.ones(2, 2), torch.ones(2, 2)
        optimizer.step()
        moved.append(weight.detach().clone())
        assert torch.equal(zero, -torch.ones(2, 2))
    torch.testing.assert_close(moved[0], moved[1])


def test_lars_state_survives_saving():
    straight, saved = small_model(), small_model()
    optimizer = optimizers.build("lars", straight, lr=0.3)
    take_steps(straight, optimizer)
    saved.load_state_dict(copy.deepcopy(straight.state_dict()))
    resumed = optimizers.build("lars", saved, lr=0.3)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    torch.testing.assert_close(take_steps(saved, resumed), take_steps(straight, optimizer), rtol=0, atol=0)


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_norms_and_biases_are_spared_decay_by_lars_alone(name):
    model = small_model()
    optimizer = optimizers.build(name, model, lr=0.1, weight_decay=0.5)
    decayed = {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    spared = [name == "lars" and p.ndim <= 1 for p in model.parameters()]
    assert [decayed[p] for p in model.parameters()] == [0.0 if spare else 0.5 for spare in spared]


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_frozen_parameters_are_left_out(name):
    model = small_model()
    model[0].requires_grad_(False)
    optimizer = optimizers.build(name, model, lr=0.1)
    assert sum(len(g["params"]) for g in optimizer.param_groups) == 4


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adagrad", "adam", "adamw"])
def test_fused_kernels_are_the_default(name):
    assert optimizers.build(name, small_model(), lr=0.1).defaults["fused"]


def test_unknown_name_and_frozen_model_are_refused():
    with pytest.raises(LabError, match=r"Did you mean .*adamw"):
        optimizers.build("adamv", small_model(), lr=0.1)
    with pytest.raises(LabError, match="Nothing to optimize"):
        optimizers.build("sgd", small_model().requires_grad_(False), lr=0.1)


@pytest.mark.parametrize(
    ("name", "momentum", "told"),
    [
        ("adamw", 1.0, "momentum of adamw must be 0 or more, as beta1, and below 1"),
        ("adam", 1.0, "momentum of adam must be 0 or more, as beta1, and below 1"),
        ("nesterov", 0.0, "momentum of nesterov must be above 0"),
        ("sgd", -0.1, "momentum of sgd must be 0 or more"),
        ("lars", float("nan"), "momentum of lars must be 0 or more"),
    ],
)
def test_a_momentum_that_cannot_be_is_one_sentence(name, momentum, told):
    with pytest.raises(LabError, match=told):
        optimizers.build(name, small_model(), lr=0.1, momentum=momentum)
