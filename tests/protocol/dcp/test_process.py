"""The system under test as an outside kit finds it: a process that is told an issuer, and says where all is."""

import json
import subprocess
import sys

from tests.protocol.dcp.cases import CASES
from tests.protocol.dcp.counterpart import Counterpart
from tests.protocol.process import REPOSITORY

ONE_OF_EACH = (
    "query.by-scope",
    "trigger.accepts",
    "store.accepts",
    "offer.accepts",
    "request.accepts",
    "status.answers",
)


def test_a_process_serves_all_roles_and_ends_when_it_is_told():
    command = [sys.executable, "-m", "tests.protocol.sut", "--dcp", "--host", "127.0.0.1", "--port", "0"]
    with Counterpart() as kit:
        command += ["--issuer", kit.issuer.did]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                word, _, told = process.stdout.readline().partition(" ")
                assert word == "ready"
                kit.ready = json.loads(told)
                assert set(kit.ready) == {
                    "holder",
                    "issuer",
                    "verifier",
                    "sts",
                    "client_id",
                    "client_secret",
                    "trigger",
                }
                for case in CASES:
                    if case.id in ONE_OF_EACH:
                        case.run(kit)
            finally:
                process.terminate()
            assert process.wait(20) == 0
