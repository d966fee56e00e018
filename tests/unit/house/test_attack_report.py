"""What attacks say they got is gathered, and an attack without its control is seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.attacks import report

ROOT = Path(__file__).parents[3]


def lines(*said):
    return [json.dumps(each) for each in said]


def test_a_test_and_its_control_are_one_row():
    apart = lines(
        report.row("a::on", "plane", got=0, of=914, unit="patients"),
        report.row("a::off", "plane", control=802, of=914, unit="patients"),
    )
    (row,) = report.gather(apart)
    assert row == {"attack": "plane", "unit": "patients", "tests": ["a::off", "a::on"]} | {
        "got": 0,
        "control": 802,
        "of": 914,
    }


def test_of_several_variants_the_worst_counts():
    variants = [report.row(f"a[{got}]", "plane", got=got, control=9 - got, unit="patients") for got in (1, 3, 2)]
    (row,) = report.gather(lines(*variants))
    assert (row["got"], row["control"]) == (3, 6)


def test_an_attack_without_its_control_is_marked():
    rows = report.gather(lines(report.row("a", "plane", got=0, unit="patients")))
    _, line = report.table(rows)
    assert line.split() == ["plane", "0", "not", "said", "not", "said", "patients"]


@pytest.mark.parametrize("bad", [{}, {"of": 3}, {"got": float("nan")}, {"got": "none"}])
def test_what_is_no_measurement_is_refused(bad):
    with pytest.raises(ValueError, match="got"):
        report.row("a", "plane", unit="patients", **bad)


def test_numbers_of_numpy_are_numbers():
    said = report.row("a", "plane", got=np.int64(2), control=np.float64(0.5), unit="share")
    assert json.loads(*lines(said))["control"] == 0.5


def test_one_attack_has_one_unit():
    mixed = lines(*(report.row("a", "plane", got=1, unit=unit) for unit in ("rows", "patients")))
    with pytest.raises(ValueError, match="patients, rows"):
        report.gather(mixed)


ATTACK = """
import os, pytest
from tests.attacks.conftest import attack_report

def test_brake(attack_report):
    attack_report("invented", got=0, control=7, of=8, unit="rows")

def test_that_breaks():
    assert os.environ.get("HOLDS")
"""


@pytest.mark.parametrize(("holds", "code"), [("1", 0), ("", 1)])
def test_the_attacks_are_run_and_their_rows_printed(tmp_path, holds, code):
    (tmp_path / "test_invented.py").write_text(ATTACK)
    command = [sys.executable, "-m", "tests.attacks.report", "--json", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | {"HOLDS": holds}, capture_output=True, check=False)
    assert ran.returncode == code, ran.stderr.decode()
    said = json.loads(ran.stdout)
    (row,) = said["attacks"]
    assert (row["attack"], row["got"], row["control"], row["of"]) == ("invented", 0, 7, 8)
    (outcomes,) = said["tests"].values()
    assert (outcomes["passed"], outcomes["failed"]) == (2 - code, code)
