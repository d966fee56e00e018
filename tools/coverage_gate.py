"""The coverage that the tests must reach: every branch where a wrong decision harms a patient, 90 % elsewhere.

    python -m tools.coverage_gate

Reads what `pytest --cov` left; silent when all is well.
"""

import io
import sys
from collections.abc import Callable
from pathlib import PurePosixPath

from coverage import Coverage
from coverage.exceptions import NoDataError

STRICT = 100.0
REST = 90.0
STRICT_ROOMS = ("core", "trust", "policy", "ledger", "privacy")
USAGE = ("connector", "usage")  # the one way to the rows
# Alembic loads them by their path; the tests of the store prove them by the tables that they make.
LEFT_OUT = "adapters/sql/migrations/"


def strict(module: str) -> bool:
    """Whether every branch of a module (path below the package) must be covered."""
    parts = PurePosixPath(module).parts
    if parts[0] in STRICT_ROOMS or parts[:2] == USAGE:
        return True
    return parts[0] == "connector" and parts[-1] == "rules.py"


def rest(module: str) -> bool:
    """Whether a module counts among the rest."""
    return not strict(module) and not module.startswith(LEFT_OUT)


def below(path: str) -> str:
    """A measured file's path below the package medspace."""
    return path.replace("\\", "/").rpartition("/src/medspace/")[2]


def gate(coverage: Coverage, name: str, belongs: Callable[[str], bool], least: float) -> bool:
    """Whether the files that belong reach the threshold together; prints the table where they do not."""
    files = [path for path in coverage.get_data().measured_files() if belongs(below(path))]
    if not files:
        return True
    table = io.StringIO()
    # Not rounded up: 99.99 is not 100.
    reached = coverage.report(include=files, file=table, show_missing=True, skip_covered=True)
    if reached >= least:
        return True
    sys.stdout.write(f"{table.getvalue()}\nCoverage of {name}: {reached:.2f} %, must be {least:.0f} %\n")
    return False


def main() -> int:
    """1 if a threshold is missed."""
    coverage = Coverage()
    coverage.load()
    try:
        passed = [
            gate(
                coverage,
                "core, trust, policy, ledger, privacy, usage control and the connector's rules",
                strict,
                STRICT,
            ),
            gate(coverage, "the rest", rest, REST),
        ]
    except NoDataError:
        sys.stdout.write("Coverage was not measured\n")
        return 1
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
