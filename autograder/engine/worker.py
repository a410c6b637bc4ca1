"""The trusted side's hold on one worker: send a request, watch the limits, end it."""

import contextlib
import os
import select
import socket
import time
from dataclasses import dataclass

from autograder.engine import processes
from autograder.engine.confined import wire

PRINTED_KEPT = 4000
PRINTED_MOST = 32 << 20  # bytes: reading away what a submission prints without end would keep the grader busy


class WorkerEnded(Exception):
    """The worker is gone (or had to be stopped); the text says why, as a student reads it."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use. A call that spends `cpu_s`, rests for `idle_s` or lasts `wall_s` ends the
    worker. Seconds in which its processes wait for a processor do not count: they are the machine's load.
    """

    cpu_s: float = 10.0
    idle_s: float = 6.0
    wall_s: float = 30.0
    total_cpu_s: float = 60.0
    total_wall_s: float = 150.0
    memory_mb: int = 2048
    disk_mb: int = 64
    processes: int = 64


class Worker:
    """One confined process. `ask` sends a message and returns the answer, or raises WorkerEnded."""

    def __init__(self, requests: int, answers: int, prints: int, life: socket.socket, limits: Limits):
        self.requests, self.answers, self.prints, self.life, self.limits = (requests, answers, prints, life, limits)
        for descriptor in (requests, answers, prints):
            os.set_blocking(descriptor, False)
        self.printed, self.alive, self.count, self.pid = b"", True, 0, 0
        self.spent, self.waited, self.buffer, self.secret = 0.0, 0.0, bytearray(), os.urandom(8).hex()
        self.poll = select.poll()
        for descriptor in (answers, prints):
            self.poll.register(descriptor, select.POLLIN)
        life.settimeout(120)
        self.tail, self.print_count = "", 0
        try:
            self.pid = int(life.recv(64).split()[1])
        except (OSError, IndexError, ValueError):
            self.stop("The grader could not start a worker.")
        self.base_memory = processes.private_memory(self.pid)

    def ask(self, header: dict, bodies=(), tables=(), *, wall_s=None, cpu_s=None):
        """Return the answer's header and tensors. Raises WorkerEnded (time, memory, exit, protocol)."""
        if not self.alive:
            raise WorkerEnded("The submission's process had ended before.")
        self.count += 1
        number = f"{self.secret}{self.count}"
        message = memoryview(wire.pack(header | {"id": number}, list(bodies), list(tables)))
        clock = Clock(self, wall_s or self.limits.wall_s, cpu_s or self.limits.cpu_s)
        try:
            self._send(message, clock)
            head, body = wire.lengths(self._receive(wire.PREFIX.size, clock))
            answer, tensors = wire.unpack(self._receive(head, clock), self._receive(body, clock))
            if not isinstance(answer, dict) or answer.get("id") != number or self.buffer:
                raise wire.BrokenProtocol("an answer to no question")
        except wire.BrokenProtocol as error:
            self.stop(f"The submission wrote into the grader's pipe ({error}).")
        finally:
            self.spent += clock.cpu()
            self.waited += clock.waited
        return answer, tensors

    def value(self, header: dict):
        """Return the plain value that answers a request of the grader's own. Raises WorkerEnded."""
        answer, tensors = self.ask(header)
        try:
            return wire.decode(answer["value"], tensors, lambda *_: self.stop("The worker's answer cannot be read."))
        except (KeyError, wire.BrokenProtocol):
            self.stop(f"The worker did not answer ({answer.get('error')}).")

    def _send(self, message: memoryview, clock: "Clock") -> None:
        self.poll.register(self.requests, select.POLLOUT)
        try:
            while message:
                if self.requests in self._events(clock):
                    with contextlib.suppress(BlockingIOError):
                        message = message[os.write(self.requests, message[: 1 << 16]) :]
        except OSError:
            self.stop(self._reason())
        finally:
            self.poll.unregister(self.requests)

    def _receive(self, count: int, clock: "Clock") -> bytes:
        while len(self.buffer) < count:
            if self.answers in self._events(clock):
                part = self._read(self.answers)
                if part == b"":
                    self.stop(self._reason())
                self.buffer += part or b""
                if len(self.buffer) > wire.MAX_BODY + wire.MAX_HEADER + 64:
                    self.stop("The submission wrote into the grader's pipe (far too much).")
        part = bytes(self.buffer[:count])
        del self.buffer[:count]
        return part

    def _events(self, clock: "Clock") -> set[int]:
        """Return the descriptors that are ready, prints read away, limits looked at."""
        ready = {descriptor for descriptor, _ in self.poll.poll(clock.pause_ms())}
        if self.prints in ready:
            part = self._read(self.prints)
            if part == b"":
                self.poll.unregister(self.prints)
            self.printed = (self.printed + (part or b""))[:PRINTED_KEPT]
            self.print_count += len(part or b"")
        reason = clock.exceeded()
        if self.print_count > PRINTED_MOST:
            reason = f"The submission printed more than {PRINTED_MOST >> 20} MB."
        if reason:
            self.stop(reason)
        return ready

    @staticmethod
    def _read(descriptor: int) -> bytes | None:
        try:
            return os.read(descriptor, 1 << 18)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _reason(self) -> str:
        """Say how a process that left by itself has ended."""
        with contextlib.suppress(OSError):
            self.life.settimeout(3)
            while part := self.life.recv(64):
                self.tail += part.decode(errors="replace")
        code = self.tail.split("end ")[-1].strip() if "end " in self.tail else "?"
        if code.startswith("-"):
            return f"The submission's process was killed by signal {code[1:]} (memory, or a crash in C code)."
        return "The submission ended its own process (exit) or closed the grader's pipe."

    def stop(self, reason: str = "") -> None:
        """End the worker and everything that it started; with a reason, raise it."""
        if self.alive:
            self.alive = False
            with contextlib.suppress(OSError):
                self.life.shutdown(socket.SHUT_WR)
                self.life.settimeout(5)
                while self.life.recv(256):
                    pass
            self.life.close()
            for descriptor in (self.requests, self.answers, self.prints):
                os.close(descriptor)
        if reason:
            raise WorkerEnded(reason)


