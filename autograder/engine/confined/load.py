"""A submission's files, and the names that a lab asks for found in them: modules, packages, notebooks, archives.

Python's import system finds and names the files; IPython makes Python of a notebook's cells. Each file's statements
are then executed one by one, so that one that fails (a stray parse_args(), data that are not here) or does not end
(a training) costs only itself.
"""

import __future__

import ast
import asyncio
import dis
import importlib.machinery
import importlib.util
import inspect
import io
import json
import linecache
import os
import signal
import sys
import tarfile
import time
import types
import zipfile
from contextlib import contextmanager

MAX_UNPACKED, MAX_ENTRIES, MAX_DEPTH, MAX_NESTED = 100 << 20, 3000, 60, 5
ALONE_S, TOGETHER_S, SLEEP_S = 3.0, 6.0, 5.0  # one statement, and all, that import and define nothing
SKIPPED = {"__MACOSX", "__pycache__", ".ipynb_checkpoints", ".git", ".venv", "venv", "node_modules", "site-packages"}
READ = (".py", ".ipynb", ".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
FUTURE = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
OWN_CODE = ("%%time", "%%capture", "%%prun")  # cell magics that execute the cell's own lines


class Unloadable(Exception):
    """The submission as a whole cannot be read; the text is for the student."""


class NoSuchName(Exception):
    """No file of the submission defines the name."""


class TookTooLong(BaseException):
    """Ends a statement; no Exception, so that a training's own `except Exception` lets it through."""


def write_files(scratch: str, names: list[str], tensors: list) -> list[str]:
    """Write the files into the scratch folder, archives unpacked; return a sentence for each that was left out."""
    notes, room = [], [MAX_UNPACKED, MAX_ENTRIES]
    for name, content in zip(names, tensors, strict=True):
        inside = "" if len(names) == 1 else os.path.splitext(name)[0] + "/"
        _unpack(scratch, name, inside, lambda _, c=content: c.numpy().tobytes(), room, notes, MAX_NESTED)
    return notes


def _unpack(scratch: str, name: str, inside: str, read, room: list[int], notes: list[str], nested: int) -> None:
    """Write a file, or an archive's files below `inside`; never more than `room`, whatever it says of itself."""
    try:
        if not name.lower().endswith(READ) or not nested:
            return
        raw = read(room[0] + 1)
        room[0] -= len(raw)
        if min(room) < 0:
            raise ValueError(f"more than {MAX_UNPACKED >> 20} MB or {MAX_ENTRIES} files")
        if name.lower().endswith((".py", ".ipynb")):
            return _write(scratch, name, raw)
        for entry, read_entry in (_zipped if name.lower().endswith(".zip") else _tarred)(io.BytesIO(raw)):
            room[1] -= 1
            deeper = f"{inside}{os.path.splitext(entry)[0]}/"
            _unpack(scratch, inside + entry, deeper, read_entry, room, notes, nested - 1)
    except Exception as error:
        notes.append(f"{name[-80:]!r} cannot be unpacked ({type(error).__name__}: {str(error)[:100]}).")


def _zipped(file: io.BytesIO):
    with zipfile.ZipFile(file) as archive:
        for one in archive.infolist():
            if not one.is_dir() and (one.external_attr >> 28) != 0o12:  # a link
                yield one.filename, lambda size, one=one: archive.open(one).read(size)


def _tarred(file: io.BytesIO):
    with tarfile.open(fileobj=file) as archive:
        for one in archive:
            if one.isreg():
                yield one.name, lambda size, one=one: archive.extractfile(one).read(size)


def _write(scratch: str, name: str, raw: bytes) -> None:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if SKIPPED & set(parts) or parts[-1].startswith("._"):
        return
    if ".." in parts or len(parts) > MAX_DEPTH:
        raise ValueError("a place of its own is needed")
    base, ending = os.path.splitext(parts[-1])
    parts[-1] = (base.replace(".", "_") if ending.lower() == ".py" else base) + ending.lower()  # modules have no dots
    path = os.path.join(scratch, *(part.replace(":", "") for part in parts))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as file:
        file.write(raw)


class Source:
    """One file of a submission: its path, its statements (`tree`), and which names they bind."""

    def __init__(self, scratch: str, path: str):
        self.path, self.name = path, os.path.relpath(path, scratch)
        self.notebook = path.endswith(".ipynb")
        self.problem, self.tree, self.cells, self.notes = None, None, [], []
        try:
            with open(path, "rb") as file:
                raw = file.read()
            for number, text in enumerate(_code_cells(json.loads(raw)), 1) if self.notebook else [(0, raw)]:
                self._parse(number, text)
            self.tree = ast.Module([node for _, body in self.cells for node in body], [])
        except SyntaxError as error:
            self.problem = f"{self.name} is not Python: {error.msg} (line {error.lineno})."
        except (ValueError, RecursionError, MemoryError, TypeError, KeyError, AttributeError) as error:
            self.problem = f"{self.name} cannot be read ({type(error).__name__})."
        self.binds = _bound(self.tree) if self.tree else set()

    def _parse(self, number: int, text: str | bytes) -> None:
        """Read a file, or a cell as Jupyter does; a cell that is not Python is left out, with a note."""
        place = f"{self.path}, cell {number}" if number else self.path
        try:
            if number:
                text = as_python(text)
                linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
            parsed = compile(text, place, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
            self.cells.append((place, parsed.body))
        except SyntaxError as error:
            if not number:
                raise
            self.notes.append(f"{self.name}, cell {number} is not Python: {error.msg} (line {error.lineno}).")


def _code_cells(notebook: dict) -> list[str]:
    """Return the text of a notebook's code cells ("worksheets" and "input" until nbformat 3)."""
    cells = notebook["cells"] if "cells" in notebook else [one for w in notebook["worksheets"] for one in w["cells"]]
    return ["".join(one.get("source", one.get("input", ""))) for one in cells if one.get("cell_type") == "code"]


def as_python(cell: str) -> str:
    """Return a notebook's cell as Python, magics and shell commands as calls of get_ipython()."""
    from IPython.core.inputtransformer2 import TransformerManager  # half a second: for notebooks alone

    while cell.lstrip().startswith(OWN_CODE):
        cell = cell.lstrip().partition("\n")[2]
    return TransformerManager().transform_cell(cell)


def _bound(tree: ast.AST) -> set[str]:
    """Return the names that a module's statements bind, however deep in `if`, `try`, `with` and loops."""
    names, waiting = set(), [tree]
    for node in waiting:  # grows while it is read
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        waiting += ast.iter_child_nodes(node)
    return names


class Shell:
    """Stands for IPython's shell: `%time`, `%run` and `%%writefile` do their work, all others nothing."""

    def __init__(self, executor: "Names", source: Source, module: types.ModuleType):
        self.executor, self.source, self.module = executor, source, module

    def run_line_magic(self, name: str, line: str, **_):
        if name in ("time", "prun"):
            exec(as_python(line), vars(self.module))
        elif name == "run":
            path = os.path.join(os.path.dirname(self.source.path), line.split()[0].strip("\"'"))
            self.executor.execute(Source(self.executor.scratch, path), self.module)

    def run_cell_magic(self, name: str, line: str, body: str):
        if name in ("writefile", "file"):
            with open(
                os.path.join(os.path.dirname(self.source.path), line.split()[-1]), "a" if "-a" in line else "w"
            ) as f:
                f.write(body)
            importlib.invalidate_caches()

    def getoutput(self, *_, **__):
        return []

    def __getattr__(self, name: str):
        return lambda *_, **__: None


class Names:
    """The names of a submission, found when they are asked for."""

    def __init__(self, scratch: str, wanted: list[str], files: list[str], notes: list[str]):
        self.scratch, self.left, self.modules = scratch, TOGETHER_S, []
        sources = [Source(scratch, path) for path in _sources(scratch)]
        if not sources:
            raise Unloadable(" ".join(notes[:3]) or f"There is no Python file and no notebook; hand in {files[0]}.")
        rank = {name: i for i, name in enumerate(files)}
        sources.sort(key=lambda s: (rank.get(os.path.basename(s.path), len(rank)), s.name.count("/"), s.name))
        self.looked, self.notes = [s.name for s in sources], []
        self._watch_imports()
        for surely in (True, False):  # first the files that bind a name, then, where one is nowhere, all others
            for source in sources:
                missing = [n for n in wanted if (self._best(n)[0] > 0 if surely else self._best(n)[0] > 1)]
                if source.tree and missing and (not surely or source.binds & set(missing)):
                    self._load(source)
        problems = [s.problem for s in sources if s.problem]
        graded = [f"{name} ({self._place(name)})" for name in wanted if self._best(name)[0] <= 1]
        if (problems or not self.modules) and not graded:
            raise Unloadable((problems + self.notes + ["Nothing could be imported."])[0])
        self.notes = [f"Graded: {', '.join(graded) or 'nothing'}.", *problems, *notes, *self.notes]

    def find(self, name: str):
        share, module = self._best(name)
        if share > 1:
            raise NoSuchName(f"There is no `{name}` in {', '.join(self.looked)[:200]}.")
        return vars(module)[name]

    def _best(self, name: str) -> tuple[float, types.ModuleType | None]:
        """Return the module whose definition of a name is written, and which share of it is not (2: none has it)."""
        found = [(_unwritten(vars(one)[name]), one) for one in self.modules if name in vars(one)]
        return min(found, key=lambda one: one[0], default=(2, None))

    def _place(self, name: str) -> str:
        """Return the file, and in a notebook the cell, that defines a name."""
        module = self._best(name)[1]
        code = [one.__code__.co_filename for one in _functions(vars(module)[name])]
        own = [one for one in code if one.startswith(self.scratch)] or [module.__file__]
        return os.path.relpath(own[0], self.scratch)

    def _watch_imports(self) -> None:
        """Let Python's own finder look into the submission's folders, and `execute` execute what it finds."""
        names = self

        class Loader(importlib.machinery.SourceFileLoader):
            def exec_module(self, module):
                source = Source(names.scratch, self.path)
                if source.tree is None:
                    raise ImportError(source.problem)
                names.execute(source, module)

        def hook(folder: str):
            if not (folder + "/").startswith(names.scratch + "/"):
                raise ImportError(folder)
            return importlib.machinery.FileFinder(folder, (Loader, [".py"]))

        sys.path_hooks.insert(0, hook)
        sys.path_importer_cache.clear()

    def _load(self, source: Source) -> None:
        """Import one file as where it is run: its folder first on the path, packages and `from .` as they are."""
        top, name = os.path.split(os.path.splitext(source.path)[0])
        folders = [top]
        while folders[-1] != self.scratch:
            folders.append(os.path.dirname(folders[-1]))
        up = max((node.level for node in ast.walk(source.tree) if isinstance(node, ast.ImportFrom)), default=0)
        while top != os.path.dirname(self.scratch) and (os.path.exists(f"{top}/__init__.py") or name.count(".") < up):
            top, last = os.path.split(top)
            name = f"{last}.{name}"
        folders += [] if top in folders else [top]
        sys.path[:] = folders + [one for one in sys.path if one not in folders]
        beside, aside = {os.path.splitext(one)[0] for one in os.listdir(folders[0])}, {}
        for one in beside & set(sys.modules):  # what a file of the submission hides: Python's own come back
            path = getattr(sys.modules[one], "__file__", None) or ""
            if path and not path.startswith(f"{folders[0]}/{one}"):
                aside[one] = sys.modules.pop(one)
        try:
            if source.notebook:
                module = sys.modules["__main__"] = types.ModuleType("__main__")
                module.__file__ = source.path
                self.execute(source, module)
            else:
                module = importlib.import_module(name.removesuffix(".__init__"))
            self.modules += [] if module in self.modules else [module]
        except BaseException as error:
            self._note(source.name, error)
        sys.modules.update({n: one for n, one in aside.items() if not one.__file__.startswith(self.scratch)})

    def execute(self, source: Source, module: types.ModuleType) -> None:
        """Execute statements one by one in a module; note those that raise."""
        vars(module)["get_ipython"] = lambda: Shell(self, source, module)
        self.notes += source.notes
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        for place, node in [(place, node) for place, body in source.cells for node in body]:
            try:
                code = compile(ast.Module([node], []), place, "exec", flags, True)
                flags |= code.co_flags & FUTURE  # `from __future__` holds for all that follows
                with self._limited(node):
                    result = eval(code, vars(module))
                    if code.co_flags & inspect.CO_COROUTINE:
                        asyncio.run(result)
            except BaseException as error:
                self._note(f"{os.path.relpath(place, self.scratch)}, line {node.lineno}", error)

    def _note(self, place: str, error: BaseException) -> None:
        try:
            self.notes.append(f"{place} raised {type(error).__name__}: {str(error)[:160]}; that was left out.")
        except BaseException:
            self.notes.append(f"{place} raised an error that has no text; that was left out.")

    @contextmanager
    def _limited(self, node: ast.stmt):
        """Let a statement use ALONE_S of computing, of TOGETHER_S for all; imports and definitions are free."""

        def stop(*_):
            raise TookTooLong("it takes too long to be executed here")

        if isinstance(node, DEFINITIONS):
            yield
            return
        if self.left <= 0:
            stop()
        start = time.process_time()
        signal.signal(signal.SIGPROF, stop)
        signal.signal(signal.SIGALRM, stop)
        try:
            signal.setitimer(signal.ITIMER_PROF, min(ALONE_S, self.left), 0.5)
            signal.setitimer(signal.ITIMER_REAL, SLEEP_S, 0.5)
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.left -= time.process_time() - start


def _functions(thing) -> list:
    own = vars(thing).values() if inspect.isclass(thing) else [inspect.unwrap(thing)] if callable(thing) else []
    return [one for one in own if inspect.isfunction(one)]


def _unwritten(thing) -> float:
    """Return which share of a function or class only raises, as a stub does: its code returns nowhere."""
    try:
        ends = [any(step.opname.startswith("RETURN") for step in dis.get_instructions(f)) for f in _functions(thing)]
    except Exception:
        return 0.0
    return ends.count(False) / len(ends) if ends else 0.0


def _sources(scratch: str) -> list[str]:
    found = []
    for folder, folders, files in os.walk(scratch):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
        found += [os.path.join(folder, f) for f in sorted(files) if f.endswith((".py", ".ipynb"))]
    return found[:400]
