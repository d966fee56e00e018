"""One site of a masked fit in a process of its own: steps come in as JSON lines, outputs go out as such.

    python -m bench._site COUNT NUMBER

What a site remembers stays in its process. Beside each output stands what tells that this process computes in its own
way: a digest of floats whose last bits depend on the processor.
"""

import sys
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np

from medspace.core.usage import Output, Step


def free() -> str:
    """The digest of floats that no rule makes the same on all processors: a solution, and exponentials."""
    chance = np.random.default_rng(1)
    square = chance.normal(size=(40, 30))
    found = np.linalg.solve(square.T @ square, np.ones(30)).tobytes() + np.exp(chance.normal(size=9999)).tobytes()
    return sha256(found).hexdigest()


class Said(msgspec.Struct):
    """One line of the process."""

    output: Output
    free: str


def main(count: int, number: int) -> None:
    """Answer steps until there are no more."""
    from bench.rounds import sites_of  # noqa: PLC0415 - which starts this

    site: Any = list(sites_of(count).values())[number]
    said = free()
    for line in sys.stdin.buffer:
        output = replace(site.do(msgspec.json.decode(line, type=Step)), memory=None)
        sys.stdout.buffer.write(msgspec.json.encode(Said(output, said)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
