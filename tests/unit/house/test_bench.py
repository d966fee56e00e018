"""The bench runner: what it prints, what it writes."""

import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import __main__ as bench
from bench import _against, demo, negotiation

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


def test_what_begins_with_an_underscore_is_no_bench():
    assert [name for name in bench.benches() if name.startswith("_")] == []
    assert {path.stem for path in bench.FOLDER.glob("_*.py")} >= {"_against", "_single"}


# --- against another commit ------------------------------------------------------------------------------------


def test_pairs_are_measured_in_turn_each_checkout_first_as_often_as_the_other():
    asked = []

    def figure(checkout, _key):
        asked.append(checkout.name)
        return {"this": 3.0, "other": 2.0}[checkout.name]

    found = _against.pairs("demo.seconds", Path("this"), Path("other"), figure)
    assert found == [(3.0, 2.0)] * _against.PAIRS
    warm, *_ = in_turn = list(zip(asked[::2], asked[1::2], strict=True))
    assert warm == ("this", "other")
    assert in_turn[1:3] == [("this", "other"), ("other", "this")]


def test_the_ratio_is_that_of_the_pairs_so_a_busy_machine_does_not_count():
    measure = _against.compared("demo.seconds", "abc", [(10.0, 10.0), (33.0, 30.0), (20.0, 20.0)])
    assert measure["value"] == 1.0
    assert measure["target"] == "<= 1.10"
    assert "20 s here, 20 s at abc, 3 pairs in turn, ratios 1.00 to 1.10" in measure["reference"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with two commits; the other one is the first."""
    root = tmp_path / "repository"
    root.mkdir()
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    for text in ("first", "second"):
        (root / "text").write_text(text)
        subprocess.run(["git", "add", "text"], cwd=root, check=True)
        subprocess.run(["git", *who, "commit", "--quiet", "-m", text], cwd=root, check=True)
    monkeypatch.setattr(_against, "ROOT", root)
    return root


def test_the_other_commit_is_checked_out_for_a_while(repository):
    with _against.checked_out("HEAD~1") as tree:
        assert (tree / "text").read_text() == "first"
        assert (repository / "text").read_text() == "second"
    assert not tree.exists()
    listed = subprocess.run(["git", "worktree", "list"], cwd=repository, check=True, capture_output=True, text=True)
    assert listed.stdout.count("\n") == 1
    with pytest.raises(subprocess.CalledProcessError), _against.checked_out("nothing"):
        pass


def test_the_comparison_is_printed_and_kept_beside_the_measures(repository, results, capsys, monkeypatch):
    monkeypatch.setattr(_against, "once", lambda checkout, _key: 2.0)
    bench.main(["--against", "HEAD~1", "connector.rss_mb"])
    assert json.loads(results.read_text())["measures"]["connector.rss_mb.ratio"]["value"] == 1.0
    assert re.search(r"connector\.rss_mb\.ratio +1 x +<= 1.10", capsys.readouterr().out)


def test_only_figures_that_both_have_are_compared():
    with pytest.raises(ValueError, match=r"glm\.rounds"):
        next(_against.measure("HEAD", ["glm.rounds"]))


def test_a_checkout_is_measured_with_its_own_code(tmp_path):
    (tmp_path / "src" / "medspace").mkdir(parents=True)
    (tmp_path / "src" / "medspace" / "__init__.py").write_text("")
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("")
    (tmp_path / "bench" / "demo.py").write_text(
        "import medspace, subprocess, sys\n"
        "def _story():\n"
        "    child = [sys.executable, '-c', 'import medspace; print(medspace.__file__)']\n"
        "    assert subprocess.check_output(child, text=True).strip() == medspace.__file__\n"
        "    return 4.5\n"
    )
    assert _against.once(tmp_path, "demo.seconds") == 4.5


def test_the_benches_still_have_what_is_compared():
    named = set(re.findall(r"bench\.([_A-Z]\w+)", (bench.FOLDER / "_single.py").read_text("utf-8")))
    assert {"_configs", "_holder", "TOGETHER", "Wishes"} <= named
    assert [name for name in named if not hasattr(negotiation, name)] == []
    assert callable(demo._story)
