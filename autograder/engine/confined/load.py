"""A submission's files, and the names that a lab asks for found in them: modules, one big main.py, or a
notebook.

A file is executed as Python does. Where that raises (a stray parse_args(), data that are not here), and in
notebooks always, its statements are executed one by one instead: imports, definitions and assignments, each
on its own.
"""

import ast
import importlib.util
import io
import json
import os
import signal
import stat
import sys
import time
import types
import zipfile
from contextlib import contextmanager

MAX_UNPACKED, MAX_ENTRIES, MAX_DEPTH = 60 << 20, 3000, 8
ALONE_S, TOGETHER_S = 3.0, 12.0  # one statement, and all, when executed one by one
SKIPPED = {"__MACOSX", "__pycache__", ".ipynb_checkpoints", ".git", ".venv", "venv", "node_modules", "site-packages"}
ONE_BY_ONE = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.AsyncFunctionDef,
    ast.Try,
    ast.If,
)


class Unloadable(Exception):
    """The submission as a whole cannot be read; the text is for the student."""


class NoSuchName(Exception):
    """No file of the submission defines the name."""


def write_files(scratch: str, names: list[str], tensors: list) -> None:
    """Write the files into the scratch folder and unpack zips. Raises Unloadable."""
    for name, content in zip(names, tensors, strict=True):
        raw = content.numpy().tobytes()
        if name.lower().endswith(".zip"):
            _unpack(raw, scratch)
        else:
            _write(scratch, name, raw)


def _write(scratch: str, name: str, raw: bytes) -> None:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or name.startswith("/") or len(parts) > MAX_DEPTH or SKIPPED & set(parts):
        return
    path = os.path.join(scratch, *parts)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(raw)
    except (OSError, ValueError) as error:
        raise Unloadable(f"The file {parts[-1][:80]!r} cannot be written ({type(error).__name__}).") from None


def _unpack(raw: bytes, scratch: str) -> None:
    """Unpack a zip's regular files, never more than MAX_UNPACKED bytes whatever it says of itself."""
    left = MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise Unloadable(f"The zip holds {len(entries)} files; at most {MAX_ENTRIES} are read.")
            for entry in entries:
                if entry.is_dir() or stat.S_ISLNK(entry.external_attr >> 16):
                    continue
                with archive.open(entry) as file:
                    content = file.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise Unloadable(f"The zip unpacks to more than {MAX_UNPACKED >> 20} MB.")
                if entry.filename.endswith((".py", ".ipynb")):
                    _write(scratch, entry.filename, content)
    except Unloadable:
        raise
    except Exception as error:
        raise Unloadable(f"The zip cannot be unpacked ({type(error).__name__}).") from None


class Source:
    """One file of a submission: its path, its statements, and which names they bind."""

    def __init__(self, scratch: str, path: str):
        self.path, self.name = path, os.path.relpath(path, scratch)
        self.stem = os.path.splitext(os.path.basename(path))[0]
        self.notebook = path.endswith(".ipynb")
        self.problem, self.tree = None, None
        try:
            with open(path, "rb") as file:
                raw = file.read()
            self.tree = _notebook_tree(raw, path) if self.notebook else ast.parse(raw, path)
        except SyntaxError as error:
            self.problem = f"{self.name} is not Python: {error.msg} (line {error.lineno})."
        except (ValueError, RecursionError, MemoryError, TypeError, KeyError, AttributeError) as error:
            self.problem = f"{self.name} cannot be read ({type(error).__name__})."
        self.binds = _bound(self.tree.body) if self.tree else set()


def _notebook_tree(raw: bytes, path: str) -> ast.Module:
    """Return the code cells as one module; a cell that is not Python is left out."""
    body = []
    for cell in json.loads(raw)["cells"]:
        if cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        lines = (source if isinstance(source, str) else "".join(source)).split("\n")
        plain = "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)
        try:
            body += ast.parse(plain, path).body
        except SyntaxError:
            continue
    return ast.Module(body, [])


def _bound(statements: list) -> set[str]:
    names = set()
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                names |= _bound(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            names |= _bound(handler.body)
    return names


class Names:
    """The names of a submission, found when they are asked for."""

    def __init__(self, scratch: str, wanted: list[str], files: list[str]):
        sources = [Source(scratch, path) for path in _sources(scratch)]
        if not sources:
            raise Unloadable(f"There is no Python file and no notebook; hand in {files[0]}.")
        rank = {name: i for i, name in enumerate(files)}
        sources.sort(key=lambda s: (rank.get(os.path.basename(s.path), len(rank)), s.name.count("/"), s.name))
        self.looked, self.notes, self.modules = [s.name for s in sources], [], []
        sys.path[:0] = list(dict.fromkeys(os.path.dirname(s.path) for s in sources))
        self._load(sources, wanted)
        problems = [s.problem for s in sources if s.problem]
        if not self.modules or (problems and not any(self._has(name) for name in wanted)):
            raise Unloadable(
                problems[0]
                if problems
                else f"None of {', '.join(wanted)} is defined in {', '.join(self.looked)[:200]}."
            )
        self.notes += problems

    def _load(self, sources: list[Source], wanted: list[str]) -> None:
        missing = list(wanted)
        for definitely in (True, False):  # first files that bind a name, then any preferred one (import *)
            for source in sources:
                useful = source.binds & set(missing) if definitely else source is sources[0]
                if missing and source.tree and useful and source.stem not in {m.__name__ for m in self.modules}:
                    self.modules.append(_execute(source, self.notes))
                    missing = [name for name in missing if not self._has(name)]

    def _has(self, name: str) -> bool:
        return any(name in vars(module) for module in self.modules)

    def find(self, name: str):
        for module in self.modules:
            if name in vars(module):
                return vars(module)[name]
        raise NoSuchName(f"There is no `{name}` in {', '.join(self.looked)[:200]}.")


def _sources(scratch: str) -> list[str]:
    found = []
    for folder, folders, files in os.walk(scratch):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
        found += [os.path.join(folder, f) for f in sorted(files) if f.endswith((".py", ".ipynb"))]
    return found[:400]


def _execute(source: Source, notes: list[str]) -> types.ModuleType:
    if not source.notebook:
        try:
            spec = importlib.util.spec_from_file_location(source.stem, source.path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[source.stem] = module
            spec.loader.exec_module(module)
            return module
        except BaseException as error:
            notes.append(
                f"{source.name} raised {type(error).__name__} while it was imported; "
                f"its definitions were read one by one."
            )
    module = types.ModuleType(source.stem)
    module.__file__ = source.path
    sys.modules[source.stem] = module
    _one_by_one(source, module)
    return module


def _one_by_one(source: Source, module: types.ModuleType) -> None:
    end = time.monotonic() + TOGETHER_S
    for node in source.tree.body:
        if isinstance(node, ONE_BY_ONE) and time.monotonic() < end:
            try:
                with _at_most(ALONE_S):
                    exec(compile(ast.Module([node], []), source.path, "exec"), vars(module))
            except BaseException:
                continue


@contextmanager
def _at_most(seconds: float):
    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
