"""When the collector of cycles looks, in a process that does nothing but run connectors until its end.

What a start makes stays: looking through it again and again costs a fifth of the start, and a tenth of each step.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Objects that are new before they are looked at for cycles, and how many such looks go before one at older ones.
THRESHOLDS = (5_000, 10, 10)


@contextmanager
def unwatched() -> Iterator[None]:
    """Look at nothing before `watch` is called, or this ends."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def watch() -> None:
    """Look from now on, and seldom."""
    gc.set_threshold(*THRESHOLDS)
    gc.enable()


def settle() -> None:
    """Look at everything once, and never again at what is there now."""
    gc.collect()
    gc.freeze()
    watch()
