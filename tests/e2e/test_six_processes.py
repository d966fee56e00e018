"""The example with six processes tells the whole story, and its files are those that the demo would write."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medspace.app.demo.space import configuration, heart, parties
from tests.ports import claim

EXAMPLE = Path(__file__).parents[2] / "examples" / "six-connectors"
STANDARD_PORTS = range(8100, 8112)


def configured(party, authority):
    held = None if party.hospital is None else heart(party.hospital)
    return configuration(party, authority.did, "@AUTHORITY_KEY@", held)


@pytest.mark.parametrize("party", parties(STANDARD_PORTS), ids=lambda party: party.key)
def test_the_configuration_files_are_those_of_the_demo(party):
    authority = parties(STANDARD_PORTS)[0]
    written = (EXAMPLE / f"{party.key}.toml").read_text()
    assert written.partition("\n[")[2] == configured(party, authority).partition("[")[2]


def test_six_processes_tell_the_story_from_catalogue_to_proof(tmp_path):
    configs = tmp_path / "configs"
    configs.mkdir()
    members = parties(claim(12))
    for party in members:
        (configs / f"{party.key}.toml").write_text(configured(party, members[0]))
    command = [sys.executable, EXAMPLE / "run.py", "--json", "--folder", tmp_path / "space", "--configs", configs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["download_refused"]["code"] == "policy.prohibited"
    assert told["download_refused"]["clause"] == "/prohibition/0"
    assert [site["rows"] for site in told["training"]["sites"]] == [304, 293, 123, 200]
    assert told["training"]["max_abs_diff_vs_pooled"] < 1e-4  # sums are released rounded
    assert told["audit"]["verified"]
