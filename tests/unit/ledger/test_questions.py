import pytest

from medspace.ledger import questions
from medspace.ledger.errors import MalformedQuestionsError
from medspace.ledger.questions import ShownQuestion, ShownQuestions
from medspace.ledger.report import QUESTION, AuditOutcome
from tests.unit.ledger import story
from tests.unit.ledger.story import COMPANY, NORTH, SOUTH, honest, verify

DEEP = b'{"format":"medspace-questions-1","origin":"x","questions":[{"inputs":' + b'{"a":' * 100_000
GOOD = {"task": {"task": "glm"}, "round": 1, "step": "gradient", "inputs": {"model": 1}}


def shown(space, *changes, origin=NORTH):
    entry = space.find(NORTH, "use.admitted")
    asked = tuple(ShownQuestion(**{"entry": entry, **GOOD, **change}) for change in changes)
    return ShownQuestions(format=questions.FORMAT, origin=origin, questions=asked)


def test_a_question_that_is_shown_is_the_one_that_was_noted():
    space = honest()
    report = verify(space.bundles(), shown=[shown(space, {})])
    assert report.outcome is AuditOutcome.VERIFIED
    assert report.count(QUESTION).verified == 1
    told = {one.holder: (one.admitted, one.shown, one.not_shown) for one in report.questions}
    assert told == {NORTH: (2, 1, 1), SOUTH: (2, 0, 2)}


def test_questions_that_are_not_shown_are_not_wrong():
    report = honest().audit()
    assert report.outcome is AuditOutcome.VERIFIED
    assert [one.not_shown for one in report.questions] == [2, 2]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"inputs": {"model": 1.0}}, "differs"),
        ({"inputs": {"model": float("inf")}}, "differs"),
        ({"inputs": {"model": 2**60}}, "differs"),
        ({"task": {"task": "other"}}, "other_task"),
        ({"round": 2}, "other_step"),
        ({"step": "evaluation"}, "other_step"),
        ({"entry": 0}, "no_admission"),
        ({"entry": 10**6}, "no_admission"),
    ],
)
def test_a_question_that_was_not_asked_is_a_finding(change, code):
    space = honest()
    report = verify(space.bundles(), shown=[shown(space, change)])
    assert [finding.code for finding in report.findings] == [f"use.question.{code}"]
    assert report.outcome is AuditOutcome.FAILED


def test_control_the_question_that_was_asked_is_none():
    space = honest()
    fractions = {"beta": [0.1, -1e-300, 5e300]}
    space.edit(NORTH, space.find(NORTH, "use.admitted"), question=story.digest(questions.exact(fractions)))
    file = questions.render(shown(space, {"inputs": fractions}))
    report = verify(space.bundles(), shown=[questions.read(file)])
    assert report.count(QUESTION).outcome is AuditOutcome.VERIFIED


def test_questions_without_the_log_prove_nothing():
    space = honest()
    report = verify(space.bundles(without=[NORTH]), shown=[shown(space, {})])
    assert "use.question.no_log" in {finding.code for finding in report.findings}
    assert report.count(QUESTION).outcome is AuditOutcome.UNVERIFIABLE


def test_a_party_that_admitted_nothing_has_nothing_to_show():
    assert {one.holder for one in honest().audit().questions} == {NORTH, SOUTH}
    report = verify(honest().bundles(), shown=[ShownQuestions(format=questions.FORMAT, origin=COMPANY, questions=())])
    assert report.outcome is AuditOutcome.VERIFIED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no JSON", "not JSON"),
        (b"\xff", "not JSON"),
        (DEEP, "nested too deeply"),
        (b"{}", "format is missing"),
        (b'{"format":"medspace-questions-2","origin":"x","questions":[]}', "must be one of these"),
        (b'{"format":"medspace-questions-1","origin":"x","questions":[],"more":1}', "not a known setting"),
        (b'{"format":"medspace-questions-1","origin":"x","questions":[{"entry":-1}]}', "does not have the form"),
        (
            b'{"format":"medspace-questions-1","origin":"' + b"x" * 257 + b'","questions":[]}',
            "does not have the form",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_refused(content, reason):
    with pytest.raises(MalformedQuestionsError, match=reason):
        questions.read(content)


def test_a_file_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(questions, "LARGEST_FILE", 10)
    with pytest.raises(MalformedQuestionsError, match="larger than 10 bytes"):
        questions.read(b" " * 11)


def test_a_question_that_is_deeper_than_any_has_no_digest():
    deep = {}
    for _ in range(100):
        deep = {"a": deep}
    space = honest()
    report = verify(space.bundles(), shown=[shown(space, {"inputs": deep})])
    assert {finding.code for finding in report.findings} == {"use.question.differs"}
