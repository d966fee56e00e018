"""The coordinator's side of masked rounds: which step comes next, and what is carried from whom to whom.

It opens nothing and decides nothing: every site checks everything that it is sent. So nothing here protects
anybody; an error here merely stops a run.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from string import Formatter
from typing import Annotated, Any, Literal, Self

import msgspec

from medspace.core import limits
from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError
from medspace.core.hashing import digest
from medspace.core.limits import KIB
from medspace.core.parts import Blobs, Part
from medspace.core.text import Text, msgid
from medspace.privacy.masking.ring import MOST_NUMBERS
from medspace.runs.errors import AnswerInvalidError, AnswersInvalidError, RunError
from medspace.runs.masked import vectors
from medspace.runs.masked.contributing import RING
from medspace.runs.masked.messages import AGREE, CONTRIBUTE, OPEN, PROPOSE, RESULT, SHARE
from medspace.runs.masked.ports import Summed, SummedParts
from medspace.runs.masked.site import (
    AGREED_TO,
    CONTRIBUTED,
    ENDED,
    OPENED,
    SHARED,
)
from medspace.runs.masked.vectors import MEDIA_TYPE
from medspace.runs.ports import Answer, Demands, ModelDescription, Need, Question, Questions, Result

BLOCK = 256 * KIB
LONGEST = 256 * KIB  # characters of a signed message, which is brought to all others


class Carried(msgspec.Struct, frozen=True):
    """Where a run stands. `texts` are the signed messages that the next step brings, by site."""

    next: str = SHARE
    question: int = 1
    texts: dict[str, str] = {}
    parts: dict[str, tuple[str, int]] = {}  # digest and size of each one's vector, where it is no part of the text
    bits: int = RING.bits  # of a number of them
    beside: tuple[str, int] | None = None  # what each site is brought: the vectors one after the other, or their sum
    contributions: dict[str, str] = {}  # the signed texts of a question, for as long as its list is not signed by all
    proposer: str = ""
    openers: tuple[str, ...] = ()  # those who have opened and have not been asked to propose, while one of them is
    objective: float | None = None
    answers: dict[str, JsonObject] = {}  # at the end


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of output of one task that are results."""

    progress: str
    outcome: str


def kinds(task: str) -> Kinds:
    """Those of a task, by its name."""
    return Kinds(f"{task}.progress", f"{task}.model")


