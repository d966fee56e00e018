"""The house is in the order that its papers say."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tools import coverage_gate, docs, licences, pins, sizes

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "src" / "medspace"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_room_table_of_the_architecture_is_the_folder_listing():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    folders = [path.name for path in SOURCES.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert sorted(rooms) == sorted(folders)
    assert text.count("\n") <= 40


def test_what_a_connector_needs_at_its_start_brings_no_numpy():
    """Sums, masks and noise are loaded for the first use: a plain connector starts without them."""
    program = "import sys, medspace.app.compose, medspace.app.compose.serve; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    helped = dict(re.findall(r"^([a-z]+):.*?## (.+)$", makefile, flags=re.MULTILINE))
    return phony.split(), helped


def test_every_target_has_help_and_the_help_prints_itself():
    phony, helped = targets()
    assert set(phony) == set(helped)
    assert {"demo", "test", "check", "bench", "docs", "soak", "messages", "migration"} <= set(helped)
    run = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, check=True, capture_output=True, text=True)
    for target, help_ in helped.items():
        assert re.search(rf"make {target} +{re.escape(help_)}", run.stdout)


def test_every_target_and_extra_is_in_the_docs():
    text = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    _, helped = targets()
    assert [target for target in helped if target not in ("help", "clean") and f"`make {target}`" not in text] == []
    extras = PROJECT["project"]["optional-dependencies"]
    assert [extra for extra in extras if f"| `{extra}` |" not in text] == []


def test_every_command_is_in_the_docs():
    text = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert docs.GENERATED + docs.commands() == text


def test_the_generated_pages_are_what_the_program_says():
    assert list(docs.outdated()) == []


def test_every_link_leads_somewhere():
    pages = docs.written(ROOT)
    assert [line for path in pages for line in docs.broken(path, path.read_text(encoding="utf-8"))] == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One two\n[a](#one-two) [b](page.md#none) [c](none.md) [d](https://example.org)\n```\n[e](none)\n```\n"
    )
    found = list(docs.broken(page, page.read_text()))
    assert [line.rpartition(": ")[2] for line in found] == ["page.md#none", "none.md"]


def test_every_page_of_the_docs_can_be_reached_from_the_index():
    waiting, reached = [ROOT / "docs" / "index.md"], set()
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = docs.LINK.findall(page.read_text(encoding="utf-8"))
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links if ":" not in link]
    pages = set((ROOT / "docs").rglob("*.md"))
    assert sorted(str(page) for page in pages - reached) == []


def test_a_decision_has_its_three_parts_on_one_page():
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert records
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert re.findall(r"^## (\w+)$", text, flags=re.MULTILINE) == ["Decision", "Rationale", "Approach"], record
        assert text.count("\n") <= 60, record


@cache
def nodes():
    """Every module, by its path below the package, and the parts of its syntax tree that matter here."""
    kept = ast.Call | ast.ClassDef | ast.alias
    return {
        path.relative_to(SOURCES).as_posix(): [
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kept)
        ]
        for path in sorted(SOURCES.rglob("*.py"))
    }


def constructions(name):
    for module, found in nodes().items():
        for node in found:
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if called == name:
                    yield module


@pytest.mark.parametrize("name", ["Admission", "Release"])
def test_only_usage_control_makes_admissions_and_releases(name):
    places = set(constructions(name))
    assert places
    assert all(place.startswith("connector/usage/") for place in places), places


def test_the_name_of_a_protection_stands_in_one_place():
    """Two places would drift apart, and a policy would name what no engine gives."""
    said = {
        path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if '"coordinator-' in path.read_text()
    }
    assert said == {"core/engine.py"}


def test_only_one_module_changes_labels():
    """A label that changes anywhere else would change without its entry in the log."""
    changing = {
        module
        for module, found in nodes().items()
        for node in found
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("insert", "replace", "delete")
        if any(isinstance(argument, ast.Name) and argument.id == "LABELS" for argument in node.args)
    }
    assert changing == {"connector/usage/labelling.py"}


@pytest.mark.parametrize("name", ["Admission", "Release"])
def test_admissions_and_releases_are_not_made_by_other_names_either(name):
    """No alias, no subclass, no copy with other fields, no decoding into one."""
    for module, found in nodes().items():
        if module.startswith("connector/usage/"):
            continue
        for node in found:
            if isinstance(node, ast.alias) and node.name == name:
                assert node.asname is None, module
            if isinstance(node, ast.ClassDef):
                assert not any(isinstance(base, ast.Name) and base.id == name for base in node.bases), module
            if isinstance(node, ast.Call):
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                assert not any(isinstance(argument, ast.Name) and argument.id == name for argument in given), module


def test_nothing_is_too_long_and_nothing_swallows_every_error():
    assert list(sizes.complaints(ROOT / "src")) == []


def test_what_is_too_long_or_swallows_errors_is_found(tmp_path):
    room = tmp_path / "medspace" / "room"
    room.mkdir(parents=True)
    (room / "a.py").write_text(
        "def long():\n" + "    x = 1\n" * 61 + "try:\n    x\nexcept (ValueError, Exception):\n    pass\n"
    )
    (room / "b.py").write_text("x = 1\n" * 601 + "try:\n    x\nexcept BaseException:\n    raise\n")
    found = "\n".join(sizes.complaints(tmp_path))
    assert "long has 62 lines" in found
    assert "b.py: 605 lines" in found
    assert found.count("catches every error") == 1


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("Apache Software License; BSD License", True),
        ("MIT AND GPL-2.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_a_licence_is_allowed_or_not(licence, allowed):
    assert licences.allowed(licence) is allowed


def test_a_package_with_another_licence_must_be_listed():
    packages = [
        {"Name": "psycopg", "Version": "3", "License": "LGPL-3.0-only"},
        {"Name": "other", "Version": "1", "License": "AGPL-3.0"},
    ]
    assert list(licences.complaints(packages)) == ["other 1: AGPL-3.0 is not on the list"]


@pytest.mark.parametrize(
    ("module", "strict"),
    [
        ("core/text.py", True),
        ("policy/odrl.py", True),
        ("ledger/merkle.py", True),
        ("privacy/disclosure.py", True),
        ("connector/negotiation/rules.py", True),
        ("connector/usage/service.py", True),
        ("connector/transfer/service.py", False),
        ("trust/service.py", True),
        ("app/compose.py", False),
        ("runs/rules.py", False),
    ],
)
def test_where_every_branch_must_be_covered(module, strict):
    assert coverage_gate.strict(module) is strict


def test_the_rest_is_what_is_not_strict_but_for_the_migrations():
    rest = ["core/text.py", "learning/glm/fit.py", "adapters/sql/migrations/versions/0001_first_tables.py"]
    assert [module for module in rest if coverage_gate.rest(module)] == ["learning/glm/fit.py"]


def test_every_requirement_is_pinned():
    pinned = set(pins.pins(pins.PINS.read_text(encoding="utf-8")))
    groups = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(name for group in groups for name in group)]
    names = {re.split(r"[\[<>=~! ]", name, maxsplit=1)[0].lower().replace("_", "-") for name in wanted}
    assert sorted(names - pinned - {"medspace"}) == []


THROUGH_OTHERS = {"python-multipart"}  # Starlette reads forms with it


def test_the_lean_core_has_nothing_that_is_not_used():
    texts = [path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py")]
    names = [re.split(r"[<>=~! ]", name, maxsplit=1)[0] for name in PROJECT["project"]["dependencies"]]
    imports = {
        name: re.compile(rf"^\s*(import|from) {name.replace('-', '_')}\b", flags=re.MULTILINE)
        for name in names
        if name not in THROUGH_OTHERS
    }
    assert [name for name, pattern in imports.items() if not any(map(pattern.search, texts))] == []


def test_a_class_name_means_one_thing_in_the_whole_house():
    found: dict[str, list[str]] = {}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(str(path.relative_to(SOURCES)))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
