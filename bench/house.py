"""How far a second kind of task reaches into the house: the files outside its own folder that it touches.

The stand-in is built into a copy of the product as if it belonged to it: its file becomes a folder of `learning`, and
its lines go where lines of its kind stand. Then a space of that copy trains with it. What counts are the files that
differ afterwards, beside its own; a copy that cannot train counts for nothing and is an error.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OWN = "learning/mean"  # below the package
WIRING = "app/compose/parts.py"
LINES = (
    ("from medspace.runs.ports import", "from medspace.learning.mean import MeanAlgorithm, MeanEngine\n{line}"),
    ("ENGINES: Makers = {", 'ENGINES: Makers = {{("medspace:train", "mean"): MeanEngine, {rest}'),
    ("ALGORITHMS: tuple[Callable[[], Algorithm], ...] = (", "{line_start}MeanAlgorithm, {rest}"),
)
STORY = """
import sys, tempfile
from pathlib import Path
import medspace
from tests.e2e.space import PURPOSE, hospital, staged

assert Path(medspace.__file__).is_relative_to(sys.argv[1]), medspace.__file__
with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
    stage.add("authority", hospital(1))
    stage.add("user")
    stage.open()
    stage.admit()
    task = {"task": "mean", "column": "age", "purpose": PURPOSE, "min_sites": 1}
    run = stage.space("user").train(task, [stage.agree("user", "authority")], wait=60)
    assert run["state"] == "finished" and run["model"]["result"]["mean"] > 0, run
"""


def measure() -> dict[str, dict[str, Any]]:
    """Every measure of the house."""
    return {
        "house.engine_files": {
            "value": float(len(_touched())),
            "unit": "files",
            "reference": "a second kind of task, wired into a copy that then trains with it",
            "target": "<= 1",
        }
    }


def _touched() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        own = copy / "medspace" / OWN
        own.mkdir()
        shutil.copy(ROOT / "tests/e2e/house/second_task.py", own / "__init__.py")
        _wire(copy / "medspace" / WIRING)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(copy), str(ROOT)))}
        subprocess.run([sys.executable, "-c", STORY, str(copy)], check=True, env=environment, cwd=ROOT, timeout=300)
        return [name for name in _differing(ROOT / "src", copy) if not name.startswith(f"medspace/{OWN}/")]


def _wire(file: Path) -> None:
    """Put the task's lines where their neighbours stand."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    for start, said in LINES:
        (place,) = [at for at, line in enumerate(lines) if line.startswith(start)]
        line = lines[place]
        lines[place] = said.format(line=line, line_start=start, rest=line.removeprefix(start))
    file.write_text("".join(lines), encoding="utf-8")


def _differing(before: Path, after: Path) -> list[str]:
    """The files that only one of two folders has, or that differ."""
    names = {
        file.relative_to(folder).as_posix()
        for folder in (before, after)
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file)
    }
    return sorted(
        name
        for name in names
        if not (before / name).exists()
        or not (after / name).exists()
        or not filecmp.cmp(before / name, after / name, shallow=False)
    )
