"""May it happen, may it leave? Pure decisions of usage control, on top of the policy room's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from types import NoneType

import msgspec

from medspace.connector.usage.disclosures import numbers_in
from medspace.core.canonical import LARGEST_INTEGER, Json, JsonObject
from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.engine import WORD
from medspace.core.limits import DEEPEST, FEW, LEAVES, PARTS, RECORD, RELEASE
from medspace.core.parts import flaw_of_part
from medspace.core.text import Text, msgid
from medspace.core.usage import MOST_NOTES, Admission, HolderNote, Output, RowScope, Step, release_digest
from medspace.policy import gates
from medspace.policy.actions import action_of
from medspace.policy.model import Label, UseRequest
from medspace.trust.model import Facts

WITHHELD, ROWS = "use.withheld", "use.rows"
CODES = frozenset(
    {
        *("use.no_asset", "use.no_engine", "use.held", "use.restored", "use.task_changed", "use.scope_narrowed"),
        *("use.rows_changed", WITHHELD),
        *("release.cohort", "release.content", "release.expired", "release.message", "release.outbox"),
        "release.output",
    }
)
HIGHEST_ROUND = 1_000_000
_FORM = {
    "kind": str,
    "values": Mapping,
    "cohort": int,
    "parts": tuple,
    "memory": bytes | None,
    "hold": bool,
    "outbox": Mapping,
    "noted": Mapping,
    "worded": Step | None,
    "record": bytes | None,
    "measures": tuple,
    "learned": bool,
}
_HOLDING = frozenset((dict, list, tuple))
_PLAIN = frozenset((str, int, float, bool, NoneType))
_STEP_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Case:
    """The facts of a request: who, when, how many earlier uses, and which duties were violated.

    `protection` is what the engine gives to the task, `holders` the other holders in its run, `colluders` how many of
    them its masks withstand, `noise` whether answers are noisy; each None where not known yet. `label` is
    that of the dataset.
    """

    user: Facts
    now: datetime
    used: int  # earlier uses under the agreement
    protection: str | None = None
    violated: frozenset[str] = frozenset()
    holders: tuple[str, ...] | None = None
    colluders: int | None = None
    noise: str | None = None
    elapsed: int | None = None  # seconds since the agreement was made
    label: Label | None = None
    routes: tuple[str, ...] = ()  # by which the conditions here let rows pass


def request_for(kind: str, dataset: str, case: Case, task: JsonObject | None) -> UseRequest:
    """The request of a use for the policy room; the purpose is the task's own word."""
    said, label = task or {}, case.label or Label()
    return UseRequest(
        action=action_of(kind),
        assignee=case.user.did,
        purpose=_text(said.get("purpose")),
        region=case.user.region,
        time=case.now,
        count=case.used,
        target=dataset,
        sites=_number(said.get("min_sites")),
        protection=case.protection,
        holders=case.holders,
        colluders=case.colluders,
        noise=case.noise,
        judged=None if task is None else gates.judged(said),
        violated=case.violated,
        elapsed=case.elapsed,
        roles=case.user.roles,
        credentials=case.user.credentials,
        routes=case.routes,
        application=_text(said.get("task")),
        events=label.events,
        states=label.states,
    )


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flaw(step: Step) -> Text | None:
    """What is wrong with a step, whatever it asks for: its name and its round go into the log."""
    if not _STEP_NAME.fullmatch(step.name):
        return Text(msgid("its name is not a short word in small letters"))
    if not 0 <= step.round <= HIGHEST_ROUND:
        return Text(msgid("its round is not a number from 0 to {most}"), {"most": HIGHEST_ROUND})
    if len(step.parts) > PARTS:
        return Text(msgid("it has more than {most} parts"), {"most": PARTS})
    return next((flaw for flaw in map(flaw_of_part, step.parts) if flaw is not None), None)


def served(kind: str, *, engine: bool, rows: bool) -> Decision:
    """Whether this connector still has what a use needs: it may have been restarted with less."""
    if not engine:
        asked, held = (
            Text(msgid("a kind of use that is served here")),
            Text(msgid("the use is {kind}"), {"kind": kind}),
        )
        return _one("format", "use.no_engine", asked, held, ok=False)
    asked, held = Text(msgid("an asset that is held here")), Text(msgid("it is no longer held"))
    return _one("asset", "use.no_asset", asked, held, ok=rows)


def not_held(*, held: bool) -> Decision:
    """Whether the user may resume a use: not if the holder itself has suspended or ended it."""
    asked = Text(msgid("a use that the holder has not suspended"))
    state = Text(msgid("the holder has suspended it") if held else msgid("the holder has not"))
    return _one("use.suspended", "use.held", asked, state, ok=not held)


