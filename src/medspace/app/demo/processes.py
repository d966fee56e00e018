"""Connectors as processes of their own: `medspace up` for each configuration, as a member starts it."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from medspace.app.demo.story import DemoError
from medspace.core.text import Text, msgid

STARTUP = 120.0  # seconds for all of them, on a loaded machine
LOG = "connector.log"  # beside each configuration
RUNNING = " is running: "  # of the line that `medspace up` writes in English


@contextmanager
def started(configs: Sequence[Path]) -> Iterator[None]:
    """Running connectors, from the moment that all answer.

    Raises:
        DemoError: one did not start.
    """
    processes = {file: _start(file) for file in configs}
    try:
        for file, process in processes.items():
            _wait_until_running(process, file)
        yield
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            _wait_until_ended(process)


def _start(file: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "medspace", "up", str(file), "--lang", "en"]
    with (file.parent / LOG).open("wb") as log:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603 - our own program


def _wait_until_running(process: "subprocess.Popen[str]", file: Path) -> None:
    limit = Timer(STARTUP, process.kill)
    limit.start()
    try:
        if any(RUNNING in line for line in process.stdout or ()):
            return
    finally:
        limit.cancel()
    raise DemoError(reason=Text(msgid("a connector did not start, see {log}"), {"log": str(file.parent / LOG)}))


def _wait_until_ended(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(STARTUP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
