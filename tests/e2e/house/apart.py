"""Connectors in processes of their own that have tensors scaled: in a run, for a test; by hand, for a bench."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.e2e.house.big_tensor import SCALE, TRAIN, Memory
from tests.e2e.space import PURPOSE, Stage, hospital, staged

REPOSITORY = Path(__file__).resolve().parents[3]


class Apart:
    """Clinics that scale tensors, and a user who has them do it; `program` is the user's."""

    def __init__(self, stage: Stage, clinics: tuple[str, ...], program: str) -> None:
        self.stage, self.clinics = stage, clinics
        stage.add("authority")
        for seed, name in enumerate(clinics, 1):
            stage.add(name, replace(hospital(seed), numbers=1 << 30))  # a tensor counts by its numbers
        stage.add("user")
        stage.open("authority")
        self.processes: dict[str, subprocess.Popen[str]] = {}
        for name in (*clinics, "user"):
            self.start(name, program if name == "user" else "live")
        stage.admit()
        for name in self.processes:
            stage.space(name).refresh()
        self.agreements = {name: stage.agree("user", name) for name in clinics}

    def start(self, name: str, program: str = "live") -> None:
        """Start a connector; back once it answers."""
        command = [sys.executable, "-c", f"from tests.e2e.house.big_tensor import {program}; {program}()"]
        process = subprocess.Popen(
            [*command, str(self.stage.nodes[name].file)],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes[name] = process
        assert json.loads(_line(process)) == {"ready": True}

    def kill(self, name: str) -> None:
        """End a connector in the middle of whatever it does."""
        process = self.processes.pop(name)
        process.kill()
        process.communicate(timeout=30)

    def task(self, size: int, factors: dict[str, int]) -> dict[str, Any]:
        """To scale a tensor of about so many bytes, at each clinic by its factor."""
        by_holder = {self.stage.nodes[name].did: factor for name, factor in factors.items()}
        task = {"task": SCALE, "factors": by_holder, "size": size}
        return task | {"purpose": PURPOSE, "min_sites": len(factors)}

    def run(self, size: int, factors: dict[str, int]) -> dict[str, Any]:
        """A run over these clinics, and the memory that each process needed for it."""
        said = {name: Memory(process.pid) for name, process in self.processes.items()}
        agreements = [self.agreements[name] for name in factors]
        run = self.stage.space("user").train(self.task(size, factors), agreements, wait=120)
        return run | {"memory": {name: memory.more() for name, memory in said.items()}}

    def exchange(self, size: int, factor: int) -> dict[str, Any]:
        """One tensor there and one back, by hand, in a use of its own; with the memory of both sides."""
        (name,) = self.clinics
        transfer = self.stage.space("user").request(self.agreements[name], TRAIN)["id"]
        user, holder = self.processes["user"], self.stage.nodes[name].did
        task = self.task(size, {name: factor})
        assert user.stdin is not None
        clinic = Memory(self.processes[name].pid)
        user.stdin.write(json.dumps({"holder": holder, "size": size, "transfer": transfer, "task": task}) + "\n")
        user.stdin.flush()
        said: dict[str, Any] = json.loads(_line(user))
        return said | {"clinic": clinic.more()}

    def end(self) -> None:
        """Stop all."""
        for process in self.processes.values():
            process.terminate()
            process.communicate(timeout=30)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@contextmanager
def apart(folder: Path, *clinics: str, program: str = "live") -> Iterator[Apart]:
    """Clinics and a user, until the end."""
    with staged(folder) as stage:
        parties = Apart(stage, clinics, program)
        try:
            yield parties
        finally:
            parties.end()
