"""The output of a command: one JSON object for programs (`--json`), tables and sentences for people.

What people read may have been written by other participants, so it must not be able to control their terminal; in
JSON such characters are escaped.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from medspace.app.doors.cli.naming import named, typed
from medspace.app.doors.cli.wrapping import break_between_characters
from medspace.app.node.language import speaker, spoken_language
from medspace.core.canonical import Json
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, plain

WIDTH = 160  # columns, where the output is no terminal
NARROW = 80  # columns of the narrowest terminal that is usual


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command prints its results."""

    as_json: bool
    language: str

    @classmethod
    def of(cls, arguments: Sequence[str]) -> Self:
        """The screen that a command line asks for, even if the command line could not be parsed."""
        named = [arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == "--lang"]
        named += [word.removeprefix("--lang=") for word in arguments if word.startswith("--lang=")]
        return cls("--json" in arguments, spoken_language(named[-1] if named else ""))

    def say(self, text: Text) -> str:
        """A sentence in the language of this screen."""
        return text.render(speaker(self.language))

    def named(self, *codes: str) -> str:
        """States, roles, kinds of use, purposes or regions in the words of this screen."""
        return ", ".join(named(self.language, code) for code in codes)

    def typed(self, *codes: str) -> str:
        """The same, with the codes that people type."""
        return ", ".join(typed(self.language, code) for code in codes)

    def show(self, result: Json, people: Callable[[], None]) -> None:
        """Print the result as JSON, or let `people` print it."""
        if self.as_json:
            sys.stdout.write(_escaped(json.dumps(result, ensure_ascii=False, indent=2, default=str)) + "\n")
        else:
            people()

    def line(self, text: Text) -> None:
        """One sentence to standard output, for people only."""
        if not self.as_json:
            sys.stdout.write(plain(self.say(text)) + "\n")
            sys.stdout.flush()  # a reader of a pipe needs to know at once that a connector is running

    def table(
        self, title: Text, columns: Sequence[Text], rows: Iterable[Sequence[Json]], *, width: int = WIDTH
    ) -> None:
        """A table for people, as wide as their terminal, or `width` where the output is none."""
        from rich.console import Console  # noqa: PLC0415 - keeps --help fast
        from rich.table import Table  # noqa: PLC0415

        break_between_characters()
        table = Table()
        for column in columns:
            table.add_column(self.say(column), overflow="fold")
        for row in rows:
            table.add_row(*("" if cell is None else plain(str(cell)) for cell in row))
        self.line(title)
        if table.row_count:
            Console(width=None if sys.stdout.isatty() else width, markup=False).print(table)

    def blocks(self, title: Text, blocks: Iterable[Sequence[str]]) -> None:
        """A list for people, of items too long for a table: each with a heading and lines that can be copied."""
        self.line(title)
        for head, *lines in blocks:
            sys.stdout.write(f"\n{plain(head)}\n" + "".join(f"  {plain(line)}\n" for line in lines if line))

    def problem(self, error: MedspaceError) -> None:
        """Code, sentence and next step: as JSON on standard output, or for people on standard error."""
        problem = problem_of(error, self.language)
        if self.as_json:
            sys.stdout.write(_escaped(json.dumps({"error": problem}, ensure_ascii=False)) + "\n")
            return
        clause = f" [{problem['clause']}]" if problem.get("clause") else ""
        first = plain(f"{problem['code']}: {problem['sentence']}{clause}")
        sys.stderr.write(f"{first}\n  {plain(str(problem['next_step']))}\n")


def _escaped(document: str) -> str:
    """JSON with every unusual character escaped; the json module leaves C1 and bidirectional control characters."""
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in document)


def problem_of(error: MedspaceError, language: str) -> Mapping[str, Json]:
    """An error in the form of the API and the command line.

    Extra members from a connector (such as the clause) stay.
    """
    speak = speaker(language)
    return {
        **getattr(error, "problem", {}),
        "code": error.code,
        "sentence": error.text.render(speak),
        "next_step": error.advice.render(speak),
        "exit_code": error.exit_code,
    }