class Clock:
    """Watches one question: time, processor time and memory of the worker and all its children."""

    def __init__(self, worker: Worker, wall_s: float, cpu_s: float):
        self.worker, self.wall_s, self.cpu_s = worker, wall_s, cpu_s
        self.start, self.looked, self.used = time.monotonic(), 0.0, processes.usage(worker.pid)
        self.last, self.worked, self.waited = self.used, self.start, 0.0

    def cpu(self) -> float:
        return max(0.0, self.last[0] - self.used[0])

    def pause_ms(self) -> float:
        return 2 if time.monotonic() - self.start < 0.02 else 30

    def exceeded(self) -> str:
        """Return why the worker must be stopped now, or an empty text."""
        now = time.monotonic()
        if now - self.looked < 0.03:
            return ""
        before, self.looked = self.last, now
        self.last = processes.usage(self.worker.pid)
        limits, self.waited = self.worker.limits, max(self.waited, self.last[3] - self.used[3])
        if self.last[0] != before[0] or self.last[3] != before[3]:
            self.worked = now
        if now - self.worked > limits.idle_s:
            return f"The submission did nothing for {limits.idle_s:g} s: it sleeps, or waits in vain."
        if now - self.start - self.waited > self.wall_s or self.cpu() > self.cpu_s:
            return (
                f"The submission did not finish one step within {limits.cpu_s:g} s of computing "
                f"({limits.wall_s:g} s in all)."
            )
        if self.last[1] - self.worker.base_memory * max(1, self.last[2]) > limits.memory_mb << 20:
            return f"The submission used more than {limits.memory_mb} MB of memory."
        return ""
