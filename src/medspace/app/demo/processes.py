"""Connectors as processes of their own: `medspace up` for each configuration, as a member starts it."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer

from medspace.adapters.filenames import is_there
from medspace.app.compose.sdk import Space, connect
from medspace.app.demo.story import DemoError, DemoFolderError
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


@contextmanager
def stage_of(
    folder: Path | None, prefix: str, lay_out: Callable[[Path], Mapping[str, Path]], language: str
) -> Iterator[tuple[Path, dict[str, Space]]]:
    """Where a story takes place: its folder (a temporary one without), and an owner's SDK for each running connector.

    Raises:
        DemoFolderError: the folder is in use.
        DemoError: a connector did not start.
    """
    with ExitStack() as stack:
        if folder is not None and is_there(folder) and any(folder.iterdir()):
            raise DemoFolderError(folder=str(folder))
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
        configs = lay_out(home)
        stack.enter_context(started(list(configs.values())))
        yield (
            home,
            {key: stack.enter_context(connect(file, language=language, owner=True)) for key, file in configs.items()},
        )


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
