"""All consents in memory, as far as the database has them: whom a use may count, for many patients at once.

What patients say has few shapes. Each distinct pair of tree and dates is decided once per question, each distinct
combination of answers is put together once, and what is left per patient is one look-up. The register follows the
database by the numbers of versions, inside the transaction that asks; so it never knows less than is committed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock
from typing import NamedTuple

from medspace.core.instants import bound
from medspace.core.store import Transaction
from medspace.policy.consent import deciding
from medspace.policy.consent.model import ALWAYS, Consent, ConsentAnswer, ConsentRequest, Provision, Span, seconds
from medspace.services.consents.model import PATIENTS, SHAPES, VERSIONS, ConsentPatient, ConsentVersion

PAGE = 5_000
KEPT = 32  # answers that are kept


class _Instance(NamedTuple):
    """What several patients have said alike: a tree with its dates; not sure, where a guardian's time is unknown."""

    shape: str
    spans: tuple[Span, ...]
    unsure: bool


class Reached(NamedTuple):
    """The patients that a question reaches, those on whom a person has to decide, and until when that holds."""

    patients: frozenset[str]
    undecided: frozenset[str]
    until: int

    def with_decided(self, allowed: frozenset[str]) -> "Reached":
        """With those on whom a person has decided that it reaches them, where their consents leave it open."""
        decided = self.undecided & allowed
        return Reached(self.patients | decided, self.undecided - decided, self.until) if decided else self


