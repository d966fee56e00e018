"""A socket that a test leaves open fails it: at once where it is dropped, after its module where it is held."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONFTEST = "from tests.conftest import _no_socket_stays_open\n"
TEST = """
import gc, socket

def connection(server):
    return socket.create_connection(server.getsockname())

HELD = []

def test_calls():
    with socket.create_server(("127.0.0.1", 0)) as server:
        {line}
    gc.collect()
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("connection(server)", "ResourceWarning: unclosed"),
        ("HELD.append(connection(server))", "close what this module opened"),
        ("connection(server).close()", ""),
    ],
)
def test_an_open_socket_is_an_error(tmp_path, line, said):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_calls.py").write_text(TEST.format(line=line))
    config = ["-c", ROOT / "pyproject.toml", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *config, tmp_path]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (run.returncode == 0, said in run.stdout) == (not said, True), run.stdout + run.stderr
