"""A copy of the product without one feature, and what fails there of all tests that do without it."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

LEFT_OUT = shutil.ignore_patterns("__pycache__", ".venv", ".git", ".*_cache", ".test-failures", "*.egg-info")
KINDS = ("tests/unit", "tests/contract", "tests/protocol")  # what goes by the whole road has need of all its features
# What goes by all features: stages, the command line, the SDK, benches, pages.
WHOLE = (r"tests\.e2e", r"medspace\.app\.(main|verbs|compose\.sdk)", r"medspace\.sdk", r"bench\.", r'"docs"')
PATIENCE = 1800


def failures(root: Path, feature: str) -> int:
    """How many tests fail in a copy without that feature, of those whose code does not name it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "medspace"
        shutil.copytree(root, copy, ignore=LEFT_OUT)
        _delete(copy, feature)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(copy / "src"), str(copy)))}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-n",
            "2",
            *_without(copy, feature),
        ]
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        failed = sum(int(count) for count in re.findall(r"(\d+) (?:failed|error)", done.stdout.splitlines()[-1]))
        return failed or int(done.returncode != 0)


def _delete(copy: Path, feature: str) -> None:
    shutil.rmtree(copy / "src/medspace/app/features" / feature)
    listed = copy / "src/medspace/app/compose/features.py"
    text = listed.read_text(encoding="utf-8")
    listed.write_text(text.replace(f'    "{feature}",\n', ""), encoding="utf-8")


def _without(copy: Path, feature: str) -> list[str]:
    """The test files that name the feature neither themselves nor in what they import from the tests."""
    named = (rf"medspace\.app\.features\.{feature}\b", rf"\.of\(\"{feature}\"\)")
    used = re.compile("|".join((*named, *WHOLE)))
    return [
        str(file)
        for kind in KINDS
        for file in sorted((copy / kind).rglob("test_*.py"))
        if not any(used.search(one.read_text(encoding="utf-8")) for one in imported(copy, file))
    ]


def imported(root: Path, file: Path) -> set[Path]:
    """A file and all that it imports from the tests, at first or second hand; files may import one another."""
    found, waiting = {file}, [file]
    while waiting:
        for one in _imports(root, waiting.pop()) - found:
            found.add(one)
            waiting.append(one)
    return found


@cache
def _imports(root: Path, file: Path) -> frozenset[Path]:
    """What a file imports from the tests: modules, and modules of packages."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    files = (root / (name.replace(".", "/") + ".py") for name in names if name.startswith("tests."))
    return frozenset(one for one in files if one.is_file())
