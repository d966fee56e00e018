"""How far something new reaches into the house: the files outside its own folder that it touches.

`house.engine_files`: a second kind of task is built into a copy of the product as if it belonged to it, and a space
of that copy trains with it. `house.feature_files`: the feature that docs/house.md shows, with verb, route, view and
collection, is built into a copy, and used there. What counts are the files that differ afterwards beside its own; a
copy that cannot do it counts for nothing and is an error. `house.delete` (only where HOUSE_DELETE is set; `whole` for
the long form, or names of features by commas) takes each feature out of a copy; `_deleting.py` says what runs there.
"""

import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench._deleting import failures
from medspace.app.compose.features import NAMES

ROOT = Path(__file__).resolve().parents[1]
TASK = "learning/mean"  # below the package
TRAINING = "app/features/training/__init__.py"
FEATURES = "app/features"
LIST = "app/compose/features.py"
PAGE = ROOT / "docs/house.md"
MAKERS = """def _mean():
    from medspace.learning.mean import MeanEngine

    return MeanEngine()


def _mean_algorithm():
    from medspace.learning.mean import MeanAlgorithm

    return MeanAlgorithm()


"""
LINES = (
    (
        '    engines={("medspace:train", "glm"): _glm,',
        '    engines={("medspace:train", "mean"): _mean, ("medspace:train", "glm"): _glm,',
    ),
    ("    algorithms=(_glm_algorithm,", "    algorithms=(_mean_algorithm, _glm_algorithm,"),
    ("FEATURE = Feature(", MAKERS + "FEATURE = Feature("),
)
STAGE = """
import sys, tempfile
from pathlib import Path
import medspace
from tests.e2e.space import ASSET, PURPOSE, hospital, staged

assert Path(medspace.__file__).is_relative_to(sys.argv[1]), medspace.__file__
with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
    stage.add("authority", hospital(1))
    stage.add("user")
    stage.open()
    stage.admit()
"""
TRAINED = """
    task = {"task": "mean", "column": "age", "purpose": PURPOSE, "min_sites": 1}
    run = stage.space("user").train(task, [stage.agree("user", "authority")], wait=60)
    assert run["state"] == "finished" and run["model"]["result"]["mean"] > 0, run
"""
REMARKED = """
    from medspace.app.main import main
    space = stage.space("authority")
    made = space.remark(ASSET, "as of 2025")
    assert [one["text"] for one in space.remarks(ASSET)] == ["as of 2025"], made
    try:
        main(["remark", ASSET, "--config", str(stage.nodes["authority"].file)])
    except SystemExit as end:
        assert not end.code
"""


def measure() -> dict[str, dict[str, Any]]:
    """Every measure of the house."""
    found = {
        "house.engine_files": {
            "value": float(len(with_task())),
            "unit": "files",
            "reference": "a second kind of task, wired into a copy that then trains with it",
            "target": "<= 1",
        },
        "house.feature_files": {
            "value": float(len(with_feature())),
            "unit": "files",
            "reference": "the feature of docs/house.md, built into a copy that then uses it",
            "target": "<= 1",
        },
    }
    if said := os.environ.get("HOUSE_DELETE", ""):
        names = [name for name in NAMES if name in said.split(",")] or list(NAMES)
        began = time.monotonic()
        failed = {name: failures(ROOT, name, whole=said == "whole") for name in names}
        form = "all tests" if said == "whole" else "imports, a connector with its routes, the tests by the list"
        found["house.delete"] = {
            "value": float(sum(failed.values())),
            "unit": "failures",
            "reference": f"each deleted with its line, {form}, {time.monotonic() - began:.0f} s: {failed}",
            "target": "0",
        }
    return found


def with_task() -> list[str]:
    """The files outside its own folder that a second kind of task touches; it is trained with."""

    def build(package: Path) -> None:
        own = package / TASK
        own.mkdir()
        shutil.copy(ROOT / "tests/e2e/house/second_task.py", own / "__init__.py")
        file = package / TRAINING
        text = file.read_text(encoding="utf-8")
        for said, instead in LINES:
            assert text.count(said) == 1, said
            text = text.replace(said, instead)
        file.write_text(text, encoding="utf-8")

    return _touched(build, STAGE + TRAINED, TASK)


def with_feature() -> list[str]:
    """The files outside its own folder that the feature of docs/house.md touches; it is used."""

    def build(package: Path) -> None:
        for name, content in pages():
            file = package / FEATURES / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(content, encoding="utf-8")
        listed = package / LIST
        text = listed.read_text(encoding="utf-8")
        listed.write_text(text.replace('    "audit",\n', '    "audit",\n    "remarks",\n'), encoding="utf-8")
        own = package / FEATURES / "remarks"
        command = [sys.executable, "-m", "medspace.adapters.sql.revise", "first"]
        command += ["--feature", f"remarks={own / 'migrations'}"]
        command += ["--collections", "medspace.app.features.remarks:FEATURE.collections"]
        environment = os.environ | {"PYTHONPATH": str(package.parent)}
        subprocess.run(command, check=True, env=environment, timeout=120, capture_output=True)

    return _touched(build, STAGE + REMARKED, f"{FEATURES}/remarks")


def pages() -> Iterator[tuple[str, str]]:
    """The files of the feature that docs/house.md shows, by their path below the folder of features."""
    for part in re.split(r"^`(?=remarks/)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        yield part.partition("`")[0], part.partition("```python\n")[2].partition("```")[0]


def _touched(build: Callable[[Path], None], story: str, own: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        build(copy / "medspace")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(copy), str(ROOT)))}
        subprocess.run([sys.executable, "-c", story, str(copy)], check=True, env=environment, cwd=ROOT, timeout=300)
        return [name for name in _differing(ROOT / "src", copy) if not name.startswith(f"medspace/{own}/")]


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
