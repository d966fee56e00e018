"""Parts from one connector to another, each a process of its own, on loopback, from disk to disk, verified."""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.e2e.house.apart import apart

MB = 1 << 20
SIZE = 256  # MB
TIMES = 3


def measure() -> dict[str, dict[str, Any]]:
    """MB a second of a part that is brought and one that is fetched (the slower of both), and the memory for it."""
    with tempfile.TemporaryDirectory() as folder, apart(Path(folder), "clinic", program="ask") as both:
        both.exchange(MB, 1)  # the first question of all loads what every one needs
        # Each a little larger than the one before: another question, which was not answered yet.
        said = [both.exchange(SIZE * MB + 8 * number, 1) for number in range(TIMES)]
        assert all(one["right"] for one in said)
    brought, fetched = (SIZE / statistics.median(one[way] for one in said) for way in ("brought", "fetched"))
    peak = max(max(one["memory"], one["clinic"]) for one in said)
    ways = f"brought {brought:.0f}, fetched {fetched:.0f}"
    return {
        "part.mb_per_s": {"value": min(brought, fetched), "unit": "MB/s", "reference": ways, "target": ">= 150"},
        "part.peak_mb": {"value": peak, "unit": "MB", "reference": "above idle, either side", "target": "<= 48"},
    }
