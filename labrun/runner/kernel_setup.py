"""Inside a kernel that the runner started: a failing `!command` stops the run, progress bars are text."""

import os
import signal
import sys
import types

from labkit.run_folder import LabError


def load_ipython_extension(shell) -> None:
    """Called by IPython when the kernel starts (see kernel.py)."""
    # Slurm sends TERM to every process of a job: the kernel must outlive it to save. Children do not.
    signal.signal(signal.SIGTERM, lambda *_: None)  # a handler, not SIG_IGN: exec takes it away again
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))

    def system(command):  # what `!command` calls: IPython's own would ignore a command that failed
        from IPython.utils.process import system as run_command

        code = run_command(shell.var_expand(command, depth=1))
        shell.user_ns["_exit_code"] = code
        if code:
            raise LabError(
                f"The command `{command.strip()}` ended with exit code {code}; "
                "write `!command || true` where a failure is fine."
            )

    def lookup(name):  # of tqdm's choice of a widget: in an executed notebook a widget stays at 0 %
        if name in ("tqdm", "trange"):
            import tqdm.std

            return getattr(tqdm.std, name)
        raise AttributeError(name)

    def leave():  # what quit() and exit() call: the kernel's own would run the cells that follow
        raise SystemExit(0)

    shell.system, shell.ask_exit = system, leave
    plain = types.ModuleType("tqdm.autonotebook")
    vars(plain)["__getattr__"] = lookup
    sys.modules.setdefault("tqdm.autonotebook", plain)
