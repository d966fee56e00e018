"""What it takes to look at a large file: the 101,766 encounters of Diabetes 130-US Hospitals, and a million rows."""

import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from medspace.adapters.duckdb.drafting import DraftOptions, draft
from tests.shared_data import DATA

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = "diabetes-130-hospitals/dataset_diabetes.zip"
MEMBER = "dataset_diabetes/diabetic_data.csv"
MILLION = 1_000_000
COLUMNS = 20


def measure() -> dict[str, dict[str, Any]]:
    """Seconds and memory of a draft, each in a process of its own; the seconds are those of its processor."""
    measures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as kept:
        file = Path(kept, "million.csv")
        _write(file)
        seconds, wall, megabytes = _drafted(file, "patient")
        size = f"{MILLION} x {COLUMNS}, {file.stat().st_size >> 20} MB; {wall:.1f} s by the clock"
        measures["draft.s.1m"] = {"value": seconds, "unit": "s", "reference": size}
        measures["draft.peak_mb.1m"] = {"value": megabytes, "unit": "MB", "reference": size}
        if (DATA / ARCHIVE).exists():
            with zipfile.ZipFile(DATA / ARCHIVE) as archive:
                encounters = Path(archive.extract(MEMBER, kept))
            seconds, wall, megabytes = _drafted(encounters, "patient_nbr")
            told = f"101,766 x 50; {wall:.1f} s by the clock; 17.9 s before"
            measures["draft.s"] = {"value": seconds, "unit": "s", "reference": told, "target": "<= 3"}
            measures["draft.peak_mb"] = {
                "value": megabytes,
                "unit": "MB",
                "reference": "the whole process",
                "target": "<= 300",
            }
    return measures


def _write(file: Path) -> None:
    """Invented rows, two for each patient: numbers, codes, days, some missing."""
    names = ["patient", *(f"n{at}" for at in range(8)), *(f"c{at}" for at in range(8)), "day", "flag", "lab"]
    assert len(names) == COLUMNS
    with file.open("w", encoding="utf-8") as target:
        target.write(",".join(names) + "\n")
        for row in range(MILLION):
            numbers = ",".join(str((row * (at + 3)) % (50 * (at + 1))) for at in range(8))
            codes = ",".join(f"k{(row * (at + 7)) % (3 + 5 * at)}" for at in range(8))
            lab = "NA" if row % 11 == 0 else f"{row % 900 / 100}"
            target.write(f"p{row // 2},{numbers},{codes},2024-{row % 12 + 1:02}-{row % 28 + 1:02},{row % 2},{lab}\n")


def _drafted(file: Path, person: str) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "bench.draft", str(file), person]
    seconds, wall, megabytes = subprocess.check_output(command, cwd=ROOT, text=True).split()
    return float(seconds), float(wall), float(megabytes)


def _draft(file: Path, person: str) -> None:
    """Draft, and print seconds of the processor and of the clock, and the most megabytes that were resident."""
    started, began = time.process_time(), time.perf_counter()
    made = draft(file, DraftOptions(person))
    assert made.columns
    seconds, wall = time.process_time() - started, time.perf_counter() - began
    print(seconds, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    _draft(Path(sys.argv[1]), sys.argv[2])
