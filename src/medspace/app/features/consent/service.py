"""Consents as the data office sees them: import, withdraw, explain, editions of datasets, replay."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from medspace.app.doors.views import Speak
from medspace.app.node.node import Node
from medspace.connector.catalogue.service import show_reach
from medspace.connector.model import AGREEMENTS
from medspace.connector.usage import labelling
from medspace.core.canonical import JsonObject
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.ledger.model import decode
from medspace.ledger.service import checkpoint
from medspace.policy import odrl, purposes, words
from medspace.policy.consent.model import ConsentParty, seconds
from medspace.policy.purposes import VOCABULARY
from medspace.services.consents import (
    decisions,
    editions,
    explaining,
    proving,
    publishing,
    recording,
    replaying,
    tracing,
)
from medspace.services.consents.decisions import ConsentVerdict
from medspace.services.consents.errors import NoConsentError, NotUnderConsentError
from medspace.services.consents.model import EDITIONS, PATIENTS, ConsentTerms
from medspace.services.consents.recording import Office, RecordedAs
from medspace.services.consents.register import Register

LEAST = 10  # patients who have said something new before an edition follows
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Consents:
    """The consents that one holder was told of."""

    node: Node
    register: Register = field(default_factory=Register)

    def office(self, by: str) -> Office:
        """Who records now: this holder, on behalf of an actor."""
        return Office(self.node.did, self.node.randomness, self.node.clock.now(), by)

    async def record(self, documents: Sequence[JsonObject], *, by: str) -> JsonObject:
        """Record FHIR Consents; what one of them withdraws counts from then on.

        Raises:
            ConsentDocumentError, ConsentVersionError: as `recording.record`; then none is recorded.
        """
        office = self.office(by)
        became = await self.node.database.write(lambda tx: recording.record(tx, office, documents))
        ended = await self.cut()
        return {one.value: became.count(one) for one in RecordedAs} | {"ended": ended}

    async def withdraw(self, patient: str, consent: str = "", *, by: str) -> JsonObject:
        """Record that a patient withdraws one consent or all; what counts her is closed at once, and ended.

        Raises:
            NoConsentError: there is none.
        """
        office = self.office(by)
        made = await self.node.database.write(lambda tx: recording.withdraw(tx, office, patient, consent))
        return {"patient": patient, "withdrawn": [one.consent for one in made], "ended": await self.cut()}

    async def describe(self, patients: Sequence[Mapping[str, str]], *, by: str) -> JsonObject:
        """Record from when on patients consent for themselves (`adult`), and who has died when (`died`).

        Raises:
            ConsentTermsError: a day cannot be read.
        """
        office = self.office(by)

        def unit(tx: Transaction) -> int:
            for one in patients:
                publishing.check(ConsentTerms("-", since=one.get("adult", ""), until=one.get("died", "")))
                recording.describe(tx, office, one["patient"], adult=one.get("adult", ""), died=one.get("died", ""))
            return len(patients)

        return {"patients": await self.node.database.write(unit), "ended": await self.cut()}

    async def cut(self) -> int:
        """Cut off what may not go on; how many uses."""
        return len(await self.node.cutoff.cut())

    # --- datasets ------------------------------------------------------------------------------------------------

    async def put_terms(self, dataset: str, terms: ConsentTerms, *, by: str) -> JsonObject:
        """Say how a dataset is used under consent.

        Raises:
            ConsentTermsError: it cannot be used.
        """
        office = self.office(by)

        def unit(tx: Transaction) -> None:
            made = publishing.put(tx, office, self.register, dataset, terms, _purposes(tx, dataset))
            show_reach(tx, self.node.local, dataset, made.counts)

        await self.node.database.write(unit)
        await self.cut()
        return await self.dataset(dataset)

    async def renew(self, dataset: str, *, by: str) -> JsonObject:
        """Begin the next edition of a dataset, once enough patients have said something new.

        Raises:
            NotUnderConsentError: nothing was said of it.
        """
        office = self.office(by)

        def unit(tx: Transaction) -> None:
            made = publishing.renew(tx, office, self.register, dataset, _purposes(tx, dataset), LEAST)
            show_reach(tx, self.node.local, dataset, made.counts)

        await self.node.database.write(unit)
        return await self.dataset(dataset)

    async def datasets(self) -> list[JsonObject]:
        """The datasets that are used under consent."""
        names = await self.node.database.read(lambda tx: sorted({one.dataset for one in each(tx, EDITIONS, {})}))
        return [await self.dataset(one) for one in names]

    async def dataset(self, dataset: str) -> JsonObject:
        """How a dataset is used under consent, and how many patients each purpose reaches.

        Raises:
            NotUnderConsentError: nothing was said of it.
        """
        found = await self.node.database.read(lambda tx: editions.current(tx, dataset))
        if found is None:
            raise NotUnderConsentError(dataset=dataset[:200])
        shown = {"dataset": dataset, "edition": found.edition, "time": found.time, "terms": asdict(found.terms)}
        return shown | {"counts": dict(found.counts)}

    # --- patients ------------------------------------------------------------------------------------------------

    async def explain(self, patient: str, speak: Speak, *, user: str = "", purpose: str = "") -> JsonObject:
        """What a patient allows of each dataset, to whom, and by which provision.

        Raises:
            NoConsentError: nothing is known of her.
        """
        wanted = [purposes.canonical(purpose) or purpose] if purpose else []
        now = seconds(self.node.clock.now())

        def look(tx: Transaction) -> list[JsonObject]:
            found: list[JsonObject] = []
            for dataset in sorted({one.dataset for one in each(tx, EDITIONS, {})}):
                edition = editions.current(tx, dataset)
                if edition is None:
                    continue
                named = tuple(wanted or edition.counts or _purposes(tx, dataset))
                asked = explaining.ConsentInquiry(self._parties(user), named)
                said = explaining.explain(tx, self.register, edition, asked, patient, now)
                found += [
                    {**asdict(one), "answer": one.answer.value, "words": _words(one.purpose, speak)} for one in said
                ]
            return found

        answers = await self.node.database.read(look)
        consents = await self.node.database.read(lambda tx: recording.newest_of(tx, patient))
        if not consents:
            raise NoConsentError(patient=patient[:80])
        return {
            "patient": patient,
            "consents": [
                {"consent": one.consent, "version": one.version, "time": one.time, "why": one.why or None}
                for one in consents
                if one.consent
            ],
            "answers": answers,
        }

    async def undecided(self, dataset: str, purpose: str, *, user: str = "") -> list[str]:
        """The patients whose consents leave open whether a purpose reaches them.

        Raises:
            NotUnderConsentError: nothing was said of the dataset.
        """
        now, parties = seconds(self.node.clock.now()), self._parties(user)

        def look(tx: Transaction) -> list[str]:
            edition = editions.current(tx, dataset)
            if edition is None:
                raise NotUnderConsentError(dataset=dataset[:200])
            asked = explaining.ConsentInquiry(parties, (purposes.canonical(purpose) or purpose,))
            return explaining.undecided(tx, self.register, edition, asked, now)

        return await self.node.database.read(look)

    async def decide(self, verdict: ConsentVerdict, *, by: str) -> JsonObject:
        """Record what a person decided, where the consents of a patient leave it open.

        Raises:
            NoConsentError, ConsentTermsError: nothing is known of the patient, or no reason is given.
        """
        office = self.office(by)
        named = replace(verdict, purpose=purposes.canonical(verdict.purpose) or verdict.purpose)
        made = await self.node.database.write(lambda tx: decisions.decide(tx, office, named))
        return {"patient": made.patient, "number": made.number, "allowed": made.allowed, "ended": await self.cut()}

    def _parties(self, user: str) -> dict[ConsentParty, str]:
        return {ConsentParty.USER: user or "-", ConsentParty.HOLDER: self.node.did}

    async def receipt(self, patient: str) -> JsonObject:
        """What a patient keeps: the salt, with which she proves what was stated of her, and her consents.

        Raises:
            NoConsentError: nothing is known of her.
        """

        def look(tx: Transaction) -> JsonObject:
            known = tx.get(PATIENTS, patient)
            if known is None:
                raise NoConsentError(patient=patient[:80])
            said = [
                {"consent": one.consent, "version": one.version, "number": one.number, "digest": one.digest}
                for one in recording.newest_of(tx, patient)
                if one.consent
            ]
            return {"holder": self.node.did, "patient": patient, "salt": known.salt, "consents": said}

        return await self.node.database.read(look)

    async def proof(self, use: str, patient: str) -> JsonObject:
        """The file that proves that a use states that it counts a patient, or that it does not.

        Raises:
            NoConsentError: nothing is known of her, or the use has stated nothing.
        """
        now, members = self.node.clock.now(), self.node.book.text
        signed = await self.node.database.write(lambda tx: checkpoint(tx, self.node.signing, self.node.did, now))
        return await self.node.database.read(lambda tx: proving.prove(tx, use, patient, signed, members))

    async def uses_of(self, patient: str, speak: Speak) -> list[JsonObject]:
        """The uses that state that they count a patient, the newest first, with what their contracts ask for.

        Raises:
            NoConsentError: nothing is known of her.
        """
        names = self.node.names()

        def look(tx: Transaction) -> list[JsonObject]:
            return [
                {
                    **asdict(one),
                    "words": _words(one.purpose, speak),
                    "name": names.get(one.user, ""),
                    "asks": _asked(tx, one.agreement, speak),
                }
                for one in tracing.uses_of(tx, patient)
            ]

        return await self.node.database.read(look)

    async def replay(self) -> JsonObject:
        """Every admission in the log against the consents of its moment: those that were not inside consent."""

        def look(tx: Transaction) -> JsonObject:
            replay = replaying.Replay(tx, Register(), self.node.did)
            size = tx.log.size()
            entries = (
                (start + at, decode(one))
                for start in range(0, size, PAGE)
                for at, one in enumerate(tx.log.entries(start, min(start + PAGE, size)))
            )
            found = [asdict(one) for one in replay.found(entries)]
            return {"entries": size, "examined": replay.examined, "outside": found}

        return await self.node.database.read(look)


def _words(purpose: str, speak: Speak) -> str:
    return purposes.words(purpose).render(speak)


def _asked(tx: Transaction, agreement: str, speak: Speak) -> list[str]:
    """What an agreement asks of its user, in plain words."""
    made = tx.get(AGREEMENTS, agreement)
    if made is None:
        return []
    policy = odrl.parse(made.policy)
    owed = (*policy.obligations, *(duty for rule in policy.permissions for duty in rule.duties))
    return [words.duty(one).render(speak) for one in owed]


def _purposes(tx: Transaction, dataset: str) -> list[str]:
    """The purposes of a dataset's label, and all that they include."""
    label = labelling.label_of(tx, dataset)
    named = [] if label is None else [purposes.canonical(one) or one for one in label.purposes]
    wide = [one.name for one in VOCABULARY if any(purposes.PURPOSES.within(one.name, wider) for wider in named)]
    return list(dict.fromkeys([*named, *wide]))
