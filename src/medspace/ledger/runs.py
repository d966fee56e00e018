"""The consistency of a coordinator's log about its runs: start, rounds, end and model."""

from collections.abc import Iterator
from datetime import timedelta

from medspace.core.hashing import digest
from medspace.core.text import msgid
from medspace.ledger.report import MODEL, ROUNDS, AuditFinding, LogPosition, Premise, first_broken
from medspace.ledger.statements import LogLine, RecordedRun, Statements, later

NOTHING = digest({})  # the question of a step that is about no model yet
LONGEST_SILENCE = timedelta(hours=1)  # a run that has written nothing for longer is not merely in progress


def check_rounds(log: Statements) -> Iterator[AuditFinding]:
    """Each run: one start, rounds that count up from one, one end."""
    for run in log.runs.values():
        lines = run.lines()
        place = LogPosition(log.origin, lines[0].index)
        broken = first_broken(_in_order(run))
        if broken:
            yield ROUNDS.failed(place, broken[1], broken[2], run=run.id)
        else:
            yield ROUNDS.verified(place) if run.ends else _without_end(place, run, lines[-1], log)


def is_silent(line: LogLine, log: Statements) -> bool:
    """Whether the log continued long after that, so that the run should have written more."""
    return later(line.time, LONGEST_SILENCE) < log.until


def _without_end(place: LogPosition, run: RecordedRun, last: LogLine, log: Statements) -> AuditFinding:
    if is_silent(last, log):
        sentence = msgid("The run {run} never ended: its log continues without it since {time}.")
        return ROUNDS.unverifiable(place, "never_ended", sentence, run=run.id, time=last.time)
    return ROUNDS.open(place, "open", msgid("The run {run} was still going when the log was exported."), run=run.id)


def _in_order(run: RecordedRun) -> list[Premise]:
    places = [line.index for line in run.lines()]
    numbers = [line.facts["round"] for line in run.rounds]
    return [
        (bool(run.starts), "no_start", msgid("The run {run} has entries and no start.")),
        (len(run.starts) < 2, "two_starts", msgid("The run {run} started twice.")),  # noqa: PLR2004
        (len(run.ends) < 2, "two_ends", msgid("The run {run} ended twice.")),  # noqa: PLR2004
        (places == sorted(places), "order", msgid("The run {run} has entries before its start or after its end.")),
        (
            numbers == list(range(1, len(numbers) + 1)),
            "numbers",
            msgid("The rounds of the run {run} do not count up from one: some are missing or appear twice."),
        ),
    ]


def check_models(log: Statements) -> Iterator[AuditFinding]:
    """Each finished run: its model came from its last round, with sites that it began with."""
    for run in log.runs.values():
        if run.finished is None:
            continue
        place = LogPosition(log.origin, run.finished.index)
        broken = first_broken(_finished(run, run.finished))
        if broken:
            yield MODEL.failed(place, broken[1], broken[2], run=run.id)
        elif _fitted(run, run.finished) is None:
            sentence = msgid("The run {run} does not say from which round its model was made.")
            yield MODEL.unverifiable(place, "not_said", sentence, run=run.id)
        else:
            yield MODEL.verified(place)


def _finished(run: RecordedRun, finished: LogLine) -> list[Premise]:
    order = [line.index for line in (run.started, *run.rounds, finished) if line is not None]
    facts = finished.facts
    answered = {answer["site"] for line in run.rounds for answer in line.facts["answers"]}
    return [
        (run.started is not None, "no_start", msgid("The run {run} finished without having started.")),
        (bool(run.rounds), "no_round", msgid("The run {run} finished without any round.")),
        (order == sorted(order), "order", msgid("The run {run} has rounds before its start or after its end.")),
        (
            facts["rounds"] == len(run.rounds),
            "rounds",
            msgid("The run {run} states a different number of rounds than its log has."),
        ),
        (
            _fitted(run, finished) is not False,
            "other_model",
            msgid("The run {run} names a different model than the one it made."),
        ),
        (
            set(facts["sites"]) <= run.sites,
            "sites",
            msgid("The run {run} names sites that it did not start with."),
        ),
        (
            set(facts["sites"]) <= answered,
            "no_answer",
            msgid("The run {run} names sites that did not answer any of its rounds."),
        ),
        (
            facts["protection"] == run.facts.get("protection"),
            "protection",
            msgid("The run {run} ended with a different protection than it started with."),
        ),
    ]


def _fitted(run: RecordedRun, finished: LogLine) -> bool | None:
    # Whether the model is that of the last round; None where the log does not say.
    last = run.rounds[-1].facts.get("model", NOTHING) if run.rounds else None
    if "fitted" in finished.facts:
        return bool(last == finished.facts["fitted"])
    return True if last == finished.facts["model"] else None
