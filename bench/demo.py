"""What a newcomer waits for: installing from nothing, and the demo's whole story."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STORIES = 3
NEEDED = ("Makefile", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "src", "tools")


def measure() -> dict[str, dict[str, Any]]:
    """Both, the story as the median of three."""
    stories = [_story() for _ in range(STORIES)]
    return {
        "demo.seconds": {
            "value": statistics.median(stories),
            "unit": "s",
            "reference": "`medspace demo --once`, start of the process to its end",
            "target": "<= 8",
        },
        "install.seconds": {
            "value": _install(),
            "unit": "s",
            "reference": "`make` of the environment that `make demo` needs, from nothing, with pip",
            "target": "<= 90",
        },
    }


def _story() -> float:
    command = [sys.executable, "-m", "medspace", "demo", "--once", "--json"]
    started = time.perf_counter()
    told = subprocess.run(command, capture_output=True, check=True, timeout=300)
    seconds = time.perf_counter() - started
    assert json.loads(told.stdout)["audit"]["verified"]
    return seconds


def _install() -> float:
    with tempfile.TemporaryDirectory(prefix="medspace-install-") as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        clone.mkdir()
        home.mkdir()
        for name in NEEDED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, clone / name)
        environment = {**os.environ, "HOME": str(home)}  # no cache of an earlier run
        environment.pop("VIRTUAL_ENV", None)
        started = time.perf_counter()
        subprocess.run(["make", ".venv/demo"], cwd=clone, env=environment, check=True, capture_output=True)  # noqa: S607
        return time.perf_counter() - started
