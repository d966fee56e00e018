"""Commands as people type them: short ones to their end, long ones on a terminal of their own until they say so."""

import importlib
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from tests.ports import claim

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds, on a loaded machine
BLOCK = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("ONCE", "LANG", "LC_ALL")} | {
    "COLUMNS": "100",
    "TERM": "xterm",
}


def free_range(count: int) -> int:
    """The first of so many ports in a row that nobody listens on now."""
    return claim(count)[0]


def blocks(page: Path, kind: str) -> list[str]:
    """The fenced blocks of a page of that kind."""
    return [found["text"] for found in BLOCK.finditer(page.read_text(encoding="utf-8")) if found["kind"] == kind]


def commands(page: Path) -> list[str]:
    """The commands of a page's sh blocks, continued lines joined, comments left out."""
    text = "".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = (" ".join(line.partition("  #")[0].split()) for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def words(command: str | Sequence[str]) -> list[str]:
    """The words of a command, with `medspace` as the program under test."""
    given = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    return [sys.executable, "-m", "medspace", *given[1:]] if given[0] == "medspace" else given


def run(command: str | Sequence[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command to its end; its output is no terminal."""
    return subprocess.run(
        words(command),
        cwd=folder,
        env=ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,  # nobody is asked anything, wherever the tests are started from
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Typist:
    """Types the short commands of many tests: each is a process, forked off one that has imported the program.

    Starting Python and importing takes most of a second on a loaded machine, a hundred times over.
    """

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-c", "from tests.e2e.terminal import type_along; type_along()"],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self, command: str | Sequence[str], folder: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A command of medspace to its end; its output is no terminal."""
        given = words(command)[3:]
        with tempfile.TemporaryDirectory() as place:
            files = [Path(place) / name for name in ("out", "err")]
            asked = {
                "words": given,
                "folder": str(folder),
                "environment": environment,
                "files": list(map(str, files)),
            }
            self._parent.stdin.write(json.dumps(asked) + "\n")
            self._parent.stdin.flush()
            code = int(self._parent.stdout.readline())
            return subprocess.CompletedProcess(given, code, *(file.read_text(encoding="utf-8") for file in files))

    def close(self) -> None:
        """No more commands."""
        self._parent.stdin.close()
        self._parent.wait(PATIENCE)
        self._parent.stdout.close()


def type_along() -> None:
    """The process that forks: a command a line, its exit code as the answer."""
    for name in (
        "medspace.app.main",
        "medspace.app.compose.sdk",
        "medspace.app.features.audit.auditing",
        "rich.table",
    ):
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _type(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _type(asked: dict[str, Any]) -> NoReturn:
    os.chdir(asked["folder"])
    os.environ.update(asked["environment"])
    for number, file in zip((1, 2), asked["files"], strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    code = 0
    try:
        importlib.import_module("medspace.app.main").main(asked["words"])
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - what a child raises must never run on in its parent's code
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _hear_ctrl_c() -> None:
    # Tests that a shell runs in the background inherit that SIGINT is ignored; at a terminal nobody ignores it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Background:
    """A command that runs on a terminal of its own."""

    def __init__(self, command: str | Sequence[str], folder: Path, **environment: str) -> None:
        self._terminal, inner = pty.openpty()
        self.process = subprocess.Popen(
            words(command),
            cwd=folder,
            env=ENVIRONMENT | environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - it takes no lock
        )
        os.close(inner)
        self._seen = bytearray()
        self._news = threading.Condition()
        self._over = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._terminal, 4096)
            except OSError:  # the other end was closed
                part = b""
            with self._news:
                self._seen += part
                self._over = not part
                self._news.notify_all()
            if not part:
                os.close(self._terminal)
                return

    @property
    def output(self) -> str:
        """What it wrote."""
        return self._seen.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, text: str) -> str:
        """What it wrote, once that holds the text."""
        end = time.monotonic() + PATIENCE
        with self._news:
            while text not in self.output:
                left = end - time.monotonic()
                assert not self._over, f"it ended:\n{self.output}"
                assert left > 0, f"it never said {text!r}:\n{self.output}"
                self._news.wait(left)
        return self.output

    def type(self, text: str) -> None:
        """Type at its terminal."""
        os.write(self._terminal, text.encode())

    def interrupt(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(2)
        return self.process.wait(PATIENCE)


@contextmanager
def running(command: str | Sequence[str], folder: Path, until: str, **environment: str) -> Iterator[Background]:
    """A command that runs in the background, from the moment that it says `until`."""
    background = Background(command, folder, **environment)
    try:
        background.wait_for(until)
        yield background
    finally:
        if background.process.poll() is None:
            background.process.terminate()
            background.process.wait(PATIENCE)
