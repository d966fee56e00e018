"""Two connectors in processes of their own, and exchanges of tensors between them: for a test and a bench."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.house.big_tensor import STATISTICS, Memory
from tests.e2e.space import PURPOSE, Holding, Stage, staged, table

REPOSITORY = Path(__file__).resolve().parents[3]


class Pair:
    """A clinic that scales tensors, and a user who asks it to."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.add("authority")
        stage.add("clinic", Holding(table(2), "statistics-only", kinds=(STATISTICS,)))
        stage.add("user")
        stage.open("authority")
        self.clinic, self.user = self._start("clinic", "hold"), self._start("user", "ask")
        stage.admit()
        for name in ("clinic", "user"):
            stage.space(name).refresh()
        self.agreement = stage.agree("user", "clinic")

    def _start(self, name: str, program: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", f"from tests.e2e.house.big_tensor import {program}; {program}()"]
        process = subprocess.Popen(
            [*command, str(self.stage.nodes[name].file)],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert json.loads(_line(process)) == {"ready": True}
        return process

    def exchange(self, size: int, factor: float) -> dict[str, Any]:
        """One tensor there and one back, in a use of its own; with the memory of both sides."""
        transfer = self.stage.space("user").request(self.agreement, STATISTICS)["id"]
        task = {"task": "scale", "factor": factor, "purpose": PURPOSE, "min_sites": 1}
        holder = self.stage.nodes["clinic"].did
        assert self.user.stdin is not None
        clinic = Memory(self.clinic.pid)
        self.user.stdin.write(json.dumps({"holder": holder, "size": size, "transfer": transfer, "task": task}) + "\n")
        self.user.stdin.flush()
        said: dict[str, Any] = json.loads(_line(self.user))
        return said | {"clinic": clinic.more()}

    def end(self) -> None:
        """Stop both."""
        for process in (self.clinic, self.user):
            process.terminate()
            process.communicate(timeout=30)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Both connectors, until the end."""
    with staged(folder) as stage:
        both = Pair(stage)
        try:
            yield both
        finally:
            both.end()