def restored() -> Decision:
    """Why a use is over whose steps are missing from the database: a backup was restored."""
    asked = Text(msgid("a use whose steps this holder still knows"))
    held = Text(msgid("its holder has restored a backup of an earlier time"))
    return _one("use.restored", "use.restored", asked, held, ok=False)


def same_task(first: str | None, now: str) -> Decision:
    """Whether the task of a step is the one that the use began with."""
    asked = Text(msgid("the task that the use began with"))
    held = Text(msgid("the task of this step has the digest {digest}"), {"digest": now})
    return _one("use.task", "use.task_changed", asked, held, ok=first in (None, now))


def in_the_open(admission: Admission, output: Output, now: datetime) -> Decision:
    """The part of the gate's decision that reveals nothing about the rows: the kind of output, and the time."""
    return combine(_kind(admission, output), _time(admission, now))


def is_output(output: object) -> bool:
    """Whether an engine's result has the form of an output; its content is for the gate."""
    if not isinstance(output, Output) or len(output.record or b"") > RECORD or not _are_notes(output.notes):
        return False
    return all(isinstance(getattr(output, name), form) for name, form in _FORM.items())


def _are_notes(notes: object) -> bool:
    return (
        isinstance(notes, tuple) and len(notes) <= MOST_NOTES and all(isinstance(note, HolderNote) for note in notes)
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures of an output, taken before the gate: measuring is slow and must not delay the log."""

    leaves: int  # numbers, texts, booleans; negative where it holds something that must not leave
    size: int = 0  # bytes of its values as compact JSON
    digest: str = ""  # of the resulting release, where it may become one
    sealed: bool = True  # whether its messages were sealed here, each for its seat
    numbers: int = 0  # numbers about persons: none for a message or masked output


def measured(admission: Admission, output: Output, number: int) -> Measured:
    """Count and digest an output of the round `number`. Blocking: a large one takes a second."""
    longest = {**admission.longest, **admission.messages, **admission.masked}.get(output.kind, WORD)
    leaves = _count(dict(output.values), DEEPEST, longest)
    if leaves < 0:
        return Measured(leaves)
    size = len(msgspec.json.encode(output.values))
    if leaves > LEAVES or size > RELEASE:
        return Measured(leaves, size)
    said = release_digest(
        output.kind, number, told_cohort(admission, output), output.values, output.parts, output.outbox
    )
    protocol = output.kind in admission.messages or output.kind in admission.masked
    return Measured(leaves, size, said, numbers=0 if protocol else numbers_in(output))


def told_cohort(admission: Admission, output: Output) -> int:
    """How many persons a release states to stand behind it; for masked output, none is stated."""
    return 0 if output.kind in admission.masked else output.cohort


def is_small(output: Output) -> bool:
    """Whether measuring an output takes negligible time: few plain leaves and nothing besides."""
    waiting: list[Json] = [output.values]
    left = FEW
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind in _HOLDING:
            left -= len(value)
            if left < 0:
                return False
            waiting += [*value, *value.values()] if kind is dict else value
        elif kind not in _PLAIN or (kind is str and len(value) > WORD):
            return False
    return not output.parts and not output.outbox


def oversized(found: Measured) -> bool:
    """Whether an output exceeds the size of a release: it would be logged, but could never be fetched."""
    return found.leaves > LEAVES or found.size > RELEASE


def behind_the_gate(admission: Admission, output: Output, found: Measured) -> Decision:
    """The part of the gate's decision that depends on the rows; its reasons are only for the holder."""
    if output.kind in admission.messages:
        return _message(output, found, admission.messages[output.kind])
    if output.kind in admission.masked:
        return combine(_cohort(admission, output), _small(found, output, admission.masked[output.kind]))
    return combine(_cohort(admission, output), _content(found))


def withheld() -> Premise:
    """All that a caller is told about an output that was withheld for any reason that depends on the rows."""
    asked = Text(msgid("an output that enough patients stand behind"))
    held = Text(msgid("it would tell about few, or nothing at all"))
    remedy = Text(
        msgid(
            "Ask about more patients: fewer and coarser features, an outcome that more of them have. "
            "Which rule it was, only the holder sees, in its own log."
        )
    )
    return Premise(WITHHELD, asked, held, satisfied=False, remedy=remedy)


def mail(found: Measured) -> Decision:
    """Messages for other seats pass through the coordinator, so they must have been sealed here."""
    asked = Text(msgid("messages that this holder sealed for other seats of the run"))
    held = Text(msgid("they were") if found.sealed else msgid("one of them is not sealed"))
    return _one("release.outbox", "release.outbox", asked, held, ok=found.sealed)


def same_rows(admission: Admission, granted: Sequence[RowScope]) -> Decision:
    """Whether every row behind an output may still be used; a consent may have been withdrawn."""
    asked = Text(msgid("rows that may still be used"))
    kept = all(any(_lets_in(wide, narrow) for narrow in admission.scope) for wide in granted)
    held = Text(msgid("all of them may") if kept else msgid("fewer may be used than when the step was admitted"))
    remedy = Text(msgid("Ask again: the step is then answered on the rows that may still be used."))
    premise = Premise("use.scope", asked, held, kept, remedy=None if kept else remedy)
    return Decision(
        Verdict.PERMIT if kept else Verdict.DENY, "permitted" if kept else "use.scope_narrowed", (premise,)
    )


def rows_of_use(*, same: bool) -> Decision:
    """Whether the rows are those that a use under masks began with: its totals cover the same rows to its end."""
    asked = Text(msgid("the rows that the use began with"))
    held = Text(msgid("they are") if same else msgid("other rows may be used now, or others are there"))
    remedy = Text(msgid("Begin a new run: its sums are then those of the rows that may be used now."))
    premise = Premise(ROWS, asked, held, same, remedy=None if same else remedy)
    return Decision(Verdict.PERMIT if same else Verdict.DENY, "permitted" if same else "use.rows_changed", (premise,))


def lost_rows(decision: Decision) -> bool:
    """Whether a use is over because rows that it began with may not be used any more."""
    return any(premise.clause == ROWS for premise in decision.failures)


def _lets_in(wide: RowScope, narrow: RowScope) -> bool:
    """Whether a scope includes everything that another one does."""
    if wide.column != narrow.column:
        return False
    if narrow.within:
        return narrow.values <= wide.values if wide.within else narrow.values.isdisjoint(wide.values)
    return not wide.within and wide.values <= narrow.values


def _kind(admission: Admission, output: Output) -> Decision:
    asked = Text(msgid("one of the outputs {outputs}"), {"outputs": ", ".join(admission.outputs) or "-"})
    held = Text(msgid("the output is {output}"), {"output": output.kind})
    return _one("release.output", "release.output", asked, held, ok=output.kind in admission.outputs)


def _cohort(admission: Admission, output: Output) -> Decision:
    asked = Text(msgid("at least {least} patients behind an output"), {"least": admission.min_cohort})
    # The count itself is withheld: it is the very number that the rule protects.
    held = Text(msgid("there are enough") if output.cohort >= admission.min_cohort else msgid("there are fewer"))
    return _one("release.cohort", "release.cohort", asked, held, ok=output.cohort >= admission.min_cohort)


def _time(admission: Admission, now: datetime) -> Decision:
    asked = Text(msgid("before {expires}"), {"expires": _moment(admission.expires)})
    held = Text(msgid("it is {now}"), {"now": _moment(now)})
    return _one("release.time", "release.expired", asked, held, ok=now < admission.expires)


def _moment(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _content(found: Measured) -> Decision:
    asked = Text(msgid("finite numbers and short words, at most {most}"), {"most": LEAVES})
    numbers = found.leaves
    held = Text(msgid("{numbers} numbers"), {"numbers": numbers}) if numbers >= 0 else Text(msgid("something else"))
    return _one("release.content", "release.content", asked, held, ok=bool(found.digest))


def _message(output: Output, found: Measured, most: int) -> Decision:
    """What a protocol message may be: decided by form and size, since no person stands behind a key or a share."""
    return _small(found, output, most, plain=output.cohort == 0)


def _small(found: Measured, output: Output, most: int, *, plain: bool = True) -> Decision:
    asked = Text(msgid("a protocol message of at most {most} bytes: finite numbers and short words"), {"most": most})
    plain = plain and bool(found.digest)
    size = found.size + sum(part.size for part in output.parts)
    held = Text(msgid("{size} bytes"), {"size": size}) if plain else Text(msgid("something else"))
    return _one("release.message", "release.message", asked, held, ok=plain and size <= most)


def _count(value: Json, depth: int, longest: int = WORD) -> int:
    """How many leaves a value has; negative where it holds something that must not leave."""
    if isinstance(value, dict | list | tuple):
        if depth == 0:
            return -1
        if isinstance(value, dict) and not all(_is_word(name) for name in value):
            return -1
        counts = [_count(item, depth - 1, longest) for item in (value.values() if isinstance(value, dict) else value)]
        return -1 if any(count < 0 for count in counts) else sum(counts)
    fine = value is None or _is_word(value, longest) or _is_finite(value)
    return 1 if fine else -1


def _is_word(value: Json, longest: int = WORD) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _is_finite(value: Json) -> bool:
    if isinstance(value, int):
        return abs(value) <= LARGEST_INTEGER
    return isinstance(value, float) and isfinite(value)


def _one(clause: str, code: str, asked: Text, held: Text, *, ok: bool) -> Decision:
    premise = Premise(clause, asked, held, ok)
    return Decision(Verdict.PERMIT if ok else Verdict.DENY, "permitted" if ok else code, (premise,))
