"""A hospital data manager's first hour with a file: how often medspace leaves somebody without a next step.

Eighteen files with what real files have in them, and five real ones, where they are (`tests/shared_data.py`). Each is
put into a fresh folder; then the command line is used (`draft`, `init --offer`, `doctor`, `up`), with nothing but
what it says itself. An obstacle is a file that does not come out right, or whose next steps do not lead there.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench._newcomer import Hour
from tests.e2e.hospital_files import RIGHT, Report, types, written
from tests.ports import claim
from tests.shared_data import DATA

REAL: dict[str, tuple[str, Callable[[Report], bool]]] = {
    "heart": (
        "heart-disease-4-hospitals/processed.hungarian.data",
        lambda report: (report["rows"], len(types(report))) == (294, 14),
    ),
    "diabetes-130": (
        "diabetes-130-hospitals/dataset_diabetes.zip",
        lambda report: (report["persons"], report["rows"]) == (71_518, 101_766),
    ),
    "claims": (
        "claims-desynpuf/DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv.gz",
        lambda report: report["persons"] == report["rows"] > 0 and "BENE_BIRTH_DT" not in types(report),
    ),
    "warfarin": (
        "warfarin_iwpc/iwpc_warfarin.csv",
        lambda report: report["rows"] == 4275 and types(report)["Height (cm)"] == "number",
    ),
    "survival": (
        "survival/R_colon.csv",
        lambda report: (report["persons"], report["rows"]) == (929, 1858) and types(report)["time"] == "integer",
    ),
}


def measure() -> dict[str, dict[str, Any]]:
    """How many files meet an obstacle."""
    files = count = 0
    for name, obstacle, steps in hours():
        print(f"{name:<30} {obstacle or 'right'}", flush=True)
        for step in steps:
            print(f"    {step}", flush=True)
        files, count = files + 1, count + bool(obstacle)
    reference = f"{files} files"
    return {"hour.obstacles": {"value": float(count), "unit": "files", "reference": reference, "target": "0"}}


def hours(names: frozenset[str] | None = None) -> Iterator[tuple[str, str, list[str]]]:
    """Each file (all, or those of these names): its name, the obstacle (none: empty), and what was typed."""
    with tempfile.TemporaryDirectory() as kept:
        made = Path(kept, "made")
        made.mkdir()
        written(made)
        files = {name: (made / name, right) for name, right in RIGHT.items()}
        files |= {name: (DATA / file, right) for name, (file, right) in REAL.items()}
        for name, (file, right) in files.items():
            if (names is None or name in names) and file.exists():
                folder = Path(kept, f"hour of {name}")
                folder.mkdir()
                hour = Hour(folder, folder / file.name, claim(2)[0])
                shutil.copyfile(file, hour.file)
                yield name, obstacle_of(hour, right), hour.steps
                shutil.rmtree(folder)


def obstacle_of(hour: Hour, right: Callable[[Report], bool]) -> str:
    """What stands in the way of one file; empty where it comes out right."""
    for step in (hour.draft, lambda: _is_right(hour, right), hour.offer, hour.doctor):
        said = step()
        if said:
            return said
    return hour.up()


def _is_right(hour: Hour, right: Callable[[Report], bool]) -> str:
    try:
        return "" if right(hour.report) else "the draft is not right"
    except KeyError as error:
        return f"the draft is not right: {error}"


if __name__ == "__main__":
    print(measure())
