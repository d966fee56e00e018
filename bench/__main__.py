"""Measure everything: prints a table, writes bench/results.json.

    python -m bench [MODULE ...]
    python -m bench --against COMMIT [KEY ...]    this checkout and another one in turn, and the ratios

Each other module of this folder is a bench: its `measure()` returns {key: {"value": float, "unit": str,
"reference": str}}, with "target" (text such as "<= 1.0") where there is one. Results of modules that are not run
stay in the file. Nothing lists the benches: a module that is put here is one, unless its name begins with "_".
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import _against

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
FIELDS = ("value", "unit", "reference")


def benches() -> list[str]:
    """The names of the benches."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def measured(names: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Run the benches, one after the other, so that none disturbs another."""
    for name in names:
        started = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        yield from import_module(f"bench.{name}").measure().items()
        print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)


def line(key: str, measure: Mapping[str, Any]) -> str:
    """One line of the table."""
    reached = f"{measure['value']:.4g} {measure['unit']}"
    return f"{key:<32}{reached:>20}  {measure.get('target', ''):<14}{measure.get('reference', '')}"


def keep(measures: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the results, with those of earlier runs that were not measured again."""
    earlier = json.loads(RESULTS.read_text(encoding="utf-8"))["measures"] if RESULTS.exists() else {}
    kept = earlier | {key: {field: measure.get(field, "") for field in FIELDS} for key, measure in measures.items()}
    RESULTS.write_text(json.dumps({"measures": kept}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Run the benches named, or all; or compare the keys named, or all that can be, with another commit."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="MODULE or KEY")
    parser.add_argument("--against", metavar="COMMIT", help="compare with this commit, in the same run")
    asked = parser.parse_args(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as users run it: with byte code that is kept
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}")
    measures = {}
    run = _against.measure(asked.against, asked.names) if asked.against else measured(asked.names or benches())
    for key, measure in run:
        print(line(key, measure), flush=True)
        measures[key] = measure
        keep(measures)


if __name__ == "__main__":
    main(sys.argv[1:])
