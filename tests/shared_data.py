"""Where the public data are that tests and benches read: the folder of MEDSPACE_DATA, else `../shared/data`."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MEDSPACE_DATA") or REPOSITORY.parent / "shared" / "data")


def public(name: str) -> Path:
    """A file of them; where it is absent the test is skipped."""
    file = DATA / name
    if not file.exists():
        pytest.skip(f"{DATA} has no {name}: set MEDSPACE_DATA")
    return file
