"""The student's names as the checks see them: a call travels to the worker, raw numbers come back."""

import time
from collections import Counter
from dataclasses import replace

import torch

from autograder.checking import Lab
from autograder.engine.confined import wire
from autograder.engine.files import Files
from autograder.engine.fork_server import ForkServer
from autograder.engine.worker import Limits, Worker, WorkerEnded

CPU = wire.Local("device", "cpu")
ATTEMPTS = 2  # workers that one name may end: then it is not called again, and the others go on
SHARE = 0.25  # of the time in all: so much has each part, whatever the parts before it used up


def named(value) -> str:
    """Return what kind of thing a student gave: a Tensor, a list, a Compose, ..."""
    return f"a {getattr(value, 'kind', type(value).__name__)}"


class StudentFault(AssertionError):
    """The student's code raised, ended, or is not there. The text is for the student."""

    def __init__(self, sentence: str, kind: str = "raised"):
        super().__init__(sentence)
        self.kind = kind


def image(pixels: torch.Tensor) -> wire.Local:
    """Return a PIL image for the worker from pixels (H, W, 3), uint8."""
    return wire.Local("image", pixels)


class Student:
    """Proxy of one submission. `student.NTXentLoss(...)` calls the student's name, `student.kit.f(...)` a
    helper.

    Tensors, numbers, strings and lists of them come back as they are; every other result stays in the worker
    and comes back as a `RemoteObject` that can be called and has methods. Raises StudentFault.

    Each part has a worker of its own, so that none pays for what another does to its process. A name whose call
    took too long gets half of that time once more; loading and other names get all of it.
    """

    def __init__(self, lab: Lab, files: Files, server: ForkServer, limits: Limits | None = None):
        self._lab, self._files, self._server = lab, files, server
        self._limits = limits or lab.limits
        self._worker: Worker | None = None
        self._fault = StudentFault(files.problem, "unreadable") if files.problem else None
        self._part, self._seed, self._loaded = "", 0, False
        self._names: set[str] = set()  # of the student's, that the last call needed
        self._made: dict[int, set[str]] = {}  # the same of each object in the worker
        self._ended: Counter[str] = Counter()  # how many workers each name has ended
        self._slow: set[str] = set()
        self._used, self._before = [0.0, 0.0], [0.0, 0.0]  # wall and processor seconds: in all, before this part
        self.measured: dict = {}  # what one check has measured and another may use
        self.notes, self.refused, self.printed = list(files.left_out), [], ""
        self.kit = self.helper = Namespace(self, "prop")

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return _Callable(self, ("student", name))

    def begin(self, seed: int, title: str = "") -> None:
        """Make ready for a check: a living worker, nothing kept from the check before. A title's first words,
        up to the colon, name the part; another part gets a fresh worker.
        """
        part, self._seed = title.partition(":")[0], seed
        if self._fault:
            raise self._fault
        if part != self._part:
            self.close()
            self._part, self._before = part, list(self._used)
        if self._worker is None or not self._worker.alive:
            self._start()
        else:
            self.forget()

    def restart(self) -> None:
        """Go on in a fresh worker: nothing that the submission keeps in memory is left."""
        self.close()
        self._start()

    def forget(self) -> None:
        """Let the worker drop every RemoteObject; what it takes of memory is free for the reference then."""
        self._ask({"do": "forget"})

    def sketch(self, stub: str) -> list[int]:
        """Return the sketch of the submission's structure (confined/structure.py), [] where there is none."""
        try:
            self.begin(0)
            found = self._ask({"do": "sketch", "stub": stub})
        except StudentFault:
            return []
        return sorted({n for n in found if type(n) is int})[:400] if isinstance(found, list) else []

    def close(self) -> None:
        if self._worker is not None:
            self.printed = self.printed or wire.printable(self._worker.printed.decode(errors="replace"))
            self._worker.stop()

    def _start(self) -> None:
        self._worker, self._names, self._made = self._server.start(self._limits), set(), {}
        names, contents = list(self._files.contents), list(self._files.contents.values())
        raw = [
            torch.frombuffer(bytearray(c), dtype=torch.uint8) if c else torch.empty(0, dtype=torch.uint8)
            for c in contents
        ]
        self.refused = self._ask({"do": "hello"})["refused"]
        self._ask({"do": "define", "source": self._lab.source()})
        try:
            self._ask({"do": "files", "names": names}, raw)
            notes = self._ask({"do": "load", "wanted": list(self._lab.names), "files": list(self._lab.files)})
        except StudentFault as fault:
            self._fault = StudentFault(f"The submission cannot be loaded. {fault}", fault.kind)
            raise self._fault from None
        if isinstance(notes, list) and not self._loaded:
            self.notes += [str(note)[:300] for note in notes[:10]]
        self._loaded = True

    def _ask(self, header: dict, tensors=()):
        bodies, tables = [], []
        for tensor in tensors:
            wire.encode(tensor, bodies, tables)
        return self._exchange(header, bodies, tables)

    def _exchange(self, header: dict, bodies: list, tables: list):
        limits, start, worker = self._limits, time.monotonic(), self._worker
        given = limits.total_wall_s, limits.total_cpu_s
        wall, cpu = (
            max(most - used, SHARE * most - (used - before))
            for most, used, before in zip(given, self._used, self._before, strict=True)
        )
        if header["do"] != "call":  # each worker has to load again
            wall, cpu = given
        if wall <= 0 or cpu <= 0:
            raise StudentFault(f"Not run: the submission had used up its {limits.total_wall_s:g} s.", "ended")
        if self._names & self._slow:
            limits = replace(limits, wall_s=limits.wall_s / 2, cpu_s=limits.cpu_s / 2)
        worker.limits, spent, waited = limits, worker.spent, worker.waited
        try:
            answer, arrived = worker.ask(
                header, bodies, tables, wall_s=min(wall, limits.wall_s), cpu_s=min(cpu, limits.cpu_s)
            )
            self._remember(answer.get("left"))
            if "error" in answer:
                raise _fault(answer["error"])
            return wire.decode(answer.get("value"), arrived, self._thing)
        except (WorkerEnded, wire.BrokenProtocol) as error:
            worker.stop()
            self._ended.update(self._names)
            if worker.spent - spent > limits.cpu_s or time.monotonic() - start > limits.wall_s:
                self._slow |= self._names
            broken = isinstance(error, wire.BrokenProtocol)
            sentence = f"The submission's answer cannot be read ({error})." if broken else str(error)
            raise StudentFault(sentence, "ended") from None
        finally:
            self._used[0] += max(0.0, time.monotonic() - start - (worker.waited - waited))
            self._used[1] += worker.spent - spent

    def _remember(self, left) -> None:
        """Note which global state of torch a call had left behind; the worker has put it back."""
        for what in left if isinstance(left, list) else []:
            note = f"{' and '.join(sorted(self._names)) or 'Loading'} left {str(what)[:80]} changed; it was put back."
            if note not in self.notes and len(self.notes) < 40 and note.isprintable():
                self.notes.append(note)

    def _needed(self, value) -> set[str]:
        """Return the student's names in a call's arguments, also through objects that they made."""
        if isinstance(value, wire.Remote):
            return self._made.get(value.number, set())
        if isinstance(value, wire.Local):
            return {value.value} if value.kind == "student" else set()
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        return set().union(*map(self._needed, inside))

    def _thing(self, key: str, inside, message: dict):
        if key != "remote" or type(inside) is not int:
            raise wire.BrokenProtocol("a value of no known kind")
        self._made[inside] = self._names
        return RemoteObject(self, inside, str(message.get("kind", "object"))[:80])

    def _call(self, function: tuple, path: list[str], args: tuple, kwargs: dict, *, keep: bool = False):
        bodies, tables, args, kwargs = [], [], _outward(args), _outward(kwargs)
        send = lambda one: wire.encode(one, bodies, tables)  # noqa: E731
        own = wire.Remote(function[1]) if function[0] == "remote" else wire.Local(*function)
        self._names = self._needed([own, args, kwargs])
        for name in sorted(self._names):
            if self._ended[name] >= ATTEMPTS:
                raise StudentFault(f"Not run: {name} had ended its process, or had to be stopped, twice.", "ended")
        self._seed += 1
        header = {
            "do": "call",
            "function": function,
            "path": path,
            "args": [send(one) for one in args],
            "kwargs": {name: send(one) for name, one in kwargs.items()},
            "seed": self._seed % 2**31,
            "keep": keep,
        }
        return self._exchange(header, bodies, tables)


