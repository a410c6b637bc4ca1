"""Atomic checkpoints, loaded with weights_only, checked against the model."""

import errno
import hashlib
import io
import math
import sys
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from labkit.distributed import gather_values, is_main, rank
from labkit.run_folder import LabError, RunFolder, atomic_write, make_folder, write_error
from labkit.seeding import rng_state, set_rng_state

FOREIGN = "is whole, but of another program; move it away, or pass resume=False to start anew"


def save(path: str | Path, state: dict[str, Any]) -> Path:
    """Write `state` (tensors and plain values) to `path` so that a kill leaves the old file or the new one.

    Raises LabError where the disk is full or the folder read-only; the checkpoint before it is then intact.
    """
    path = Path(path)
    make_folder(path.parent)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return atomic_write(path, buffer.getbuffer())


def load(path: str | Path, *, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Return the state saved at `path`. Raises LabError where it is missing, unreadable, damaged or holds code."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise LabError(f"There is no checkpoint {path}; train first, or check the name.") from None
    except Exception as error:  # torch raises pickle, system and runtime errors alike
        memory = isinstance(error, MemoryError) or "memory" in str(error).lower()
        if memory or (isinstance(error, OSError) and error.errno != errno.EINVAL):  # EINVAL: cut short
            why = "memory does not suffice; free some and try again" if memory else getattr(error, "strerror", error)
            raise LabError(f"Cannot read the checkpoint {path}: {why}.") from error
        whole = zipfile.is_zipfile(path) and zipfile.ZipFile(path).testzip() is None
        why = FOREIGN if whole else "is damaged; delete it to start that training anew"
        raise LabError(f"The checkpoint {path} {why}.") from error


def checkpoint_paths(run: RunFolder, fit: str) -> tuple[Path, Path]:
    """Return where the last and the best weights of a fit lie."""
    return run.checkpoints / fit / "last.pt", run.checkpoints / fit / "best.pt"


class Checkpointer:
    """Writes and reads the two checkpoints of one fit: `last.pt` to go on from, `best.pt` to use.

    `parts` are the objects that a resumed training needs back: each has state_dict() and load_state_dict(),
    and parts["learner"].model is the network. `setup` holds plain values that two attempts must share.
    """

    def __init__(self, run: RunFolder, fit: str, *, parts: dict[str, Any], setup: dict[str, Any]):
        self.last, self.best = checkpoint_paths(run, fit)
        self.parts, self.setup, self.model = parts, setup, parts["learner"].model
        self.fingerprint = fingerprint(self.model)

    def save(self, *, best_epoch: int | None = None) -> None:
        """Write last.pt, and best.pt where these weights are the best. All processes call it, one writes.

        In this order: a kill between the two leaves a last.pt from which `repair_best` can write the other.
        Raises LabError, and writes nothing, where a weight is not finite.
        """
        if not all_finite(self.model):
            raise LabError(
                f"The weights have become infinite or NaN and are not saved; {self.last} stays as it was. "
                "Lower lr or set grad_clip, for example to 1.0, and train anew with resume=False."
            )
        sums = self.parts["metrics"].state_dict() if "metrics" in self.parts else {}
        ranks = gather_values({"generators": rng_state(), "metrics": sums})
        if is_main():
            state = {key: part.state_dict() for key, part in self.parts.items() if key != "metrics"}
            save(self.last, state | {"fingerprint": self.fingerprint, "setup": self.setup, "ranks": ranks})
            if best_epoch is not None:
                self._save_best(best_epoch)

    def restore(self, call: int | None = None) -> bool:
        """Put parts and generators back to where last.pt saw them; False where there is none, or another `call`'s.

        Raises LabError where it belongs to another model, other initial weights or another setup.
        """
        if not self.last.exists():
            return False
        state = load(self.last)
        if not isinstance(state, dict) or {"fingerprint", "setup", "ranks", "learner"} - state.keys():
            raise LabError(f"The checkpoint {self.last} {FOREIGN}.")
        if call not in (None, state["setup"].get("call")):
            return False
        require_same_model(self.last, state["fingerprint"], self.fingerprint)
        reached = weight_stats(state["learner"]["model"][key] for key, _ in self.model.named_parameters())
        ours, began = self.fingerprint["weight_stats"], state["fingerprint"]["weight_stats"]
        before, free = state["setup"], ("epochs", "max_steps", "call")  # a training may be made longer
        pairs = {key: (before.get(key), self.setup.get(key)) for key in before | self.setup if key not in free}
        changed = [f"{key} was {old!r}, is {new!r}" for key, (old, new) in pairs.items() if new != old]
        if not (same_weights(ours, began) or same_weights(ours, reached)):
            changed.append("it began from other initial weights")
        if changed:
            advice = "Give this fit another name, or pass resume=False to start anew"
            raise LabError(f"{self.last} was trained with another setup: {'; '.join(changed)}. {advice}.")
        for key, part in self.parts.items():
            part.load_state_dict((state | state["ranks"][rank()])[key])
        self.fingerprint = state["fingerprint"]
        set_rng_state(state["ranks"][rank()]["generators"])
        return True

    def repair_best(self, epoch: int) -> None:
        """Write best.pt where a kill came before it: the weights at hand are the best, those of `epoch`."""
        if is_main() and not (self.best.exists() and load(self.best).get("epoch") == epoch):
            self._save_best(epoch)

    def forget(self) -> None:
        """Delete both."""
        for path in (self.last, self.best):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise write_error(path, error) from error

    def _save_best(self, epoch: int) -> None:
        save(self.best, {"model": self.model.state_dict(), "fingerprint": self.fingerprint, "epoch": epoch})


def require_same_model(path: Path, saved: dict[str, Any], model: dict[str, Any]) -> None:
    """Raise LabError, naming both, where the checkpoint at `path` is of another model (see `fingerprint`)."""
    if saved["shapes"] == model["shapes"]:
        return
    there, here = saved["shapes"], model["shapes"]
    key = next(key for key in {**there, **here} if there.get(key) != here.get(key))
    that, this = (f"a {net['name']} of {net['parameters']:,} parameters" for net in (saved, model))
    raise LabError(
        f"{path} holds {that}, but this model is {this}: {key!r} has shape "
        f"{there.get(key, 'none')} there and {here.get(key, 'none')} here. Build that model, or give this "
        "fit another name."
    )


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """Return what distinguishes models: name, shapes of all tensors, and statistics of the weights."""
    return {
        "name": type(model).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "shapes": {key: list(value.shape) for key, value in model.state_dict().items()},
        "weight_stats": weight_stats(model.parameters()),
    }


def describe_callable(thing: Any) -> str:
    """Return a callable's name, or an object's class, with its plain settings: `NTXentLoss(temperature=0.2)`."""
    if hasattr(thing, "__qualname__"):
        return thing.__qualname__
    settings = sorted(getattr(thing, "__dict__", {}).items())
    plain = [f"{key}={value!r}" for key, value in settings if _is_plain(value) and key != "training"]
    return f"{type(thing).__name__}({', '.join(plain)})"


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, int | float | str | bytes)


