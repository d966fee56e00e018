"""`medspace draft` on the command line: what it asks at a terminal, prints, and writes."""

import json
import shlex
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from medspace.adapters.duckdb.drafting import DraftOptions
from medspace.adapters.duckdb.source import load
from medspace.app.doors.cli.file_asking import answered
from medspace.app.doors.cli.screen import Screen
from medspace.app.verbs import tree
from medspace.core.dictionary import parse
from medspace.core.errors import MedspaceError

SCREEN = Screen(as_json=False, language="en")


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "t.csv"
    rows = "".join(f"p{n // 2},{30 + n % 40},{'fm?'[n % 3]},31-Jan-2{n % 4}\n" for n in range(80))
    made.write_text(f"patient,age,sex,seen\n{rows},,,\nTotal,,,\n", encoding="utf-8")
    return made


def at_terminal(monkeypatch, prompts, confirms):
    """Somebody who gives these answers, in turn."""
    terminal = SimpleNamespace(isatty=lambda: True, write=lambda _: None, flush=lambda: None)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    said, agreed = iter(prompts), iter(confirms)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(said))
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: next(agreed))


def test_what_is_not_clear_is_asked_at_a_terminal(file, monkeypatch):
    with monkeypatch.context() as patched:
        at_terminal(patched, ["patient", "a", "DD-MON-YY", 2000], [True, True, True])
        drafted, options = answered(SCREEN, file, DraftOptions())
    assert (drafted.person, drafted.rows, drafted.persons) == ("patient", 80, 40)
    assert options.leave_out_rows == ("empty", "total")
    assert options.settings == ("age.unit=a", "seen.written=DD-MON-YY", "seen.century=2000")
    assert load(file, parse(drafted.toml), dialect=drafted.dialect).persons == 40


def test_what_is_denied_at_a_terminal_stays_as_it_is(file, monkeypatch):
    with monkeypatch.context() as patched:
        at_terminal(patched, ["-", "", ""], [False, False, False])
        drafted, options = answered(SCREEN, file, DraftOptions())
    assert (options.rows_are_persons, options.leave_out_rows, options.settings) == (
        True,
        (),
        ("age.unit=", "sex.missing="),
    )
    assert "?" in drafted.columns[2].column.codes
    assert [one.name for one in drafted.left_out] == ["patient", "seen"]


def test_what_is_clear_is_not_asked(file, monkeypatch):
    said = DraftOptions(
        "patient", leave_out_rows=("empty", "total"), leave_out=("seen",), settings=("sex.missing=?", "age.unit=a")
    )
    with monkeypatch.context() as patched:
        at_terminal(patched, [], [])
        drafted, options = answered(SCREEN, file, said)
    assert options == said
    assert [str(one.reason) for one in drafted.left_out] == ["you left it out"]


@pytest.mark.parametrize(
    ("answers", "said", "left_out"),
    [
        (["column"], DraftOptions(leave_out=("x",)), ["x"]),
        (["what?", "rows"], DraftOptions(leave_out_rows=("19",)), []),
        (["missing", "hoch"], DraftOptions(settings=("x.missing=?,hoch",)), []),
        (["missing", "", "missing", "hoch"], DraftOptions(settings=("x.missing=?,hoch",)), []),
        (["missing", "", "column"], DraftOptions(leave_out=("x",)), ["x"]),
    ],
)
def test_what_becomes_of_a_wrong_cell_is_asked(tmp_path, monkeypatch, answers, said, left_out):
    cells = ("hoch" if n == 17 else "?" if n % 9 == 0 else str(n % 5) for n in range(60))
    rows = "".join(f"p{n},{cell},{'fm'[n % 2]}\n" for n, cell in enumerate(cells))
    (tmp_path / "t.csv").write_text(f"patient,x,sex\n{rows}")
    with monkeypatch.context() as patched:
        at_terminal(patched, answers, [True])
        lines = []
        patched.setattr(Screen, "line", lambda _, text: lines.append(str(text)))
        drafted, options = answered(SCREEN, tmp_path / "t.csv", DraftOptions("patient"))
    assert replace(options, person="") == said
    assert [one.name for one in drafted.left_out] == left_out
    assert ("The column x is left out." in lines) is bool(left_out)