class Register:
    """The consents of one holder. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._number = 0
        self._shapes: dict[str, Provision] = {}
        self._instances: dict[_Instance, int] = {}
        self._said: dict[str, list[ConsentVersion]] = {}
        self._people: dict[str, ConsentPatient] = {}
        self._kits: dict[str, tuple[int, ...]] = {}
        self._dead: dict[str, int] = {}  # since when
        self._answers: dict[object, Reached] = {}
        self._late: list[tuple[int, str]] = []  # by number, whose version it is

    @property
    def number(self) -> int:
        """How many versions it knows."""
        return self._number

    def follow(self, tx: Transaction) -> None:
        """Take in what was recorded since."""
        with self._lock:
            while page := tx.find(VERSIONS, order_by="number", after=self._number, limit=PAGE):
                self._take(tx, page)

    def heard_since(self, number: int) -> int:
        """How many patients have said something since."""
        with self._lock:
            return len(self._after(number))

    def salts(self, tx: Transaction, patients: Iterable[str]) -> Iterator[bytes]:
        """The salts of patients."""
        for patient in patients:
            yield bytes.fromhex((self._people.get(patient) or self._person(tx, patient)).salt)

    def known(self) -> frozenset[str]:
        """Every patient who has ever said anything."""
        return frozenset(self._said)

    def said(self, patient: str, upto: int | None = None) -> list[Consent]:
        """What counts of a patient, as it was when `upto` versions were recorded; now, without."""
        return [self._consent(one) for one in self._newest(patient, upto)]

    def _take(self, tx: Transaction, page: list[ConsentVersion]) -> None:
        touched: set[str] = set()
        for one in page:
            if one.shape and one.shape not in self._shapes:
                found = tx.get(SHAPES, one.shape)
                if found is not None:
                    self._shapes[one.shape] = found.tree
            self._said.setdefault(one.patient, []).append(one)
            self._late.append((one.number, one.patient))
            touched.add(one.patient)
            self._number = one.number
        for patient in touched:
            person = self._person(tx, patient)
            self._kits[patient] = self._kit(patient, None)
            if person.died:
                self._dead[patient] = seconds(bound(person.died, last=False))
        self._answers.clear()

    def _person(self, tx: Transaction, patient: str) -> ConsentPatient:
        found = tx.get(PATIENTS, patient) or ConsentPatient(patient, "")
        self._people[patient] = found
        return found

    def _newest(self, patient: str, upto: int | None) -> list[ConsentVersion]:
        found: dict[str, ConsentVersion] = {}
        for one in self._said.get(patient, ()):
            before = found.get(one.consent)
            if (upto is None or one.number <= upto) and (before is None or before.version < one.version):
                found[one.consent] = one
        return list(found.values())

    def _consent(self, one: ConsentVersion) -> Consent:
        instance = self._instance(one)
        tree = self._shapes.get(instance.shape)
        return Consent(one.consent, one.patient, tree, instance.spans, one.guardian, one.why, one.version)

    def _instance(self, one: ConsentVersion) -> _Instance:
        if not one.guardian:
            return _Instance(one.shape, one.spans, unsure=False)
        adult = self._people[one.patient].adult if one.patient in self._people else ""
        if not adult:
            return _Instance(one.shape, one.spans, unsure=True)
        start, end = one.spans[0] if one.spans else ALWAYS
        cut = (start, min(end, seconds(bound(adult, last=False))))
        return _Instance(one.shape, (cut, *one.spans[1:]), unsure=False)

    def _kit(self, patient: str, upto: int | None) -> tuple[int, ...]:
        found = [self._instance(one) for one in self._newest(patient, upto) if one.shape]
        return tuple(sorted(self._instances.setdefault(one, len(self._instances)) for one in found))

    # --- questions ---------------------------------------------------------------------------------------------
    def reached(self, request: ConsentRequest, key: object, now: int, upto: int, *, after_death: bool) -> Reached:
        """Whom a question reaches now, of those who had said so by number `upto` and still say so.

        `key` names the question: the same one is answered from memory until a version comes, or a date.
        """
        with self._lock:
            kept = self._answers.get(key)
            if kept is not None and now < kept.until:
                return kept
            found = self._reached(request, now, upto, after_death=after_death)
            if len(self._answers) >= KEPT:
                self._answers.clear()
            self._answers[key] = found
            return found

    def replayed(self, request: ConsentRequest, now: int, number: int, upto: int, *, after_death: bool) -> Reached:
        """Whom it reached when `number` versions were recorded."""
        with self._lock:
            kits = dict(self._kits)
            for patient in self._after(number):
                kits[patient] = self._kit(patient, number)
            return self._put(request, kits, now, upto, after_death=after_death)

    def _after(self, number: int) -> set[str]:
        """Who has said something since."""
        found: set[str] = set()
        for one, patient in reversed(self._late):
            if one <= number:
                break
            found.add(patient)
        return found

    def _reached(self, request: ConsentRequest, now: int, upto: int, *, after_death: bool) -> Reached:
        return self._put(request, self._kits, now, upto, after_death=after_death)

    def _put(
        self, request: ConsentRequest, kits: Mapping[str, tuple[int, ...]], now: int, upto: int, *, after_death: bool
    ) -> Reached:
        answer, until = self._answering(request, now)
        found, undecided = self._parted(kits, answer)
        before = {one: answer(self._kit(one, upto)) for one in self._after(upto)}
        new = {one for one, said in before.items() if said is not ConsentAnswer.ALLOW}
        unheard = {one for one in new if before[one] is not ConsentAnswer.ABSTAIN}
        dead = set[str]()
        if not after_death:
            dead = {patient for patient, since in self._dead.items() if since <= now}
            until = min([until, *(since for since in self._dead.values() if since > now)])
        return Reached(frozenset(found) - new - dead, frozenset(undecided) - unheard - dead, until)

    def _parted(
        self, kits: Mapping[str, tuple[int, ...]], answer: Callable[[tuple[int, ...]], ConsentAnswer]
    ) -> tuple[list[str], list[str]]:
        """Those whom it reaches, and those on whom a person has to decide; in one pass, there may be many."""
        found, undecided = list[str](), list[str]()
        for patient, kit in kits.items():
            said = answer(kit)
            if said is ConsentAnswer.ALLOW:
                found.append(patient)
            elif said is ConsentAnswer.ABSTAIN:
                undecided.append(patient)
        return found, undecided

    def _answering(self, request: ConsentRequest, now: int) -> tuple[Callable[[tuple[int, ...]], ConsentAnswer], int]:
        """A function that answers for a kit, and until when the answers hold."""
        effects, until = self._effects(request, now)
        by_kit: dict[tuple[int, ...], ConsentAnswer] = {(): ConsentAnswer.NONE}
        by_effects: dict[tuple[deciding.Effect, ...], ConsentAnswer] = {}

        def answer(kit: tuple[int, ...]) -> ConsentAnswer:
            found = by_kit.get(kit)
            if found is None:
                said = tuple(effects(one) for one in kit)
                found = by_effects.get(said)
                if found is None:
                    found = by_effects[said] = _strictest(deciding.together(said))
                by_kit[kit] = found
            return found

        return answer, until

    def _effects(self, request: ConsentRequest, now: int) -> tuple[Callable[[int], deciding.Effect], int]:
        known: dict[tuple[str, tuple[int, ...], bool], deciding.Effect] = {}
        listed, until = list(self._instances), ALWAYS[1]
        for one in listed:
            for start, end in one.spans:
                if now < start < until:
                    until = start
                if now < end < until:
                    until = end
        found: dict[int, deciding.Effect] = {}

        def effect(at: int) -> deciding.Effect:
            made = found.get(at)
            if made is None:
                if at >= len(listed):  # of an earlier state, just looked up
                    listed[:] = self._instances
                one = listed[at]
                marks = deciding.marks(one.spans or (ALWAYS,), now, request.period)
                key = (one.shape, marks, one.unsure)
                made = known.get(key)
                if made is None:
                    made = deciding.effect(self._shapes.get(one.shape), marks, request)
                    made = known[key] = deciding.unsure(made) if one.unsure else made
                found[at] = made
            return made

        return effect, until


def _strictest(answers: tuple[ConsentAnswer, ...]) -> ConsentAnswer:
    """The answer for all elements together: what a task looks at must all be open."""
    for one in (ConsentAnswer.DENY, ConsentAnswer.NONE, ConsentAnswer.ABSTAIN):
        if one in answers:
            return one
    return ConsentAnswer.ALLOW
