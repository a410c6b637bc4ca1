"""torch's compiler, imported only where something is compiled.

`import torchvision`, an optimizer's first step and DDP import `torch._dynamo`, though none of them compiles anything:
that takes longer than `import torch`. `postpone` puts stand-ins in its place, which know what these callers ask for;
whatever else is asked of a stand-in loads the compiler.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAME, RULES, UTILS = "torch._dynamo", "torch._dynamo.trace_rules", "torch._dynamo.utils"


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and (name, self.__name__) != ("__path__", NAME):  # inspect asks for __file__
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


class _AlreadyLoaded:
    """Finds what the real package has imported itself, when a module below a stand-in was asked for first."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        below = name.startswith(NAME + ".") and name in sys.modules
        return ModuleSpec(name, cls()) if below else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it was executed."""


def postpone() -> None:
    """Let `torch._dynamo` load when it is first needed. Nothing happens where it or its stand-in is there already."""
    if NAME not in sys.modules:
        modules = {name: _StandIn(name) for name in (NAME, RULES, UTILS)}
        vars(modules[NAME]).update(trace_rules=modules[RULES], utils=modules[UTILS], disable=_disable)
        for name, function, answer in (
            (NAME, "graph_break", None),  # nothing is traced
            (RULES, "clear_lru_cache", None),  # nothing is remembered
            (UTILS, "get_optimize_ddp_mode", "ddp_optimizer"),  # the default: who chooses has loaded the compiler
        ):
            setattr(modules[name], function, functools.partial(_until_loaded, name, function, answer))
        vars(modules[UTILS])["is_compile_supported"] = lambda kind: _real(UTILS).is_compile_supported(kind)
        sys.modules.update(modules)
        sys.meta_path.insert(0, _AlreadyLoaded)


def _loaded() -> bool:
    return not isinstance(sys.modules.get(NAME), _StandIn)


def _real(name: str) -> ModuleType:
    if not _loaded():
        for each in (NAME, RULES, UTILS):
            sys.modules.pop(each, None)
        import torch

        torch._dynamo = import_module(NAME)
    return import_module(name)


def _until_loaded(module: str, function: str, answer: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(_real(module), function)(*args, **kwargs) if _loaded() else answer


def _disable(fn: Callable | None = None, recursive: bool = True, **options: Any) -> Callable:
    """Return `fn`, which is disabled once the compiler is there: torch keeps what it got from the first call."""
    if fn is None:
        return functools.partial(_disable, recursive=recursive, **options)
    if not inspect.isroutine(fn):  # a class or a module stays one
        return _real(NAME).disable(fn, recursive, **options)
    real = functools.cache(lambda: _real(NAME).disable(fn, recursive, **options))
    return functools.wraps(fn)(lambda *args, **kwargs: (real() if _loaded() else fn)(*args, **kwargs))
