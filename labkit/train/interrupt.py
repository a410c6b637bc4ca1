"""A training ends between two steps: after Ctrl-C, or when its run has a stop request."""

import signal
import threading
from types import FrameType

from labkit.distributed import broadcast_value, is_main, world_size
from labkit.run_folder import Interrupted, RunFolder


class InterruptHandler:
    """Lets Ctrl-C, or Jupyter's stop button, wait for the end of a step; pressed again, it stops at once.

    Several processes agree on a stop of their run; as that is a wait, they do so at every `every`-th step alone.
    """

    def __init__(self, run: RunFolder, fit: str, *, every: int):
        self.run, self.fit, self.every = run, fit, every
        self.pressed, self.alone = False, world_size() == 1

    def __enter__(self) -> "InterruptHandler":
        main = threading.current_thread() is threading.main_thread()
        ours = main and self.alone and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self._before = signal.signal(signal.SIGINT, self._press) if ours else None
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True

    def reason(self, step: int) -> BaseException | None:
        """Return what to raise before update `step` where a stop was requested, or None."""
        if self.pressed:
            return KeyboardInterrupt(f"saved step {step} of {self.fit!r}; run it again to go on")
        if self.alone:
            requested = self.run.stop_requested()
        else:
            requested = step % self.every == 0 and broadcast_value(is_main() and self.run.stop_requested())
        if not requested:
            return None
        return Interrupted(f"{self.fit!r} was asked to stop and has saved step {step}; resume the run to go on")