_PARTS = {  # what decides the answers of each kind
    FunctionType: ("__code__", "__defaults__", "__kwdefaults__", "__closure__"),
    CodeType: ("co_code", "co_names", "co_consts"),
    CellType: ("cell_contents",),
    MethodType: ("__func__", "__self__"),
    partial: ("func", "args", "keywords"),
}


def digest(*things: Any) -> str:
    """Return a hash that things share where they compute alike: code and what it refers to, settings, tensors."""
    return hashlib.blake2b(repr(_content(things)).encode(), digest_size=4).hexdigest()


def _content(thing: Any, above: tuple[int, ...] = ()) -> Any:
    """Return plain values for `digest`; of a library's code, and of objects that code refers to, the name will do."""
    inner, parts = partial(_content, above=(*above, id(thing))), _PARTS.get(type(thing), ())
    if id(thing) in above or _is_plain(thing):
        return "itself" if id(thing) in above else repr(thing)
    if isinstance(thing, Tensor):
        raw = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return str(thing.dtype), thing.shape, hashlib.blake2b(raw).hexdigest()
    if isinstance(thing, dict):
        return [(key, inner(value)) for key, value in thing.items()]
    if isinstance(thing, tuple | list | set | frozenset):  # the order of a set changes with each process
        return list(map(inner, thing)) if isinstance(thing, tuple | list) else sorted(map(repr, thing))
    package = (getattr(thing, "__module__", None) or "").split(".")[0]
    library = package in {"labkit", *sys.stdlib_module_names} or "-packages" in str(sys.modules.get(package))
    if isinstance(thing, ModuleType) or (library and isinstance(thing, FunctionType | type)):
        return thing.__name__
    if isinstance(thing, type):
        return inner(dict(vars(thing))), inner(thing.__bases__)
    if isinstance(thing, FunctionType):
        codes = [thing.__code__, *(part for part in thing.__code__.co_consts if isinstance(part, CodeType))]
        used = {name: thing.__globals__.get(name) for code in codes for name in code.co_names}
        return [inner(getattr(thing, part)) for part in parts], inner(used)
    if parts or len(above) > 1 or not hasattr(thing, "__dict__"):
        return describe_callable(thing), [inner(getattr(thing, part)) for part in parts]
    return inner(type(thing)), inner(vars(thing))


def weight_stats(weights: Iterable[Tensor]) -> list[list[float]]:
    """Return sum and norm of each tensor: enough to tell two initializations apart."""
    rows = [torch.stack([w.detach().float().sum(), w.detach().float().norm()]) for w in weights]
    return torch.stack(rows).cpu().tolist() if rows else []


def same_weights(first: list[list[float]], second: list[list[float]], *, tolerance: float = 1e-3) -> bool:
    """Return whether two results of `weight_stats` agree up to what other hardware may round differently."""
    return len(first) == len(second) and all(
        abs(s1 - s2) <= tolerance * max(n1, 1e-12) and math.isclose(n1, n2, rel_tol=tolerance, abs_tol=1e-12)
        for (s1, n1), (s2, n2) in zip(first, second, strict=True)
    )


def all_finite(model: nn.Module) -> bool:
    """Return whether every weight is finite (one wait for the device)."""
    floats = [v for v in model.state_dict().values() if isinstance(v, Tensor) and v.is_floating_point()]
    return not floats or bool(torch.stack([v.isfinite().all() for v in floats]).all())
