"""The bench runner: what it prints, what it writes."""

import json
import re
from types import SimpleNamespace

import pytest

from bench import __main__ as bench

MEASURES = {
    "demo.seconds": {"value": 12.345, "unit": "s", "reference": "-", "target": "<= 15"},
    "ledger.append_per_s": {"value": 12000, "unit": "1/s", "reference": "prototype"},
}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(bench, "import_module", lambda _name: SimpleNamespace(measure=lambda: MEASURES))
    return tmp_path / "results.json"


def test_results_are_a_table_and_a_file_in_the_agreed_form(results, capsys):
    bench.main(["any"])
    kept = json.loads(results.read_text())
    assert kept["measures"]["demo.seconds"] == {"value": 12.345, "unit": "s", "reference": "-"}
    assert set(kept["measures"]) == set(MEASURES)
    assert re.search(r"demo\.seconds +12\.3. s +<= 15", capsys.readouterr().out)


def test_what_is_not_measured_again_stays(results):
    results.write_text(json.dumps({"measures": {"old.key": {"value": 1.0, "unit": "s", "reference": ""}}}))
    bench.main(["any"])
    assert set(json.loads(results.read_text())["measures"]) == {"old.key", *MEASURES}


def test_every_module_of_the_folder_is_a_bench():
    assert "__main__" not in bench.benches()
    for name in bench.benches():
        assert re.search(r"^def measure\(", (bench.FOLDER / f"{name}.py").read_text("utf-8"), flags=re.MULTILINE), (
            name
        )
