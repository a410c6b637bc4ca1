"""The worker's loop: read a request, do it with the student's code, answer with raw numbers."""

import contextlib
import os
import random
import sys
import traceback

import numpy
import torch

from autograder.engine.confined import environment, kit, load, structure, wire

_read, _write, _exit = os.read, os.write, os._exit


def forget_ourselves() -> None:
    """Take the grader's own modules out of reach of a plain import."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "autograder"]:
        del sys.modules[name]


def serve(requests: int, answers: int, scratch: str, refused: list[str], importable: dict) -> None:
    """Answer requests until the pipe closes. Any exception of a student's becomes an answer."""
    torch.set_num_threads(1)
    handler = RequestHandler(scratch, refused, importable)
    while True:
        sizes = wire.lengths(_exactly(requests, wire.PREFIX.size))
        header, tensors = wire.unpack(*(_exactly(requests, size) for size in sizes))
        bodies, tables = [], []
        try:
            reply = {"value": wire.encode(handler.do(header, tensors), bodies, tables, handler.keep)}
            message = wire.pack(reply | {"id": header["id"], "left": handler.put_back()}, bodies, tables)
        except BaseException as error:  # SystemExit and KeyboardInterrupt of a student's as well
            reply = {"error": describe(error, scratch), "left": handler.put_back()}
            message = wire.pack(reply | {"id": header["id"]}, [], [])
        view = memoryview(message)
        while view:
            view = view[_write(answers, view[: 1 << 20]) :]


def _exactly(descriptor: int, count: int) -> bytes:
    parts = []
    while count:
        part = _read(descriptor, min(count, 1 << 20))
        if not part:
            _exit(0)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def describe(error: BaseException, scratch: str) -> dict:
    """Return an exception as three short strings, whatever its own methods do."""
    try:
        text = str(error)[:600]
    except BaseException:
        text = ""
    place = ""
    try:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(scratch)]
        if isinstance(error, SyntaxError) and error.lineno:
            place, text = f"{os.path.basename(error.filename or '?')}, line {error.lineno}", str(error.msg)
        elif frames:
            place = f"{os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}"
    except BaseException:
        pass
    name = next((k.__name__ for k in type(error).__mro__ if k in KNOWN), "Exception")
    text = text.replace(scratch + "/", "")
    return {"type": str(type(error).__name__)[:60], "base": name, "text": text, "place": str(place)[:100]}


KNOWN = {NotImplementedError, load.NoSuchName, load.Unloadable, MemoryError, SystemExit, SyntaxError, TypeError}


STATES = {  # what a program may set for all that runs after it: how it is read, and how it is put back
    "torch.set_grad_enabled": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": (torch.get_default_device, torch.set_default_device),
    "torch's deterministic mode": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    "torch's anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "torch's autocast": (lambda: torch.is_autocast_enabled("cpu"), lambda on: torch.set_autocast_enabled("cpu", on)),
    "torch's matmul precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
    "numpy's handling of errors": (numpy.geterr, lambda errors: numpy.seterr(**errors)),
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "the working folder": (os.getcwd, os.chdir),
}


class RequestHandler:
    """What one submission has: its names, our props, and the objects that the grader holds by number."""

    def __init__(self, scratch: str, refused: list[str], importable: dict):
        self.scratch, self.refused, self.importable = scratch, refused, importable
        self.objects, self.props, self.names, self.notes = {}, dict(vars(kit)), None, []
        self.usual = {name: read() for name, (read, _) in STATES.items()}

    def do(self, header: dict, tensors: list[torch.Tensor]):
        return getattr(self, f"do_{header['do']}")(header, tensors)

    def put_back(self) -> list[str]:
        """Put global states back as they were when the submission was loaded; return which had changed."""
        left = []
        for name, (read, write) in STATES.items():
            with contextlib.suppress(Exception):  # a folder that is gone; a function that a student replaced
                if read() != self.usual[name]:
                    left.append(name)
                    write(self.usual[name])
        return left

    def do_hello(self, header, tensors):
        return {"refused": self.refused}

    def do_imports(self, header, tensors):
        return environment.failures(self.importable)

    def do_files(self, header, tensors):
        self.notes = load.write_files(self.scratch, header["names"], tensors)

    def do_load(self, header, tensors):
        self.names = load.Names(self.scratch, header["wanted"], header["files"], self.notes)
        self.usual |= {name: read() for name, (read, _) in STATES.items() if name != "torch.set_grad_enabled"}
        return self.names.notes

    def do_sketch(self, header, tensors):
        return structure.sketch(self.scratch, header["stub"])

    def do_define(self, header, tensors):
        exec(compile(header["source"], "the check's own helper", "exec"), self.props)

    def do_forget(self, header, tensors):
        self.objects.clear()

    def do_call(self, header, tensors):
        function = self.resolve(*header["function"])
        for name in header["path"]:
            function = getattr(function, name)
        arguments = [wire.decode(one, tensors, self.make) for one in header["args"]]
        options = {name: wire.decode(one, tensors, self.make) for name, one in header["kwargs"].items()}
        torch.manual_seed(header["seed"])
        random.seed(header["seed"])
        numpy.random.seed(header["seed"] % 2**32)
        result = function(*arguments, **options)
        return wire.Remote(self.keep(result)) if header["keep"] else result

    def resolve(self, kind: str, name):
        return {
            "student": lambda: self.names.find(name),
            "prop": lambda: self.props[name],
            "remote": lambda: self.objects[name],
        }[kind]()

    def make(self, key: str, inside, message: dict):
        if key in ("remote", "prop", "student"):
            return self.resolve(key, inside)
        if key == "device":
            return torch.device(inside)
        if key == "image":
            from PIL import Image

            return Image.fromarray(inside.numpy())
        raise wire.BrokenProtocol(key)

    def keep(self, thing) -> int:
        self.objects[len(self.objects)] = thing
        return len(self.objects) - 1