@dataclass(frozen=True, slots=True)
class MaskedProcedure:
    """One task under masks (`runs.ports.Procedure`); `most` bytes are in the vector of one site, or the outcome."""

    summed: Summed | SummedParts
    kinds: Kinds
    document: JsonObject
    demands: Demands
    needs: Sequence[Need]
    described: Callable[[Result, Mapping[str, str]], ModelDescription]
    blobs: Blobs | None = None
    most: int = MOST_NUMBERS * RING.size

    def within(self, blobs: Blobs) -> Self:
        """The same, where it may read and write parts (`runs.ports.Parted`)."""
        return replace(self, blobs=blobs)

    def kept(self, state: JsonObject) -> Sequence[Part]:
        """The vectors of a question, until all have agreed."""
        carried = _read(state)
        return [_part(*said) for said in (*carried.parts.values(), *([carried.beside] if carried.beside else []))]

    def describe(self, result: Result, names: Mapping[str, str]) -> ModelDescription:
        """The result, as the task describes it (`runs.ports.Describing`)."""
        return self.described(result, names)

    def first(self) -> JsonObject:
        """Nothing has been asked."""
        return _written(Carried())

    def questions(self, state: JsonObject, number: int) -> Questions | None:  # noqa: ARG002 - sites count questions
        """The next step of the protocol."""
        carried = _read(state)
        question: JsonObject = {"question": carried.question}
        question |= {"proposer": carried.proposer} if carried.proposer else {}
        if carried.next == PROPOSE:
            return {carried.proposer: Question(PROPOSE, self.kinds.progress, question, message=True, ends=ENDED)}
        asked = {
            SHARE: Question(SHARE, SHARED, {}, message=True),
            CONTRIBUTE: Question(CONTRIBUTE, CONTRIBUTED, question, message=True, most=self.most),
            AGREE: Question(
                AGREE,
                AGREED_TO,
                question | {"texts": carried.texts},
                message=True,
                parts=() if carried.beside is None else (_part(*carried.beside),),
            ),
            OPEN: Question(OPEN, OPENED, question | {"texts": carried.texts}, message=True),
            RESULT: Question(
                RESULT,
                self.kinds.outcome,
                question,
                most=self.most if isinstance(self.summed, SummedParts) else 0,
            ),
        }
        return asked.get(carried.next)

    def gathering(self, state: JsonObject, number: int) -> "Gathered":
        """Collects what the sites say."""
        return Gathered(_read(state), number, self.blobs)

    def without(self, state: JsonObject) -> JsonObject:
        """The sites decide for themselves whether they go on without one."""
        return state

    def number(self, state: JsonObject) -> int:
        """The question that is due (`runs.ports.Numbering`)."""
        return _read(state).question

    def objective(self, state: JsonObject) -> float | None:
        """What the sites have said of the last question."""
        return _read(state).objective

    def result(self, state: JsonObject) -> Result:
        """What all sites have signed.

        Raises:
            RunError: they have not.
        """
        answers = _read(state).answers
        if not answers:
            raise RunError
        first = next(iter(answers.values()))
        own = {site: said["own"] for site, said in answers.items() if said.get("own")}
        made = self._made(first["outcome"]["model"], sorted(answers), own)
        signed = {site: said["signed"] for site, said in answers.items()}
        proof = {"outcome": first["outcome"], "digest": first["digest"], "signed": signed, "own": own}
        return Result({**made.content, "opened": proof}, made.rows, made.sites)

    def _made(self, model: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        if not isinstance(self.summed, SummedParts):
            return self.summed.result(model, sites, own)
        if self.blobs is None:
            raise RunError
        return self.summed.result(model, sites, own, self.blobs)


class _Shared(msgspec.Struct, frozen=True):
    sent: int


class _Signed(msgspec.Struct, frozen=True):
    signed: Annotated[str, msgspec.Meta(max_length=LONGEST)]


class _Contributed(_Signed, frozen=True):
    bits: Literal[32, 64, 192] = 192


class _OpenAnswer(msgspec.Struct, frozen=True):
    proposer: str


class _ProgressAnswer(msgspec.Struct, frozen=True):
    next: Literal["contribute", "result"]
    objective: Annotated[str, msgspec.Meta(max_length=64)]
    sites: int

    def __post_init__(self) -> None:
        if self.objective and not isfinite(float(self.objective)):
            raise ValueError("no number")


class _Ended(msgspec.Struct, frozen=True):
    code: str
    facts: dict[str, int]


class _Fit(msgspec.Struct, frozen=True):
    model: JsonObject
    objectives: list[str]
    took: list[list[str]]


class _ResultAnswer(msgspec.Struct, frozen=True):
    outcome: JsonObject
    digest: str
    signed: str
    own: JsonObject
    parts: Annotated[int, msgspec.Meta(ge=0, le=limits.PARTS)] = 0

    def __post_init__(self) -> None:
        msgspec.convert(self.outcome, _Fit)


_FORMS: Mapping[str, type[msgspec.Struct]] = {
    SHARE: _Shared,
    CONTRIBUTE: _Contributed,
    AGREE: _Signed,
    OPEN: _OpenAnswer,
    PROPOSE: _ProgressAnswer,
    RESULT: _ResultAnswer,
}


@dataclass
class Gathered:
    """What came of one step (`runs.ports.Gathering`)."""

    before: Carried
    number: int
    blobs: Blobs | None = None
    parts: dict[str, tuple[str, int]] = field(default_factory=dict)
    said: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, answer: Answer, least: int) -> int:  # noqa: ARG002 - how many stand behind it, nobody tells
        """Take what one site says.

        Raises:
            AnswerInvalidError: it is not what the step asks for.
        """
        form = _Ended if answer.kind == ENDED else _FORMS[self.before.next]
        try:
            said = msgspec.convert(answer.values, form)
            other = isinstance(said, _ResultAnswer) and digest(said.outcome) != said.digest
        except ValueError:  # also of a form that it has not (msgspec.ValidationError)
            raise self._invalid(answer, msgid("it lacks what was asked for")) from None
        if other:
            raise self._invalid(answer, msgid("it has signed a different outcome"))
        if answer.parts:
            self.parts[answer.site] = (answer.parts[0].digest, answer.parts[0].size)
        self.said[answer.site] = {**answer.values, "ended": answer.kind == ENDED}
        return 0

    def _invalid(self, answer: Answer, sentence: str) -> AnswerInvalidError:
        return AnswerInvalidError(site=answer.site, round=self.number, reason=Text(sentence))

    def state(self, *, lost: bool) -> JsonObject:  # noqa: ARG002 - the sites say who is lost
        """Which step comes next.

        Raises:
            AnswersInvalidError: the sites do not say the same.
            RunError: the total leads nowhere, in the words of the task.
        """
        made = _AFTER[self.before.next](self)
        return _written(made)

    @property
    def _signed(self) -> dict[str, str]:
        return {site: str(said["signed"]) for site, said in self.said.items()}

    def contribute(self) -> Carried:
        """All have their secrets."""
        return msgspec.structs.replace(self.before, next=CONTRIBUTE)

    def agree(self) -> Carried:
        """All contributions are there."""
        return msgspec.structs.replace(
            self.before,
            next=AGREE,
            texts=self._signed,
            contributions=self._signed,
            parts=self.parts,
            bits=(bits := int(str(self._same("bits", RING.bits)))),
            beside=self._beside(self.parts, bits),
        )

    def _beside(self, parts: Mapping[str, tuple[str, int]], bits: int) -> tuple[str, int] | None:
        """The vectors one after the other, by the names of their sites; of large ones, their sum."""
        if not parts or self.blobs is None:
            return None
        if bits != RING.bits:
            total = vectors.added([_part(*said) for said in parts.values()], bits, self.blobs)
            return total.digest, total.size
        with self.blobs.create(MEDIA_TYPE) as made:
            for site in sorted(parts):
                with self.blobs.open(_part(*parts[site])) as vector:
                    shutil.copyfileobj(vector, made, BLOCK)
        return made.part.digest, made.part.size

    def open(self) -> Carried:
        """All have signed who is in the total; or some are gone, and the others agree anew."""
        left = {site: text for site, text in self.before.contributions.items() if site in self.said}
        if len(left) < len(self.before.contributions):
            parts = {site: said for site, said in self.before.parts.items() if site in left}
            beside = self._beside(parts, self.before.bits)
            return msgspec.structs.replace(self.before, texts=left, contributions=left, parts=parts, beside=beside)
        return msgspec.structs.replace(
            self.before, next=OPEN, texts=self._signed, contributions={}, parts={}, beside=None
        )

    def propose(self) -> Carried:
        """All have opened, each for the others."""
        due = str(self._same("proposer"))
        chosen = due if due in self.said else min(self.said)
        others = tuple(sorted(self.said.keys() - {chosen}))
        return msgspec.structs.replace(self.before, next=PROPOSE, texts={}, proposer=chosen, openers=others)

    def following(self) -> Carried:
        """The next question is known among the sites, or there is none."""
        if not self.said:  # it is gone: another one's turn
            return self._another()
        (said,) = self.said.values()
        if said["ended"]:
            raise _named(str(said.get("code")), said.get("facts"))
        step = RESULT if said.get("next") == RESULT else CONTRIBUTE
        question = self.before.question + (step == CONTRIBUTE)
        objective = said.get("objective")
        reached = float(objective) if objective else self.before.objective
        return msgspec.structs.replace(self.before, next=step, question=question, objective=reached, openers=())

    def _another(self) -> Carried:
        """Who proposes in place of a lost site; that one has already opened, so the others do not need it."""
        if not self.before.openers:
            raise AnswersInvalidError(
                round=self.number, reason=Text(msgid("the site whose turn it was to propose is gone"))
            )
        chosen, *others = self.before.openers
        return msgspec.structs.replace(self.before, proposer=chosen, openers=tuple(others))

    def done(self) -> Carried:
        """All have said what came of it."""
        self._same("digest")
        if not self.parts and int(str(self._same("parts", 0))):  # whose turn it was to give them is gone
            return msgspec.structs.replace(self.before, proposer=min(self.said))
        return msgspec.structs.replace(self.before, next="", answers=dict(self.said), parts=self.parts)

    def _same(self, name: str, otherwise: object = None) -> object:
        found = {str(said.get(name, otherwise)) for said in self.said.values()}
        if len(found) != 1:
            raise AnswersInvalidError(round=self.number, reason=Text(msgid("the sites contradict each other")))
        return found.pop()


