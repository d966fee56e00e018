"""The system under test as a real process."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.zygote import Zygote
from tests.protocol.exchange import Target

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def system_under_test(
    script: dict[str, Any], *, wait: float = 15.0, options: tuple[str, ...] = ()
) -> Iterator[Target]:
    """Start `python -m tests.protocol.sut` on a free port with this reaction script; end it by SIGTERM."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = _arguments(folder, script, *options)
        command = [sys.executable, "-m", "tests.protocol.sut", *arguments]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield Target.at(_root(process.stdout.readline()), wait)
            finally:
                process.terminate()
                code = process.wait(20)
        assert code == 0, f"the system under test ended with {code}"


@contextmanager
def forked(zygote: Zygote, script: dict[str, Any], *, mutant: str, wait: float) -> Iterator[Target]:
    """The same, forked from a process that has imported everything, so in milliseconds; with a fault if wanted."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        pid = zygote.fork(arguments=_arguments(folder, script), mutant=mutant, output=str(output))
        try:
            yield Target.at(_root(_first_line(output)), wait)
        finally:
            status = zygote.stop(pid)
        assert status == 0, f"the system under test ended with {status}"


def _arguments(folder: str, script: dict[str, Any], *options: str) -> list[str]:
    path = Path(folder, "reactions.json")
    path.write_text(json.dumps(script), encoding="utf-8")
    return ["--port", "0", "--script", str(path), *options]


def _first_line(output: Path) -> str:
    deadline = time.monotonic() + 20
    while not (output.exists() and output.read_text("utf-8").endswith("\n")):
        assert time.monotonic() < deadline, "the system under test did not start"
        time.sleep(0.005)
    return output.read_text("utf-8")


def _root(line: str) -> str:
    word, _, root = line.partition(" ")
    assert word == "ready", f"the system under test did not start: {line!r}"
    return root.strip()
