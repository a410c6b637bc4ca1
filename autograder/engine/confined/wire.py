"""How numbers cross the pipe: a fixed prefix, a JSON header, raw tensor bytes; every length checked.

Both sides use this file. Nothing that arrives is unpickled or evaluated, so the worst that a student's bytes
can do is to be refused (BrokenProtocol).
"""

import json
import math
import re
import struct

import numpy
import torch

MAGIC = b"LAB1"
PREFIX = struct.Struct("<4sIQ")  # magic, header bytes, body bytes
MAX_HEADER, MAX_BODY, MAX_NUMBERS = 2**20, 2**27, 10_000
KINDS = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
DTYPES = {name: getattr(torch, name) for name in KINDS}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
# control characters (a terminal obeys them), changes of direction, halves of characters: all but tab and line break
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class BrokenProtocol(Exception):
    """What arrived is not a message of ours."""


class Remote:
    """A thing that stays in the worker: its number there and the name of its type."""

    def __init__(self, number: int, kind: str = ""):
        self.number, self.kind = number, kind


class Local:
    """Something for the worker to make of plain numbers: `Local("device", "cpu")`, `Local("image",
    tensor)`.
    """

    def __init__(self, kind: str, value):
        self.kind, self.value = kind, value


def printable(value):
    """Return text, or what JSON made of text, that any terminal, file and page can hold: \\x1b for an escape."""
    if isinstance(value, str):
        return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], value)
    if isinstance(value, dict):
        return {printable(key): printable(one) for key, one in value.items()}
    return [printable(one) for one in value] if isinstance(value, list) else value


def tensor_bytes(tensor: torch.Tensor) -> tuple[dict, bytes]:
    """Return what describes a tensor and its bytes."""
    with torch.no_grad():
        plain = torch.Tensor.detach(tensor).cpu().as_subclass(torch.Tensor).contiguous()
        plain = plain.resolve_conj().resolve_neg()
        if plain.dtype not in NAMES:
            raise TypeError(f"a tensor of {plain.dtype}")
        raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return {"dtype": NAMES[plain.dtype], "shape": list(plain.shape)}, raw


def bytes_tensor(about: dict, raw: bytes) -> torch.Tensor:
    """Return the tensor that `about` describes. Raises BrokenProtocol where lengths disagree."""
    dtype, shape = DTYPES.get(about.get("dtype")), about.get("shape")
    if dtype is None or not isinstance(shape, list) or len(shape) > 8:
        raise BrokenProtocol("a tensor of unknown type or shape")
    if not all(type(n) is int and 0 <= n <= 2**31 for n in shape):
        raise BrokenProtocol("a tensor of impossible shape")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise BrokenProtocol("a tensor whose bytes do not fill its shape")
    if not raw:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(dtype).reshape(shape)


def encode(value, bodies: list, tables: list, keep=None, depth: int = 0):
    """Return `value` as JSON, its tensors appended to `bodies`; `keep(thing)` numbers what is not plain."""
    if depth > 6:
        raise TypeError("lists nested too deeply")
    again = lambda one: encode(one, bodies, tables, keep, depth + 1)  # noqa: E731
    if issubclass(type(value), numpy.generic):  # what numpy.mean returns is a number as well
        value = numpy.generic.item(value)
    kind = type(value)
    if value is None or kind in (bool, float, str) or (kind is int and abs(value) < 2**63):
        return value[:4000] if kind is str else value
    if isinstance(value, torch.Tensor):
        about, raw = tensor_bytes(value)
        tables.append(about)
        bodies.append(raw)
        return {"tensor": len(tables) - 1}
    if kind in (list, tuple) and len(value) <= MAX_NUMBERS:
        return {kind.__name__: [again(one) for one in list.__iter__(list(value))]}
    if kind is dict and len(value) <= MAX_NUMBERS and all(type(k) in (str, int) for k in value):
        return {"dict": [[key, again(one)] for key, one in value.items()]}
    if kind is Remote:
        return {"remote": value.number}
    if kind is Local:
        return {value.kind: again(value.value)}
    if keep is None:
        raise TypeError(f"{kind.__name__} does not cross the pipe")
    return {"remote": keep(value), "kind": str(kind.__name__)[:80]}


def decode(value, tensors: list, resolve, depth: int = 0):
    """Return the value that `encode` wrote; `resolve(key, inside, message)` makes an object of other keys."""
    if depth > 12:
        raise BrokenProtocol("a value nested too deeply")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if not isinstance(value, dict) or not value:
        raise BrokenProtocol("a value of no known kind")
    again = lambda one: decode(one, tensors, resolve, depth + 1)  # noqa: E731
    key, inside = next(iter(value.items()))
    try:
        if key == "tensor":
            return tensors[int(inside)]
        if key in ("list", "tuple"):
            return (list if key == "list" else tuple)(again(one) for one in inside)
        if key == "dict":
            return {name: again(one) for name, one in inside}
    except (TypeError, ValueError, IndexError) as error:
        raise BrokenProtocol("a value that contradicts itself") from error
    return resolve(key, again(inside), value)


def pack(header: dict, bodies: list[bytes], tables: list[dict]) -> bytes:
    """Return one message. Raises TypeError where it is too large."""
    text = json.dumps(header | {"tensors": tables}).encode()
    body = b"".join(bodies)
    if len(text) > MAX_HEADER or len(body) > MAX_BODY:
        raise TypeError(f"a message of {(len(text) + len(body)) / 2**20:.0f} MB")
    return PREFIX.pack(MAGIC, len(text), len(body)) + text + body


def lengths(prefix: bytes) -> tuple[int, int]:
    """Return the header's and the body's length. Raises BrokenProtocol."""
    magic, header, body = PREFIX.unpack(prefix)
    if magic != MAGIC or header > MAX_HEADER or body > MAX_BODY:
        raise BrokenProtocol("bytes that are no message")
    return header, body


def unpack(text: bytes, body: bytes) -> tuple[dict, list[torch.Tensor]]:
    """Return a message's header and tensors. Raises BrokenProtocol."""
    try:
        header = printable(json.loads(text))
        tables = header["tensors"]
        tensors, start = [], 0
        for about in tables:
            size = math.prod(about["shape"]) * DTYPES[about["dtype"]].itemsize
            if not 0 <= size <= len(body) - start:
                raise BrokenProtocol("a message shorter than it says")
            tensors.append(bytes_tensor(about, body[start : start + size]))
            start += size
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise BrokenProtocol("a message that cannot be read") from error
    if start != len(body):
        raise BrokenProtocol("a message longer than it says")
    return header, tensors
