"""The script that verifies in a browser, on the vectors that our own code is tested on; here by Node.js."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from medspace.core.errors import MedspaceError
from medspace.ledger import audit, bundle, entry_proof
from medspace.services.membership.listing import read_list
from medspace.trust.jws import decode
from tests.unit.ledger.story import NOW
from tests.verify_cases import SCRIPT, cases, expected

CASES = cases()


@pytest.fixture(scope="module")
def answers():
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js: apt-get install nodejs")
    asked = {name: (what, facts) for name, (what, facts, _) in CASES.items()}
    command = [node, str(Path(__file__).parents[2] / "verify_cases.mjs"), str(SCRIPT)]
    found = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=60)
    return json.loads(found.stdout)


@pytest.mark.parametrize("name", CASES)
def test_the_script_says_what_is_so(answers, name):
    assert expected(answers[name]) == CASES[name][2]


def test_a_signature_that_no_browser_can_check_is_told_and_never_called_verified(answers):
    told = {one["step"]: one["holds"] for one in answers["entry signed with another key as well"]}
    assert told["other"] is None
    assert told["checkpoint"] is True
    assert "other" not in {one["step"] for one in answers["entry with a witness"]}


FILES = {name: facts for name, (what, facts, _) in CASES.items() if what == "file" and name != "something else"}


@pytest.mark.parametrize("name", FILES)
def test_our_own_audit_agrees(name):
    content, key = FILES[name]["file"].encode(), decode(FILES[name]["key"])
    try:
        if "medspace-log-1" in FILES[name]["file"]:
            report = audit.verify([bundle.read(content)], key, NOW, read_list)
        else:
            report = audit.verify_entries([entry_proof.read(content)], key, NOW, read_list)
        failed = {count.check for count in report.counts if count.failed}
    except MedspaceError:  # our own reader refuses what is malformed at once
        failed = {"malformed"}
    about = {"log.members", "log.signature", "log.root", "log.history", "log.included", "log.entries", "malformed"}
    # Other witnesses than the log's owner are no matter of our own audit.
    assert bool(failed & about) is bool(CASES[name][2] and CASES[name][2] != ["witness"])
