"""What a student's bytes can do to the trusted side: be refused, nothing else."""

import json
import random

import numpy
import pytest
import torch

from autograder.engine.confined import wire


def send(value):
    bodies, tables = [], []
    return wire.pack({"value": wire.encode(value, bodies, tables)}, bodies, tables)


def receive(message):
    head, body = wire.lengths(message[: wire.PREFIX.size])
    rest = message[wire.PREFIX.size :]
    header, tensors = wire.unpack(rest[:head], rest[head : head + body])
    return wire.decode(header["value"], tensors, lambda *_: pytest.fail("no other kinds were sent"))


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "text", [1, (2.0, "x")], {"a": [1], 2: None}])
def test_plain_values_arrive_as_they_left(value):
    assert receive(send(value)) == value


@pytest.mark.parametrize("value", [numpy.float64(2.5), numpy.float32(0.5), numpy.int64(3), numpy.bool_(True)])
def test_numpys_numbers_arrive_as_pythons(value):
    got = receive(send([value]))[0]
    assert got == value and type(got) in (float, int, bool)


def test_a_number_of_numpys_that_lies_about_itself_is_read_by_numpy():
    class Liar(numpy.float64):
        def item(self):
            return "full marks"

    assert receive(send(Liar(0.5))) == 0.5


@pytest.mark.parametrize("dtype", wire.NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 4)])
def test_tensors_arrive_bit_for_bit(dtype, shape):
    tensor = (10 * torch.rand(shape)).to(dtype)
    got = receive(send({"x": [tensor]}))["x"][0]
    assert got.dtype == dtype and got.shape == tensor.shape and torch.equal(got, tensor)


def test_nothing_but_known_types_is_sent():
    with pytest.raises(TypeError):
        send(object())
    with pytest.raises(TypeError):
        send([[[[[[[[1]]]]]]]])


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"tensors": 3}',
        b'{"tensors": [{}]}',
        b"[" * 100_000,
        b'{"tensors": [{"dtype": "float32", "shape": [1000000]}]}',
        b'{"tensors": [{"dtype": "object", "shape": [1]}]}',
        b'{"tensors": [{"dtype": "float32", "shape": [-1]}]}',
        b'{"tensors": [{"dtype": "float32", "shape": ["1"]}]}',
        b'{"tensors": [{"dtype": "float32", "shape": [1e3]}]}',
        b'{"tensors": [{"dtype": "float32", "shape": [true]}]}',
        b'{"tensors": [{"dtype": "float32", "shape": [' + b"9" * 5000 + b"]}]}",
    ],
)
def test_a_header_that_lies_is_refused(header):
    with pytest.raises(wire.BrokenProtocol):
        wire.unpack(header, b"1234")


@pytest.mark.parametrize(
    "value", [{}, {"tensor": 5}, {"tensor": "x"}, {"list": 3}, {"dict": [1]}, {"tuple": None}, {"dict": [[[], 1]]}, [1]]
)
def test_a_value_that_lies_is_refused(value):
    def refuse(*_):
        raise wire.BrokenProtocol

    with pytest.raises(wire.BrokenProtocol):
        wire.decode(value, [], refuse)


def test_random_bytes_never_raise_anything_else():
    draw = random.Random(0)
    good = send({"x": torch.rand(3), "y": [1, 2.0]})
    for _ in range(3000):
        bad = bytearray(good)
        for _ in range(draw.randint(1, 6)):
            bad[draw.randrange(len(bad))] = draw.randrange(256)
        try:
            head, body = wire.lengths(bytes(bad[: wire.PREFIX.size]))
            rest = bytes(bad[wire.PREFIX.size :])
            header, tensors = wire.unpack(rest[:head], rest[head : head + body])
            wire.decode(header["value"], tensors, lambda *_: None)
        except (wire.BrokenProtocol, KeyError):
            pass


def test_a_frame_of_many_gigabytes_is_refused_before_it_is_read():
    with pytest.raises(wire.BrokenProtocol):
        wire.lengths(wire.PREFIX.pack(wire.MAGIC, 10, 2**60))
    assert json.dumps("x")
