"""This checkout against another commit, in the same run: each figure of both in turn, and the ratio.

The machine's load changes between two runs, so figures of different runs say little about each other. Here a figure
of one is followed by the same figure of the other, the first now this one, now that one, and the ratio is the median
of the ratios of such pairs.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench._single import FIGURES

ROOT = Path(__file__).resolve().parents[1]
SINGLE = Path(__file__).with_name("_single.py")
PAIRS = int(os.environ.get("BENCH_PAIRS", "5"))
WORSE = 1.10
LONGEST = 600.0  # seconds for one figure
Figure = Callable[[Path, str], float]


def measure(commit: str, keys: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The ratios, as measures with the key `KEY.ratio`.

    Raises:
        ValueError: there is no such figure.
        CalledProcessError: there is no such commit, or a figure could not be measured.
    """
    if unknown := [key for key in keys if key not in FIGURES]:
        raise ValueError(f"{', '.join(unknown)}: not among {', '.join(FIGURES)}")
    with checked_out(commit) as other:
        for key in keys or FIGURES:
            yield f"{key}.ratio", compared(key, commit, pairs(key, ROOT, other, once))


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A worktree of the commit, for a while."""
    with tempfile.TemporaryDirectory(prefix="medspace-against-") as folder:
        tree = Path(folder).resolve() / "tree"
        _git("worktree", "add", "--detach", "--quiet", str(tree), f"{commit}^{{commit}}")
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def pairs(key: str, this: Path, other: Path, figure: Figure) -> list[tuple[float, float]]:
    """The figure of this checkout and of the other, PAIRS times, each first in turn."""
    figure(this, key)  # byte code, caches of the disk: nobody pays for them alone
    figure(other, key)
    found = []
    for number in range(PAIRS):
        order = (this, other) if number % 2 == 0 else (other, this)
        seen = {checkout: figure(checkout, key) for checkout in order}
        found.append((seen[this], seen[other]))
    return found


def once(checkout: Path, key: str) -> float:
    """One figure, by a process of its own."""
    command = [sys.executable, "-P", str(SINGLE), str(checkout), key]
    measured = subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.PIPE, timeout=LONGEST)
    return float(measured.stdout.split()[-1])


def compared(key: str, commit: str, found: list[tuple[float, float]]) -> Mapping[str, Any]:
    """The measure: how many times the other's figure this one's is."""
    unit, _ = FIGURES[key]
    here, there = (statistics.median(figures) for figures in zip(*found, strict=True))
    ratios = [this / other for this, other in found]
    reference = (
        f"{here:.4g} {unit} here, {there:.4g} {unit} at {commit}, {len(found)} pairs in turn, "
        f"ratios {min(ratios):.2f} to {max(ratios):.2f}"
    )
    return {"value": statistics.median(ratios), "unit": "x", "target": f"<= {WORSE:.2f}", "reference": reference}


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)  # noqa: S607 - git of the system
