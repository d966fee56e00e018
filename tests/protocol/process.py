"""The system under test as a real process."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.protocol.runner import Target

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def system_under_test(
    script: dict[str, Any], *, wait: float = 15.0, mutant: str = "", options: tuple[str, ...] = ()
) -> Iterator[Target]:
    """Start `python -m tests.protocol.sut` on a free port with this reaction script; end it by SIGTERM."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reactions.json")
        path.write_text(json.dumps(script), encoding="utf-8")
        command = [sys.executable, "-m", "tests.protocol.sut", "--port", "0", "--script", str(path), *options]
        environment = {**os.environ, "MEDSPACE_SUT_MUTANT": mutant}
        with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield Target.at(_ready(process), wait)
            finally:
                process.terminate()
                code = process.wait(20)
        assert code == 0, f"the system under test ended with {code}"


def _ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    word, _, root = process.stdout.readline().partition(" ")
    assert word == "ready", f"the system under test did not start: {word!r}"
    return root.strip()
