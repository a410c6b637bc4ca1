"""torch's compiler, imported only where something is compiled.

`import torchvision`, an optimizer's first step and DDP import `torch._dynamo`, though none of them compiles anything:
that takes longer than `import torch`. `postpone` puts stand-ins in its place, which know what these callers ask for;
whatever else is asked of a stand-in loads the compiler.
"""

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


class _StandIn(ModuleType):
    """A module that knows the few functions that need no compiler, and becomes the real one for any other name."""

    def __init__(self, name: str, known: dict[str, Callable]):
        super().__init__(name)
        vars(self).update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and (name, self.__name__) != ("__path__", NAME):  # inspect asks for __file__
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def postpone() -> None:
    """Let `torch._dynamo` load when it is first needed. Nothing happens where it or its stand-in is there already."""
    if NAME not in sys.modules:
        for name, known in _KNOWN.items():
            sys.modules[name] = _StandIn(name, known)
            if name != NAME:
                vars(sys.modules[NAME])[name.rpartition(".")[2]] = sys.modules[name]


def _loaded() -> bool:
    return not isinstance(sys.modules.get(NAME), _StandIn)


def _real(name: str) -> ModuleType:
    if not _loaded():
        for each in _KNOWN:
            sys.modules.pop(each, None)
        import torch

        torch._dynamo = import_module(NAME)
    return import_module(name)


def _graph_break(msg: str = "") -> None:
    """Nothing is traced, so there is no graph to break."""
    if _loaded():
        _real(NAME).graph_break(msg)


def _clear_lru_cache() -> None:
    """No rule has been looked up, so none is remembered."""
    if _loaded():
        _real(f"{NAME}.trace_rules").clear_lru_cache()


def _disable(fn: Callable | None = None, recursive: bool = True, **options: Any) -> Callable:
    """Return `fn`, which is disabled once the compiler is there: torch keeps what it got from the first call."""
    if fn is None:
        return functools.partial(_disable, recursive=recursive, **options)
    disabled: list[Callable] = []

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not disabled and _loaded():
            disabled.append(_real(NAME).disable(fn, recursive, **options))
        return (disabled[0] if disabled else fn)(*args, **kwargs)

    return call


def _is_compile_supported(device_type: Any) -> Any:
    return _real(f"{NAME}.utils").is_compile_supported(device_type)


def _get_optimize_ddp_mode() -> str:
    """Return the default: who has chosen another has loaded `torch._dynamo.config`, and with it the compiler."""
    return _real(f"{NAME}.utils").get_optimize_ddp_mode() if _loaded() else "ddp_optimizer"


_KNOWN: dict[str, dict[str, Callable]] = {
    NAME: {"graph_break": _graph_break, "disable": _disable},
    f"{NAME}.trace_rules": {"clear_lru_cache": _clear_lru_cache},
    f"{NAME}.utils": {"is_compile_supported": _is_compile_supported, "get_optimize_ddp_mode": _get_optimize_ddp_mode},
}
