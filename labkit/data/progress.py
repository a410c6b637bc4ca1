"""A progress bar that appears only when work takes long, and writes rarely where nobody looks at it."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

APPEARS_AFTER_S = 2
QUIET_INTERVAL_S = 30


def progress_bar(steps: Iterable, *, total: int, text: str, unit: str) -> Iterator[Any]:
    """Yield the steps; each moves the bar by its length of `total` units."""
    from tqdm.auto import tqdm

    interval = 0.1 if sys.stderr.isatty() or "ipykernel" in sys.modules else QUIET_INTERVAL_S
    with tqdm(total=total, desc=text, unit=unit, unit_scale=True, delay=APPEARS_AFTER_S, mininterval=interval) as bar:
        for step in steps:
            yield step
            bar.update(len(step))
