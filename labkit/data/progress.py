"""A progress bar that appears only when work takes long, and writes rarely where nobody looks at it."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

APPEARS_AFTER_S = 2
QUIET_INTERVAL_S = 30


def progress_bar(
    steps: Iterable, *, total: int, text: str, unit: str, amount: Callable[[Any], int] = len
) -> Iterator[Any]:
    """Yield the steps; each moves the bar by amount(step) of `total` units. Without tqdm there is no bar."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield from steps
        return
    interval = 0.1 if sys.stderr.isatty() or "ipykernel" in sys.modules else QUIET_INTERVAL_S
    with tqdm(total=total, desc=text, unit=unit, unit_scale=True, delay=APPEARS_AFTER_S, mininterval=interval) as bar:
        for step in steps:
            yield step
            bar.update(amount(step))
