"""When the garbage collector looks for cycles, in a process that only runs connectors.

Objects that are created at start stay; scanning them repeatedly costs a fifth of the start, and a tenth of each step.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects before a collection of the youngest generation, and how many of those before one of the next.
THRESHOLDS = (5_000, 10, 10)


@contextmanager
def unwatched() -> Iterator[None]:
    """Look at nothing before `watch` is called, or this ends; at its end at everything again.

    What `settle` has set aside would outlive the interpreter otherwise: libraries that count what they lent, as
    DuckDB's does, say at the exit of the process that it was never given back.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


def watch() -> None:
    """Enable collection, with high thresholds."""
    gc.set_threshold(*THRESHOLDS)
    gc.enable()


def settle() -> None:
    """Collect everything once, and exclude what exists now from later collections."""
    gc.collect()
    gc.freeze()
    watch()
