"""The import contracts hold, and would catch what they forbid."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


FORBIDDEN = (
    ("policy/errors.py", "medspace.app.node.language"),
    ("ledger/errors.py", "medspace.trust.errors"),
    ("connector/errors.py", "medspace.learning.errors"),
    ("learning/errors.py", "duckdb"),
    ("runs/errors.py", "medspace.learning.errors"),
    ("core/ids.py", "sqlalchemy"),
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


def test_every_forbidden_import_is_caught_by_name(tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, imported in FORBIDDEN:
        path = tmp_path / "src" / "medspace" / module
        path.write_text(f"{path.read_text(encoding='utf-8')}\nimport {imported}\n", encoding="utf-8")
    run = lint(tmp_path)
    assert run.returncode != 0
    assert len(re.findall(r" BROKEN$", run.stdout, flags=re.MULTILINE)) >= 2
    for module, imported in FORBIDDEN:
        name = "medspace." + module.removesuffix(".py").replace("/", ".")
        assert f"{name} -> {imported}" in run.stdout


def test_the_contracts_hold():
    run = lint(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
