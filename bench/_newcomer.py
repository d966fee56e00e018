"""Somebody who knows of medspace only what it says: follows its next steps word for word, and nothing else."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_STEPS = 8
PATIENCE = 300  # seconds
_OPTION = re.compile(r"--[a-z-]+(?: (?:'[^']*'|[^\s;()]+))?")
_COMMAND = re.compile(r"(gunzip|unzip|bunzip2|unxz) .*")


@dataclass
class Hour:
    """One file in one fresh folder: what was typed, what came of it."""

    folder: Path
    file: Path
    port: int
    said: list[str] = field(default_factory=list)  # options, as the program named them
    steps: list[str] = field(default_factory=list)  # what the program said, in order
    report: dict[str, Any] = field(default_factory=dict)

    def draft(self) -> str:
        """Look at the file until it is drafted; why it cannot be, or nothing."""
        for _ in range(MOST_STEPS):
            answer = self._told(["draft", str(self.file), *self.said])
            if "error" not in answer:
                self.report = answer
                unsure = [one["next_step"] for one in answer["findings"] if one["kind"] in ("unsure", "rows")]
                if not any(step and self._take(step) for step in unsure):
                    return ""
            elif not self._follow(answer["error"]):
                return f"{answer['error']['code']}: {answer['error']['sentence']}"
        return "it never ends"

    def offer(self) -> str:
        """Offer it; why that cannot be, or nothing."""
        command = ["init", str(self.folder / "hospital"), "--offer", str(self.file), "--port", str(self.port)]
        answer = self._told([*command, *self.said])
        return f"{answer['error']['code']}: {answer['error']['sentence']}" if "error" in answer else ""

    def doctor(self) -> str:
        """Have it examined; what is not in order, or nothing."""
        answer = self._told(["doctor", "--config", str(self.folder / "hospital" / "medspace.toml")])
        return "; ".join(one["sentence"] for one in answer["checks"] if not one["ok"])

    def up(self) -> str:
        """Start it; what it says against the file, or nothing."""
        command = [sys.executable, "-m", "medspace", "up", str(self.folder / "hospital" / "medspace.toml")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            lines = list[str]()
            for line in process.stdout:
                lines.append(line.strip())
                if " is running: " in line:
                    process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
        if not any(" is running: " in line for line in lines):
            return lines[-1] if lines else "it does not start"
        return next((line for line in lines if " is not open: " in line), "")

    def _told(self, arguments: Sequence[str]) -> dict[str, Any]:
        self.steps.append(shlex.join(["medspace", *arguments]))
        command = [sys.executable, "-m", "medspace", *arguments, "--json", "--lang", "en"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if not done.stdout.startswith("{"):
            return {"error": {"code": "traceback", "sentence": done.stderr[-300:], "next_step": ""}}
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _follow(self, error: dict[str, Any]) -> bool:
        """Do what the next step says; False where it says nothing that can be done."""
        step = str(error["next_step"])
        if error["code"] == "setup.person":
            likely = re.search(r"likely: ([^);]+)", step)
            return self._take(shlex.join(["--person", likely[1].split(", ")[0]]) if likely else "--rows-are-persons")
        command = _COMMAND.search(step)
        if command is not None:
            return self._unpack(command[0])
        return self._take(step)

    def _take(self, step: str) -> bool:
        words = [word for option in _OPTION.findall(step) for word in shlex.split(option)]
        if (
            not words
            or any(word in ("NAME", "COLUMN", "NUMBER") for word in words)
            or words == self.said[-len(words) :]
        ):
            return False
        self.said += words
        return True

    def _unpack(self, command: str) -> bool:
        before = set(self.folder.rglob("*"))
        words = shlex.split(command)
        done = subprocess.run(words, cwd=self.folder, capture_output=True, check=False)
        made = [each for each in set(self.folder.rglob("*")) - before if each.is_file()]
        if done.returncode or not made:
            return False
        self.steps.append(command)
        self.file = max(made, key=lambda each: each.stat().st_size)
        return True