def _outward(value):
    if isinstance(value, RemoteObject):
        return wire.Remote(value.number)
    if isinstance(value, _Callable):
        return wire.Local(value.function[0], value.function[1])
    if isinstance(value, list | tuple):
        return type(value)(_outward(one) for one in value)
    if isinstance(value, dict):
        return {key: _outward(one) for key, one in value.items()}
    return value


def _fault(error) -> StudentFault:
    """Return the fault that the worker described, as a sentence."""
    about = error if isinstance(error, dict) else {}
    name, text = str(about.get("type", "an error"))[:60], str(about.get("text", ""))[:300].strip()
    place = f" ({str(about['place'])[:100]})" if about.get("place") else ""
    base = about.get("base")
    if base == "NotImplementedError":
        return StudentFault(f"Not implemented yet{': ' + text if text else ''}{place}.", "not implemented")
    if base in ("NoSuchName", "Unloadable"):
        return StudentFault(text, "unreadable")
    return StudentFault(f"Your code raised {name}{place}{': ' + text if text else '.'}")


class Namespace:
    def __init__(self, student: Student, kind: str):
        self._student, self._kind = student, kind

    def __getattr__(self, name: str):
        return _Callable(self._student, (self._kind, name))


class _Callable:
    """A function in the worker: call it for its result, or `.keep(...)` to leave any result there."""

    def __init__(self, student: Student, function: tuple, path: tuple = ()):
        self.student, self.function, self.path = student, function, path

    def __call__(self, *args, **kwargs):
        return self.student._call(self.function, list(self.path), args, kwargs)

    def keep(self, *args, **kwargs):
        return self.student._call(self.function, list(self.path), args, kwargs, keep=True)


class RemoteObject:
    """An object that lives in the worker. Calling it or its methods travels there."""

    def __init__(self, student: Student, number: int, kind: str):
        self.student, self.number, self.kind = student, number, kind

    def __call__(self, *args, **kwargs):
        return self.student._call(("remote", self.number), [], args, kwargs)

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return _Callable(self.student, ("remote", self.number), (name,))

    def __repr__(self) -> str:
        return f"<{self.kind} of the student's>"
