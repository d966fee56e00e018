"""One figure of one checkout, for `--against`.

    python -P bench/_single.py CHECKOUT KEY

Prints the number. Everything that is measured, and the way to measure it, is that checkout's own: its `src` and its
`bench` come first on the path, also for the processes that are started. So benches keep the names that are used here.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path


def _demo() -> float:
    return float(import_module("bench.demo")._story())  # noqa: SLF001 - as it was in the commit before


def _negotiation() -> float:
    bench = import_module("bench.negotiation")
    bench.TOGETHER = 1  # the median is of those one after the other
    with tempfile.TemporaryDirectory() as folder:
        holder, user = bench._configs(Path(folder))  # noqa: SLF001
        with bench._holder(holder, 0):  # noqa: SLF001
            median, _ = asyncio.run(bench._negotiations(holder, user))  # noqa: SLF001
    return float(median) * 1000


def _catalogue() -> float:
    bench = import_module("bench.negotiation")
    with tempfile.TemporaryDirectory() as folder:
        (milliseconds,) = bench._page_p95(Path(folder, "catalogues"), (10_000,))  # noqa: SLF001
    return float(milliseconds)


def _start() -> tuple[float, float]:
    bench = import_module("bench.negotiation")
    bench.STARTS = 1
    with tempfile.TemporaryDirectory() as folder:
        ports = bench._free_ports()  # noqa: SLF001
        made = bench.set_up(Path(folder, "plain"), bench.Wishes("Plain", ports))
        seconds, resident = bench._starts(Path(made["config"]))  # noqa: SLF001
    return float(seconds), float(resident)


FIGURES: dict[str, tuple[str, Callable[[], float]]] = {
    "demo.seconds": ("s", _demo),
    "negotiation.p50_ms": ("ms", _negotiation),
    "catalog.page_p95_ms.10k": ("ms", _catalogue),
    "connector.cold_start_s": ("s", lambda: _start()[0]),
    "connector.rss_mb": ("MB", lambda: _start()[1]),
}


def main(checkout: Path, key: str) -> None:
    """Measure and print."""
    places = [str(checkout / "src"), str(checkout)]
    sys.path[:0] = places
    os.environ["PYTHONPATH"] = os.pathsep.join(places)
    found = Path(str(import_module("medspace").__file__))
    assert found.is_relative_to(checkout), f"{found} is not of {checkout}"
    _, figure = FIGURES[key]
    print(figure())


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
