"""What many small tables take: 230 CSV files of 60 rows, read, checked and counted for the catalogue in one go."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from medspace.adapters.duckdb.publishing import published
from medspace.adapters.duckdb.source import load
from medspace.core.dictionary import parse
from medspace.privacy.publication import LEAST

ROOT = Path(__file__).resolve().parents[1]
TABLES = 230
ROWS = 60
DICTIONARY = """
title = "Small"
[columns.age]
type = "integer"
minimum = 0
maximum = 120
[columns.ldl]
type = "number"
minimum = 0
maximum = 20
[columns.sex]
type = "code"
codes = ["F", "M"]
[columns.disease]
type = "flag"
"""


def measure() -> dict[str, dict[str, Any]]:
    """Resident memory and threads of a process that holds so many tables, its libraries included."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(TABLES):
            Path(folder, f"{number}.csv").write_text(_table(number), encoding="utf-8")
        command = [sys.executable, "-m", "bench.sources", folder]
        megabytes, threads = subprocess.check_output(command, cwd=ROOT, text=True).split()
    return {
        "sources.rss_mb_230": {
            "value": float(megabytes),
            "unit": "MB",
            "reference": "1.8 GB with a DuckDB for each table",
            "target": "<= 200",
        },
        "sources.threads_230": {"value": float(threads), "unit": "", "reference": "8 a table", "target": "<= 20"},
    }


def _table(number: int) -> str:
    rows = (
        f"{20 + (row + number) % 90},{(row * 7 + number) % 19}.5,{'FM'[row % 2]},{row % 3 % 2}" for row in range(ROWS)
    )
    return "\n".join(("age,ldl,sex,disease", *rows, ""))


def _hold(folder: Path) -> None:
    """Load every table of the folder, keep them, and print what this process takes: megabytes and threads."""
    dictionary = parse(DICTIONARY)
    tables = [load(path, dictionary) for path in sorted(folder.iterdir())]
    assert len(tables) == TABLES
    assert all(len(published(table, LEAST).dictionary.columns) == 4 for table in tables)
    told = subprocess.check_output(["ps", "-o", "rss=,nlwp=", "-p", str(os.getpid())], text=True)  # noqa: S607 - ps of the system
    resident, threads = told.split()
    print(int(resident) / 1024, threads)


if __name__ == "__main__":
    _hold(Path(sys.argv[1]))