_AFTER = {
    SHARE: Gathered.contribute,
    CONTRIBUTE: Gathered.agree,
    AGREE: Gathered.open,
    OPEN: Gathered.propose,
    PROPOSE: Gathered.following,
    RESULT: Gathered.done,
}


def _named(code: str, facts: object) -> RunError:
    """The error with this code; an unknown code comes from sites of another version."""
    waiting: list[type[RunError]] = [RunError]
    while waiting:
        kind = waiting.pop()
        if kind.code == code:
            given = facts if isinstance(facts, dict) else {}
            return _made(kind, {name: value for name, value in given.items() if isinstance(value, int)})
        waiting += kind.__subclasses__()
    return AnswersInvalidError(round=0, reason=Text("{code}", {"code": code}))


def _made(kind: type[RunError], facts: Mapping[str, int]) -> RunError:
    """An error with these facts; of those that its sentence wants and that are not there, nothing is said."""
    wanted = {name for _, name, _, _ in Formatter().parse(f"{kind.sentence}{kind.next_step}") if name}
    error = kind.__new__(kind)
    MedspaceError.__init__(error, **dict.fromkeys(wanted, "-") | dict(facts))
    return error


def _part(name: str, size: int) -> Part:
    return Part(name, MEDIA_TYPE, size)


def _written(carried: Carried) -> JsonObject:
    state: JsonObject = msgspec.to_builtins(carried)
    return state


def _read(state: JsonObject) -> Carried:
    return msgspec.convert(state, Carried)
