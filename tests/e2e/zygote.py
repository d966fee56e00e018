"""A process that imports everything once and then forks connectors in milliseconds, so that hundreds can be killed.

`python -m tests.e2e.zygote MODULE:FUNCTION` reads one JSON command per line and answers each with one line:

    {"do": "fork", "setup": {..}}  a child runs FUNCTION(setup)     {"pid": N}
    {"do": "kill", "pid": N}       SIGKILL, and wait for its end    {"status": N}
    {"do": "stop", "pid": N}       SIGTERM, and wait for its end    {"status": N}

A child writes its standard output to the file that `output` in the setup names, else to standard error, which goes
to the end of the file that `log` names. When its input ends the zygote kills what still runs.
"""

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[2]
# A pool of threads would not survive the fork.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Zygote:
    """The parent of the connectors, seen from a test."""

    def __init__(self, function: str) -> None:
        command = [sys.executable, "-m", "tests.e2e.zygote", function]
        environment = {**os.environ, **ONE_THREAD}
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lock = threading.Lock()
        self._read()

    def fork(self, **setup: Any) -> int:
        """Start a child; its process id."""
        return int(self._ask({"do": "fork", "setup": setup})["pid"])

    def kill(self, pid: int) -> int:
        """`kill -9`; the wait status, once the child is gone."""
        return int(self._ask({"do": "kill", "pid": pid})["status"])

    def stop(self, pid: int) -> int:
        """Ask the child to end; its wait status."""
        return int(self._ask({"do": "stop", "pid": pid})["status"])

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the zygote has gone: see its standard error"
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def _child(run: Callable[[Any], None], setup: Any) -> None:
    """Become a connector: nothing of the parent's conversation stays open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    if "log" in setup:
        os.dup2(os.open(setup["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    os.dup2(os.open(setup["output"], os.O_WRONLY | os.O_CREAT) if "output" in setup else 2, 1)
    code = 0
    try:
        run(setup)
    except BaseException:  # noqa: BLE001 - the edge of a process: say what happened, then end
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _serve(run: Callable[[Any], None]) -> None:
    children: set[int] = set()
    gc.freeze()
    _answer({"ready": True})
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "fork":
            pid = os.fork()
            if pid == 0:
                _child(run, command["setup"])
            children.add(pid)
            _answer({"pid": pid})
        else:
            _answer({"status": _end(command["pid"], command["do"])})
            children.discard(command["pid"])
    for pid in children:
        _end(pid, "kill")


def _end(pid: int, how: str) -> int:
    os.kill(pid, signal.SIGKILL if how == "kill" else signal.SIGTERM)
    return os.waitpid(pid, 0)[1]


def _answer(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(name: str) -> None:
    """Import the module, then fork its function whenever asked."""
    module, _, function = name.partition(":")
    _serve(getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    main(sys.argv[1])
    sys.stdout.flush()
    os._exit(0)  # nothing is left to do, and libraries that were only forked need not say goodbye
