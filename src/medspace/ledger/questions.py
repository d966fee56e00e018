"""The questions themselves, as a holder shows them: each is compared with the digests in its log.

A log holds only digests of what was asked, since it is kept for good and read by strangers. A holder that kept the
questions can show them afterwards, in one JSON file beside its bundle:

    {"format": "medspace-questions-1", "origin": DID of the holder, "questions": [
        {"entry": index of its `use.admitted` in the log, "task": {...}, "round": 3, "step": "gradient",
         "inputs": {...}}, ...]}

`task` and `inputs` are those of the step as it was asked (`core.usage.Step`), with fractions as JSON numbers that
read back to the same double. Questions that are not shown are reported as such; that is not a failure.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from medspace.core.canonical import Json, JsonObject, exact
from medspace.core.decoding import read_file
from medspace.core.hashing import digest
from medspace.core.text import msgid
from medspace.ledger.errors import MalformedQuestionsError
from medspace.ledger.report import NO_LOG, QUESTION, AuditFinding, LogPosition, Premise, ShownCount, first_broken
from medspace.ledger.statements import LogLine, Statements

FORMAT: Literal["medspace-questions-1"] = "medspace-questions-1"
LARGEST_FILE = 512 * 1024 * 1024  # bytes
MOST_QUESTIONS = 1_000_000

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class ShownQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked: `entry` is the index of its admission in the holder's log."""

    entry: _Count
    task: JsonObject
    round: _Count
    step: Annotated[str, msgspec.Meta(max_length=256)]
    inputs: JsonObject


class ShownQuestions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The questions that the holder `origin` shows."""

    format: Literal["medspace-questions-1"]
    origin: Annotated[str, msgspec.Meta(max_length=256)]
    questions: Annotated[tuple[ShownQuestion, ...], msgspec.Meta(max_length=MOST_QUESTIONS)]


def render(shown: ShownQuestions) -> bytes:
    """The questions as a file."""
    return msgspec.json.encode(shown)


def read(content: bytes) -> ShownQuestions:
    """The questions that a file holds; nothing in it is proven yet.

    Raises:
        MalformedQuestionsError: it holds something else, or is larger than any such file may be.
    """
    return read_file(content, ShownQuestions, LARGEST_FILE, MalformedQuestionsError)


def check(log: Statements, shown: Sequence[ShownQuestions]) -> Iterator[AuditFinding]:
    """Each question that the owner of the log shows."""
    admissions = {line.index: line for line in log.admissions.values()}
    for one in shown:
        if one.origin == log.origin:
            for question in one.questions:
                yield _checked(log.origin, question, admissions.get(question.entry))


def without_log(shown: Sequence[ShownQuestions], origins: Sequence[str]) -> Iterator[AuditFinding]:
    """The files of holders whose log is missing: what they show proves nothing."""
    for one in shown:
        if one.origin not in origins:
            yield QUESTION.unverifiable(LogPosition(one.origin), "no_log", NO_LOG, party=one.origin)


def count(log: Statements, shown: Sequence[ShownQuestions]) -> ShownCount:
    """How many of the admitted questions are shown."""
    admitted = {line.index for line in log.admissions.values()}
    seen = {question.entry for one in shown if one.origin == log.origin for question in one.questions}
    return ShownCount(log.origin, len(admitted), len(seen & admitted))


def _checked(origin: str, question: ShownQuestion, admission: LogLine | None) -> AuditFinding:
    place = LogPosition(origin, question.entry)
    if admission is None:
        sentence = msgid("A question is shown for an entry that is not an admission.")
        return QUESTION.failed(place, "no_admission", sentence)
    broken = first_broken(_as_noted(question, admission))
    return QUESTION.failed(place, broken[1], broken[2]) if broken else QUESTION.verified(place)


def _as_noted(question: ShownQuestion, admission: LogLine) -> list[Premise]:
    facts = admission.facts
    return [
        (
            (question.round, question.step) == (facts["round"], facts["step"]),
            "other_step",
            msgid("The question shown belongs to another round or step than the log noted."),
        ),
        (
            _digest(question.task) == facts["task"],
            "other_task",
            msgid("The question shown belongs to another task than the log noted."),
        ),
        (
            _digest(question.inputs) == facts["question"],
            "differs",
            msgid("The question shown is not the one that the log noted."),
        ),
    ]


def _digest(value: Json) -> str:
    try:
        return digest(exact(value))
    except (ValueError, RecursionError):  # whatever was admitted has a canonical form
        return ""
