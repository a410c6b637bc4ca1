"""Who may end a training between two steps: a person at the keyboard, or whoever asked the run to stop."""

import signal
import threading

from labkit.distributed import broadcast_flag, is_main, world_size
from labkit.run_folder import Interrupted, RunFolder


class StopButton:
    """Lets Ctrl-C, or Jupyter's stop button, wait for the end of a step; pressed again, it stops at once."""

    pressed = False

    def __enter__(self) -> "StopButton":
        main = threading.current_thread() is threading.main_thread()
        ours = main and world_size() == 1 and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self._before = signal.signal(signal.SIGINT, self._press) if ours else None
        return self

    def __exit__(self, *error) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number, frame) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True


def reason_to_stop(run: RunFolder, button: StopButton, fit: str, step: int, *, seldom: int):
    """Return what to raise where someone asked for a stop, or None.

    Several processes agree on it; for that is a wait, they do so at every `seldom`-th step alone.
    """
    if button.pressed:
        return KeyboardInterrupt(f"saved step {step} of {fit!r}; run it again to go on")
    if world_size() == 1:
        asked = run.stop_requested()
    else:
        asked = step % seldom == 0 and broadcast_flag(is_main() and run.stop_requested())
    saved = f"{fit!r} was asked to stop and has saved step {step}; resume the run to go on"
    return Interrupted(saved) if asked else None
