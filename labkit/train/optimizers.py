"""Optimizers by name: fused where the device has the kernel, norms and biases without weight decay where configured."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from labkit.run_folder import LabError, unknown_name

# The device types on which torch >= 2.11 has a kernel that updates all parameters in one launch.
FUSED_DEVICES = {"adagrad": {"cpu"}, "adam": {"cpu", "cuda"}, "adamw": {"cpu", "cuda"}, "sgd": {"cpu", "cuda"}}


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling with momentum (You, Gitman & Ginsburg 2017, algorithm 1).

    A step moves a tensor by about lr * `eta` of its own norm, however large its gradient. Groups with
    `adapt=False` (norms and biases) take plain momentum steps. Nothing here waits for the device.
    """

    def __init__(self, params, lr: float, *, momentum=0.9, weight_decay=0.0, eta=1e-3, adapt=True):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, eta=eta, adapt=adapt))

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        """Update every parameter that has a gradient."""
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = [p.grad for p in params if p.grad is not None]
            for p in params:
                if "velocity" not in self.state[p]:
                    self.state[p]["velocity"] = torch.zeros_like(p)
            velocities = [self.state[p]["velocity"] for p in params]
            updates = torch._foreach_add(grads, params, alpha=group["weight_decay"])
            if group["adapt"]:  # by eta * |w| / (|g| + decay * |w|); by 1 where a norm is 0, as in SimCLR
                weights = torch.stack(torch._foreach_norm(params))
                slopes = torch.stack(torch._foreach_norm(grads))
                rates = group["eta"] * weights / (slopes + group["weight_decay"] * weights)
                torch._foreach_mul_(updates, list(torch.where((weights > 0) & (slopes > 0), rates, 1.0).unbind()))
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, updates, alpha=group["lr"])
            torch._foreach_sub_(params, velocities)
        return loss


# name -> the class, and how `momentum` enters it
OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], Callable[[float], dict[str, Any]]]] = {
    "sgd": (torch.optim.SGD, lambda m: {"momentum": m}),
    "nesterov": (torch.optim.SGD, lambda m: {"momentum": m, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, lambda m: {}),
    "adadelta": (torch.optim.Adadelta, lambda m: {}),
    "adam": (torch.optim.Adam, lambda m: {"betas": (m, 0.999)}),
    "adamw": (torch.optim.AdamW, lambda m: {"betas": (m, 0.999)}),
    "rmsprop": (torch.optim.RMSprop, lambda m: {}),
    "lars": (LARS, lambda m: {"momentum": m}),
}

OPTIONS = {"momentum"}  # settings of which an optimizer uses some


def get(name: str) -> tuple[Callable[..., torch.optim.Optimizer], Callable[[float], dict[str, Any]]]:
    """Return the entry of a name. Raises LabError for an unknown one."""
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name]


def options(name: str) -> set[str]:
    """Return the settings among OPTIONS that the named optimizer uses. Raises LabError for an unknown name."""
    return OPTIONS if get(name)[1](0.9) else set()


def build(
    name: str, model: nn.Module | Iterable[Tensor], *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Return the named optimizer over the trainable parameters of `model`.

    `momentum` is the velocity's share in sgd, nesterov and lars and beta1 in adam and adamw; adagrad, adadelta and
    rmsprop have none. For lars, norms and biases (tensors of fewer than two dimensions) are spared weight decay and the
    adaptive rate. A fused kernel is taken where there is one. Raises LabError for an unknown name, a momentum that the
    optimizer cannot have, and a model in which nothing is trainable.
    """
    kind, from_momentum = get(name)
    if not momentum >= 0 or (momentum >= 1 and name in ("adam", "adamw")) or (momentum == 0 and name == "nesterov"):
        ranges = {"nesterov": "above 0"} | dict.fromkeys(("adam", "adamw"), "0 or more, as beta1, and below 1")
        raise LabError(f"momentum of {name} must be {ranges.get(name, '0 or more')} (got {momentum:g}); 0.9 is usual.")
    params = [p for p in (model.parameters() if isinstance(model, nn.Module) else model) if p.requires_grad]
    if not params:
        raise LabError("Nothing to optimize: every parameter has requires_grad=False; unfreeze some.")
    chosen = {"lr": lr, "weight_decay": weight_decay} | from_momentum(momentum)
    fused = FUSED_DEVICES.get("sgd" if name == "nesterov" else name, set())
    if all(p.device.type in fused and p.is_floating_point() for p in params):
        chosen["fused"] = True
    if name != "lars":
        return kind(params, **chosen)
    matrices, vectors = [p for p in params if p.ndim > 1], [p for p in params if p.ndim <= 1]
    spared = {"params": vectors, "weight_decay": 0.0, "adapt": False}
    return kind([group for group in ({"params": matrices}, spared) if group["params"]], **chosen)