def test_who_the_persons_are_is_asked_with_the_columns_in_sight(file, monkeypatch):
    lines = []
    with monkeypatch.context() as patched:
        at_terminal(patched, ["patient", "a", "DD-MON-YY", 2000], [True, True, True])
        patched.setattr(Screen, "line", lambda _, text: lines.append(str(text)))
        answered(SCREEN, file, DraftOptions())
    assert "Its columns: patient, age, sex, seen" in lines


def test_what_is_zero_throughout_is_asked_and_a_unit_in_the_name_is_proposed(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("chol,crp (mmHg)\n" + "".join(f"0,{n % 20 / 2}\n" for n in range(60)))
    with monkeypatch.context() as patched:
        at_terminal(patched, [], [True])
        patched.setattr(typer, "prompt", lambda *_, default, **__: default)
        drafted, options = answered(SCREEN, tmp_path / "t.csv", DraftOptions(rows_are_persons=True))
    assert options.settings == ("chol.missing=0", "crp (mmHg).unit=mm[Hg]")
    assert [one.empty for one in drafted.columns] == [True, False]


def typed(*words):
    return CliRunner().invoke(tree(), ["draft", *map(str, words)], standalone_mode=False)


def test_the_verb_prints_saves_and_lists(file, tmp_path):
    said = ("--person", "patient", "--leave-out-rows", "empty,total", "--set", "sex=number")
    done = typed(file, *said, "--save", tmp_path / "d.toml", "--findings", tmp_path / "f.json", "--lang", "en")
    assert done.exception is None
    for told in ("80 rows of 40 persons", "comma", "medspace init FOLDER --offer", "lists them all", "century=1930"):
        assert told in done.output
    assert parse((tmp_path / "d.toml").read_text(encoding="utf-8")).person == "patient"
    rows = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    assert sum(one["kind"] == "cell" for one in rows) == 54
    told = json.loads(typed(file, *said, "--json").output)
    assert told["rows"] == 80
    assert told["findings"][0]["sentence"]


def test_the_command_that_is_printed_works_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"p{n // 2}\t{30 + n % 40}\tMüller, {n % 2}\n" for n in range(80))
    (tmp_path / "my file.csv").write_bytes(f"above\n{rows}p1\t99 years\t\n".encode("latin-1"))
    said = ("--person", "the patient", "--names", 'the patient,"age, in years",who', "--delimiter", "\\t")
    said += ("--encoding", "latin-1", "--skip-lines", "1", "--leave-out-rows", "82", "--min-cohort", "15")
    said += ("--leave-out", "who", "--set", "age, in years.unit=a")
    done = typed("my file.csv", *said, "--lang", "en")
    assert done.exception is None
    command = next(line for line in done.output.splitlines() if line.startswith("Next: "))
    words = shlex.split(command.removeprefix("Next: "))
    assert words[0] == "medspace"
    made = CliRunner().invoke(tree(), [*words[1:], "--json"], standalone_mode=False)
    assert made.exception is None
    told = json.loads(made.output)
    assert (told["rows"], told["persons"]) == (80, 40)
    config = (tmp_path / "FOLDER" / "medspace.toml").read_text(encoding="utf-8")
    assert "leave_out_rows = [82]" in config
    assert "min_cohort = 15" in config


def test_the_findings_of_a_file_that_is_refused_are_listed_too(tmp_path):
    (tmp_path / "t.csv").write_text("patient,age\n" + "p1\n" * 30)
    done = typed(tmp_path / "t.csv", "--person", "patient", "--findings", tmp_path / "f.json")
    assert isinstance(done.exception, MedspaceError)
    assert len(json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))) == 30
