"""What each attack gets today, with the brake on and with it off: `make attacks`.

    python -m tests.attacks.report [--json] [--page] [pytest arguments]      --page writes docs/attacks.md

Tests say what their attack got by the fixture `attack_report` of `tests/attacks/conftest.py`. It appends one JSON
line to the file that REPORT names, and nothing where the variable is not set. Lines about the same attack are one
row, so that a test and its control may be two functions.
"""

import json
import math
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

REPORT = "MEDSPACE_ATTACK_REPORT"
FOLDER = Path(__file__).parent
HEAD = ("attack", "brake on", "brake off", "of")


def row(test: str, attack: str, *, unit: str, **numbers: float | None) -> dict[str, Any]:
    """One line of the report: `got` with the brake on, `control` with it off, out of `of`.

    Raises:
        ValueError: where neither `got` nor `control` is said, or a number is not finite.
    """
    said = {name: _number(name, value) for name, value in numbers.items() if value is not None}
    if not said.keys() & {"got", "control"}:
        raise ValueError("say what the attack got: got with its brake on, control with it off")
    return {"attack": attack, "unit": unit, "test": test, **said}


def _number(name: str, value: float) -> float | int:
    plain = value.item() if hasattr(value, "item") else value  # numpy's numbers are no JSON
    if not isinstance(plain, int | float) or not math.isfinite(plain):
        raise ValueError(f"{name} is not a finite number: {value!r}")
    return int(plain) if isinstance(plain, bool) else plain  # whether it was got: once, or not at all


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line by one write, so that tests side by side do not mix theirs."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, (json.dumps(line, ensure_ascii=False) + "\n").encode())
    finally:
        os.close(descriptor)


def gather(lines: Iterable[str]) -> list[dict[str, Any]]:
    """One row for each attack, in the order of its name. Parametrised tests of one attack: the most that was got with
    the brake on, the least that was got with it off.

    Raises:
        ValueError: where one attack is measured in two units.
    """
    attacks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        said = json.loads(line)
        attacks[said["attack"]].append(said)
    return [_joined(attacks[name]) for name in sorted(attacks)]


def _joined(said: list[dict[str, Any]]) -> dict[str, Any]:
    units = {line["unit"] for line in said}
    if len(units) > 1:
        raise ValueError(f"{said[0]['attack']}: measured in {', '.join(sorted(units))}")
    tests = sorted({line["test"] for line in said})
    joined: dict[str, Any] = {"attack": said[0]["attack"], "unit": units.pop(), "tests": tests}
    for name, choose in (("got", max), ("control", min), ("of", max)):
        values = [line[name] for line in said if name in line]
        joined[name] = choose(values) if values else None
    return joined


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The rows for people; an attack without its control is marked, since it proves nothing."""
    cells = [(each["attack"], *map(_shown, (each["got"], each["control"], each["of"]))) for each in rows]
    width = max(len(first) for first, *_ in [HEAD, *cells])
    for (attack, got, control, of), unit in zip([HEAD, *cells], ["", *(each["unit"] for each in rows)], strict=True):
        yield f"{attack:<{width}}  {got:>10}  {control:>10}  {of:>10}  {unit}".rstrip()


PAGE = """\
# Attacks

What each attack of `tests/attacks` gets. `make attacks` runs them and writes this page; no number is written by hand.
"Off" is the control: the same code with that one protection switched off in the wiring of the test. It stands for
what the attack read before there was the protection; where the control reads nothing, the measure would be void. "On"
is what it gets now. What is left is said in [security](security.md).

| attack | off | on | of | unit | test |
|---|---|---|---|---|---|
"""


def page(rows: list[dict[str, Any]]) -> str:
    """The rows as a page of the documentation."""

    def line(each: Mapping[str, Any]) -> str:
        tests = ", ".join(f"`{name}`" for name in sorted({test.partition("[")[0] for test in each["tests"]}))
        numbers = " | ".join(_shown(each[name]) for name in ("control", "got", "of"))
        return f"| {each['attack']} | {numbers} | {each['unit']} | {tests} |\n"

    return PAGE + "".join(map(line, rows))


def _shown(value: float | None) -> str:
    return "not said" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


class Outcomes:
    """A pytest plugin that counts how the tests of each module ended."""

    def __init__(self) -> None:
        self.ended: dict[str, dict[str, int]] = defaultdict(lambda: {"passed": 0, "failed": 0, "skipped": 0})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.ended[report.nodeid.partition("::")[0]][report.outcome] += 1

    def lines(self) -> Iterator[str]:
        """One line for each module."""
        for module, counts in sorted(self.ended.items()):
            yield f"{module}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


def measured(arguments: list[str]) -> tuple[int, list[dict[str, Any]], Outcomes]:
    """Run the attacks: pytest's exit code, a row for each attack that said what it got, and how the tests ended."""
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory(prefix="medspace-attacks-") as folder:
        path = Path(folder) / "report.jsonl"
        path.touch()
        named = any(Path(each.partition("::")[0]).exists() for each in arguments)
        command = ["-q", "--no-header", *arguments, *([] if named else [str(FOLDER)])]
        with _variable(REPORT, str(path)), redirect_stdout(sys.stderr):
            code = pytest.main(command, plugins=[outcomes])
        return int(code), gather(path.read_text(encoding="utf-8").splitlines()), outcomes


def main(arguments: list[str]) -> int:
    """Run the attacks and print what they got; 0 if every test passed."""
    as_json, as_page = "--json" in arguments, "--page" in arguments
    code, rows, outcomes = measured([each for each in arguments if each not in ("--json", "--page")])
    if as_page and code == 0:
        Path("docs/attacks.md").write_text(page(rows), encoding="utf-8")
    if as_json:
        text = json.dumps({"attacks": rows, "tests": outcomes.ended}, indent=2, ensure_ascii=False)
    else:
        text = "\n".join(["", *table(rows), "", *outcomes.lines()])
    sys.stdout.write(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
