"""A copy of the product without one feature, and what fails there.

The short form looks at all by which a feature can be missed: each module that is left is imported; the command line
shows its help; a connector starts, and answers each of its routes and pages that needs no more than an address; and
those tests run whose code goes by the list of the features, by all modules, or by the tools that look at these. The
whole form runs all tests instead that do without the feature. No room below `app` knows a feature (`make check`).
The demo and the pilots tell what features do: those of their modules that import the feature go with it.

In both, the catalogue of translations is written anew first (`make messages`), since it is made from the sources.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

LEFT_OUT = shutil.ignore_patterns("__pycache__", ".venv", ".git", ".*_cache", ".test-failures", "*.egg-info")
KINDS = ("tests/unit", "tests/contract", "tests/protocol")  # what goes by the whole road has need of all its features
# What goes by all features: stages, the command line, the SDK, benches, pages.
WHOLE = (r"tests\.e2e", r"medspace\.app\.(main|verbs|compose\.sdk)", r"medspace\.sdk", r"bench\.", r'"docs"')
# What a deleted feature can be missed by in a test that does not name it: the list of features, or all modules.
LISTED = re.compile(r"compose\.(features|codes|connector|base|road)|ENTRY_KINDS|walk_packages|from tools")
PATIENCE = 3600
STORY = """
import importlib, pkgutil, sys, tempfile, traceback
from pathlib import Path
import medspace

failed = []
assert Path(medspace.__file__).is_relative_to(sys.argv[1]), medspace.__file__
for module in pkgutil.walk_packages(medspace.__path__, "medspace."):
    if module.name.endswith("__main__") or ".migrations" in module.name:  # programs, and what Alembic alone runs
        continue
    try:
        importlib.import_module(module.name)
    except BaseException as error:
        gone = getattr(error, "name", "") == f"medspace.app.features.{sys.argv[2]}"
        if gone and module.name.startswith("medspace.app.demo."):
            continue  # it tells what that feature does
        failed.append((module.name, traceback.format_exc(limit=-1)))

from medspace.app.main import main
try:
    main(["--help"])
except SystemExit as end:
    if end.code:
        failed.append(("--help", end.code))

import httpx
from tests.e2e.space import hospital, staged
with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
    held = [] if sys.argv[2] == "training" else [hospital(1)]  # nothing is offered where nothing is served
    node = stage.add("authority", *held)
    stage.open()
    owner = {"Authorization": f"Bearer {node.token}"}
    with httpx.Client(base_url=node.private_url, headers=owner, timeout=60) as http:
        paths = http.get("/openapi.json").json()["paths"]
        asked = [path for path, made in paths.items() if "get" in made and "{" not in path]
        assert len(asked) > 5, paths
        for path in (*asked, "/", "/portal/"):
            answer = http.get(path)
            if answer.status_code >= 500:
                failed.append((path, answer.text))
print(len(failed), "of", len(asked), "routes and", len(sys.modules), "modules;", failed)
sys.exit(min(len(failed), 100))
"""


def failures(root: Path, feature: str, *, whole: bool = False) -> int:
    """How much fails in a copy without that feature: modules, routes, and tests whose code does not name it."""
    with _copy(root, feature) as copy:
        _ran(copy, "-m", "tools.messages")
        story = 0 if whole else _ran(copy, "-c", STORY, str(copy), feature).returncode
        files = _without(copy, feature)
        files = files if whole else [one for one in files if _by_the_list(copy, Path(one))]
        done = _ran(copy, "-m", "pytest", "-q", "--no-cov", "-p", "no:cacheprovider", "-n", "2", *files)
        last = (done.stdout.splitlines() or [""])[-1]
        failed = sum(int(count) for count in re.findall(r"(\d+) (?:failed|error)", last))
        return story + (failed or int(done.returncode != 0))


@contextmanager
def _copy(root: Path, feature: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "medspace"
        shutil.copytree(root, copy, ignore=LEFT_OUT)
        _delete(copy, feature)
        yield copy


def _ran(copy: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(copy / "src"), str(copy)))}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        print(done.stdout[-8000:], done.stderr[-4000:], file=sys.stderr)
    return done


def _delete(copy: Path, feature: str) -> None:
    shutil.rmtree(copy / "src/medspace/app/features" / feature)
    listed = copy / "src/medspace/app/compose/features.py"
    text = listed.read_text(encoding="utf-8")
    assert text.count(f'    "{feature}",\n') == 1, feature
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


def _by_the_list(copy: Path, file: Path) -> bool:
    return any(LISTED.search(one.read_text(encoding="utf-8")) for one in imported(copy, file))


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
