"""A connector that is told to stop lets the step in work end; told twice, it ends at once."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tests.e2e.house.killable import PATIENCE, eventually
from tests.e2e.house.test_long_work import Use, lives, stage  # noqa: F401 - the fixture of the same stage

PROGRAM = "from tests.e2e.house.long_work import main_as_service; main_as_service()"


@pytest.fixture
def service(stage, tmp_path, monkeypatch):  # noqa: F811
    """The clinic as a service manager runs it, and what the manager hears."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(PATIENCE)
        stage.clinic.stop()
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        with stage.nodes["clinic"].file.open("a") as text:
            text.write("\n[service]\nstop_seconds = 600\n")
        stage.clinic.program = ("-c", PROGRAM, str(stage.clock.file))
        stage.clinic.start()
        assert manager.recv(100) == b"READY=1"
        yield manager


def ready(stage) -> tuple[int, dict]:  # noqa: F811
    answer = httpx.get(f"{stage.nodes['clinic'].private_url}/ready")
    return answer.status_code, answer.json()


def test_the_step_in_work_ends_and_nothing_new_begins(stage, service, tmp_path):  # noqa: F811
    assert ready(stage) == (200, {"ready": True, "state": "ready"})
    use = Use(stage, tmp_path / "note")
    location = use.begin()
    eventually(lambda: "percent" in use.look(location).json())  # its process counts the minutes from now on
    stage.clinic.process.send_signal(signal.SIGTERM)
    assert service.recv(100) == b"STOPPING=1"
    assert ready(stage) == (503, {"ready": False, "state": "stopping"})
    stage.clock.advance(200)  # the step takes three minutes
    assert stage.clinic.process.wait(PATIENCE) == 0
    stage.clinic.start()
    answer = use.look(location)
    assert (answer.status_code, answer.json().get("values")) == (200, {"rows": 60}), answer.text
    kinds = [entry["kind"] for entry in stage.entries("clinic")[use.before :]]
    assert kinds.count("use.admitted") == kinds.count("use.released") == 1
    assert "use.failed" not in kinds


def test_a_second_signal_ends_it_at_once(stage, service, tmp_path):  # noqa: F811
    use = Use(stage, tmp_path / "note")
    use.begin()
    stage.clinic.process.send_signal(signal.SIGTERM)
    assert service.recv(100) == b"STOPPING=1"
    eventually(use.begun)
    (worker,) = use.begun()
    stage.clinic.process.send_signal(signal.SIGTERM)
    assert stage.clinic.process.wait(PATIENCE) == 0
    eventually(lambda: not lives(worker))
    stage.clinic.start()
    assert "use.failed" in [entry["kind"] for entry in stage.entries("clinic")[use.before :]]


def test_the_program_of_people_says_ready_and_ends_with_zero(stage, tmp_path):  # noqa: F811
    address = str(tmp_path / "notify")
    node = stage.add("other")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(PATIENCE)
        environment = {"NOTIFY_SOCKET": address, "PATH": "/usr/bin", "WATCHDOG_USEC": "20000000"}
        command = [sys.executable, "-m", "medspace", "up", str(node.file)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            said = {manager.recv(100) for _ in range(2)}
            assert said == {b"READY=1", b"WATCHDOG=1"}
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait(PATIENCE) == 0
