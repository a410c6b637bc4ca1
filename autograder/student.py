"""The student's names as the checks see them: a call travels to the worker, raw numbers come back."""

import time
from dataclasses import replace

import torch

from autograder.checking import Lab
from autograder.engine.confined import wire
from autograder.engine.files import Files
from autograder.engine.fork_server import ForkServer
from autograder.engine.worker import Limits, Worker, WorkerEnded

CPU = wire.Local("device", "cpu")
ATTEMPTS = 3  # workers that one submission may wear out by taking too long


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

    A worker that took too long is followed by one whose calls get half of its time, so that a submission that
    hangs costs less than twice its limit. Loading gets the whole time: each worker has to do it again.
    """

    def __init__(self, lab: Lab, files: Files, server: ForkServer, limits: Limits | None = None):
        self._lab, self._files, self._server = lab, files, server
        self._limits = self._patience = limits or lab.limits
        self._worker: Worker | None = None
        self._fault = StudentFault(files.problem, "unreadable") if files.problem else None
        self._ended = 0
        self._wall = self._cpu = 0.0
        self._seed = 0
        self.measured: dict = {}  # what one check has measured and another may use
        self.notes, self.refused, self.printed = list(files.left_out), [], ""
        self.kit = self.helper = Namespace(self, "prop")

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return _Callable(self, ("student", name))

    def begin(self, seed: int) -> None:
        """Make ready for a check: a living worker, nothing kept from the check before."""
        self._seed = seed
        if self._fault:
            raise self._fault
        if self._worker is None or not self._worker.alive:
            self._start()
        else:
            self.forget()

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
            self.printed = self.printed or self._worker.printed.decode(errors="replace")
            self._worker.stop()

    def _start(self) -> None:
        if self._ended >= ATTEMPTS:
            self._give_up(f"Not run: the submission had been stopped {ATTEMPTS} times.")
        self._worker = self._server.start(self._limits)
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
        self._worker.limits = self._patience
        if isinstance(notes, list) and self._ended == 0:
            self.notes += [str(note)[:300] for note in notes[:10]]

    def _give_up(self, sentence: str) -> None:
        self._fault = StudentFault(sentence, "ended")
        raise self._fault

    def _ask(self, header: dict, tensors=()):
        bodies, tables = [], []
        for tensor in tensors:
            wire.encode(tensor, bodies, tables)
        return self._exchange(header, bodies, tables)

    def _exchange(self, header: dict, bodies: list, tables: list):
        limits, step, start = self._limits, self._worker.limits, time.monotonic()
        wall, cpu = limits.total_wall_s - self._wall, limits.total_cpu_s - self._cpu
        if wall <= 0 or cpu <= 0:
            self._worker.stop()
            self._give_up(f"Not run: the submission had used up its {limits.total_wall_s:g} s.")
        before = self._worker.spent
        try:
            answer, arrived = self._worker.ask(
                header, bodies, tables, wall_s=min(wall, step.wall_s), cpu_s=min(cpu, step.cpu_s)
            )
            if "error" in answer:
                raise _fault(answer["error"])
            return wire.decode(answer.get("value"), arrived, self._thing)
        except WorkerEnded as error:
            self._ended += 1
            if time.monotonic() - start > step.wall_s or self._worker.spent - before > step.cpu_s:
                self._patience = replace(step, wall_s=step.wall_s / 2, cpu_s=step.cpu_s / 2)
            raise StudentFault(str(error), "ended") from None
        except wire.BrokenProtocol as error:
            self._ended += 1
            self._worker.stop()
            raise StudentFault(f"The submission's answer cannot be read ({error}).", "ended") from None
        finally:
            self._wall += time.monotonic() - start
            self._cpu += self._worker.spent - before

    def _thing(self, key: str, inside, message: dict):
        if key != "remote" or type(inside) is not int:
            raise wire.BrokenProtocol("a value of no known kind")
        return RemoteObject(self, inside, str(message.get("kind", "object"))[:80])

    def _call(self, function: tuple, path: list[str], args: tuple, kwargs: dict, *, keep: bool = False):
        bodies, tables = [], []
        send = lambda one: wire.encode(_outward(one), bodies, tables)  # noqa: E731
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
