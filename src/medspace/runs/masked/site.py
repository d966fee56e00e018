"""A site's side of masked rounds: what its engine does for each step, whatever is computed.

A site answers a question once, opens a total once and for one list, and derives the next question itself: the
coordinator only carries messages. All that must be remembered between steps is in the memory of the use, which
changes in the transaction that releases an answer.
"""

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.engine import OutputForm, Workplace
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest, digest_bytes
from medspace.core.parts import Part
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Output, Step
from medspace.privacy.masking.ring import Words
from medspace.privacy.masking.seeds import SEED_BYTES
from medspace.runs.errors import RunError
from medspace.runs.masked import messages, opening, proposing, records, vectors
from medspace.runs.masked.contributing import RING, Contributing
from medspace.runs.masked.errors import (
    FalseProposalError,
    MaskedError,
    MaskedKeysError,
    MessageInvalidError,
    OpeningsMissingError,
    OutOfTurnError,
    ProposalInvalidError,
    SurvivorsError,
    TotalInvalidError,
    TotalRefusedError,
    VectorsExchangedError,
)
from medspace.runs.masked.grouping import checked, inside
from medspace.runs.masked.memory import Agreed, QuestionStage, Remembered, changed, kept, recalled
from medspace.runs.masked.messages import (
    AGREE,
    CONTRIBUTE,
    OPEN,
    PROPOSE,
    RESULT,
    SHARE,
    MaskedContribution,
    Opening,
    QuestionProposal,
    SharedSeed,
    SurvivorList,
    label,
)
from medspace.runs.masked.opening import OpenedTotal
from medspace.runs.masked.ports import Measuring, Shape, State, SummedParts
from medspace.runs.masked.records import SALT_BYTES
from medspace.runs.masked.sitting import MaskedTaskKind
from medspace.runs.masked.vectors import MEDIA_TYPE
from medspace.trust.errors import EnvelopeError, EnvelopeUnreadableError

SHARED, CONTRIBUTED, AGREED_TO, OPENED = "masked.share", "masked.contribution", "masked.agreement", "masked.opening"
ENDED = "masked.end"  # a total that leads nowhere: a code in place of a proposal
MESSAGES = (
    OutputForm(SHARED, message=True),
    OutputForm(AGREED_TO, message=True),
    OutputForm(OPENED, message=True),
    OutputForm(ENDED, message=True, most=1024),
)
SIGNATURE = 8192  # characters


@dataclass(frozen=True, slots=True)
class MaskedSite(MaskedTaskKind):
    """Answers the steps of masked runs of one kind of task."""

    @property
    def outputs(self) -> tuple[OutputForm, ...]:
        """Every kind of output."""
        return (
            *MESSAGES,
            OutputForm(CONTRIBUTED, masked=True, most=self.most),
            OutputForm(self.progress),
            OutputForm(self.outcome, longest=SIGNATURE),
            OutputForm(self.quality),
        )

    def optional(self, output: Output) -> tuple[str, ...]:
        """The site's own quality, which is part of the model that it hands out (`core.engine.Withholding`)."""
        return (self.quality,) if output.kind == self.outcome and output.values.get("own") else ()

    def without(self, output: Output, parts: Collection[str]) -> Output:
        """The model without that: what the sites signed of it stays, since it is the same at all of them."""
        return replace(output, values={**output.values, "own": {}}) if self.quality in parts else output

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        """Do one step.

        Raises:
            MaskedKeysError: the seats have no keys.
            OutOfTurnError: a step is left out, repeated or forked.
            MaskedError: what others sent cannot be used; who is to blame is named, where that can be known.
            ThresholdsInvalidError: there are too few seats.
        """
        if workplace.keys is None:
            raise MaskedKeysError
        sitting = _Sitting(self, admission, step, workplace, workplace.keys)
        try:
            return _STEPS[step.name](sitting)
        except MaskedError as error:  # what was left out, repeated or exchanged, was so by who carries it all
            error.named = workplace.keys.terms.coordinator if error.named is None else error.named
            raise
        except EnvelopeUnreadableError as error:
            raise MessageInvalidError(str(error.facts["sender"]), error.text) from error
        except EnvelopeError as error:  # of those who sign what they send, nobody sent this
            refused = MaskedError(reason=error.text)
            refused.named = workplace.keys.terms.coordinator
            raise refused from error
        except ProposalInvalidError as error:
            raise FalseProposalError(**_error_facts(error)) from error
        except TotalInvalidError as error:  # nobody can tell whose fault it is
            raise TotalRefusedError(**error.facts) from error
        except RunError as error:
            raise InvalidInputError(reason=error.text) from error


@dataclass(frozen=True, slots=True)
class _Advanced:
    """The memory at the next question, what the log says of how it came to it, and what is recorded of that."""

    memory: Remembered
    noted: dict[str, str]
    record: bytes | None = None


@dataclass(frozen=True)
class _Sitting(Contributing):
    """One step at one seat."""

    # --- share ------------------------------------------------------------------------------------------------------
    def share(self) -> Output:
        """Draw the seeds of the secrets with those peers that come later."""
        if self.workplace.memory is not None:
            raise OutOfTurnError(turn=QuestionStage.SHARED.value)
        _ = self.table  # too few seats end it here
        drawn = {
            peer: self.workplace.randomness.token_bytes(SEED_BYTES) for peer in self.peers if peer > self.keys.holder
        }
        sealed = self.keys.seal_all(drawn, label(0, SHARE))
        noise = self.workplace.randomness.token_bytes(SEED_BYTES)
        seeds = {peer: (seed, sealed[peer]) for peer, seed in drawn.items()}
        memory = Remembered(QuestionStage.SHARED, seeds=seeds, noise=noise)
        return Output(SHARED, {"sent": len(drawn)}, 0, memory=kept(memory), outbox=sealed)

    def _secrets(self, memory: Remembered) -> dict[str, bytes]:
        """The secret with each peer; whoever comes first has drawn its seed."""
        found = {}
        for peer in self.peers:
            if peer in memory.seeds:
                seed, sealed = memory.seeds[peer]
            else:
                sealed = self.sent(peer)
                seed = self.keys.open(peer, label(0, SHARE), sealed)
            found[peer] = self.keys.pair(peer, label(0, SHARE), seed, sealed)
        return found

    # --- contribute -------------------------------------------------------------------------------------------------
    def contribute(self) -> Output:
        """Add up the site's own rows for the question that is due, and hide the sum."""
        advanced = self._advanced(
            recalled(self.workplace.memory, QuestionStage.SHARED, QuestionStage.OPENED, QuestionStage.PROPOSED)
        )
        memory = advanced.memory
        asked = self.summed.asked(memory.state)
        if asked is None:
            raise OutOfTurnError(turn=QuestionStage.ENDED.value)
        shape = self.summed.shape(memory.state)
        masks = self.masks(memory)
        vector, persons, notes = self.vector(asked, shape, masks, memory)
        measured = self.measured(asked, memory.question)
        masks, contribution, shares = self.contributed(memory, masks, vector)
        text, sealed = self.keys.announce(label(memory.question, CONTRIBUTE), messages.written(contribution), shares)
        remembered = changed(
            memory,
            turn=QuestionStage.CONTRIBUTED,
            masks=msgspec.structs.replace(masks, contribution=messages.hashed(text)),
            measured=measured or memory.measured,
        )
        return Output(
            CONTRIBUTED,
            {"question": memory.question, "signed": text, "bits": shape.bits},
            persons,
            parts=() if vector.part is None else (vector.part,),
            memory=kept(remembered),
            outbox=sealed,
            worded=Step(self.step.task, memory.question, asked.name, asked.inputs),
            noted=advanced.noted | self.shown(asked, memory.question),
            record=advanced.record,
            notes=notes,
        )

    # --- agree ------------------------------------------------------------------------------------------------------
    def agree(self) -> Output:
        """Check what all contributed, add it up or take the sum that is brought, and sign who is in the total."""
        memory = recalled(self.workplace.memory, QuestionStage.CONTRIBUTED, QuestionStage.AGREED)
        masks, question, table = memory.masks, memory.question, self.table
        if masks is None:
            raise OutOfTurnError(turn=memory.turn.value)
        texts = dict(messages.carried(self.step.inputs).texts)
        if messages.hashed(texts.get(table.me, "")) != masks.contribution:
            raise SurvivorsError(reason=Text(msgid("what it says this site contributed is not what this site sent")))
        contributions = {site: self._contribution(site, text, question) for site, text in texts.items()}
        groups = [(one, inside(one.seats, contributions)) for one in self.tables]
        for one, those in groups:
            opening.check_survivors(one, those)
        for site, said in contributions.items():
            proposing.check_same(self.keys, site, said.follows, memory)
        self._check_fewer(memory.agreed, texts)
        held = self._held(memory.agreed, inside(table.seats, contributions), question)
        for one, those in groups:
            opening.check_contributions(one, question, those, masks, held)
        total = self._total(contributions, self.summed.shape(memory.state))
        brought = vectors.named(total) if isinstance(total, Part) else None
        listed = SurvivorList(question, {site: messages.hashed(text) for site, text in texts.items()}, brought)
        content = messages.written(listed)
        known = opening.agreed(self.keys.seats, contributions, texts, total, content, held | {table.me: masks.share})
        text = self.keys.sign(label(question, AGREE), content)
        remembered = changed(memory, turn=QuestionStage.AGREED, agreed=known)
        noted = {"survivors": digest_bytes(content)}
        return Output(AGREED_TO, {"question": question, "signed": text}, 0, memory=kept(remembered), noted=noted)

    def _check_fewer(self, before: Agreed | None, texts: Mapping[str, str]) -> None:
        """Where somebody of a list did not sign it, another one may follow: of fewer sites, with the same said.

        However many are signed, a site opens one. (Of two lists at most one is opened: `privacy.masking.thresholds`.)
        """
        if before is None:
            return
        same = all(before.survivors.get(site) == messages.hashed(text) for site, text in texts.items())
        if not same or len(texts) >= len(before.survivors):
            raise OutOfTurnError(turn=QuestionStage.AGREED.value)

    def _held(
        self, before: Agreed | None, contributions: Mapping[str, MaskedContribution], question: int
    ) -> dict[str, bytes]:
        """The shares that the others gave this site."""
        others = [site for site in contributions if site != self.keys.holder]
        if before is not None:
            return {site: before.held[site] for site in others}
        return {site: self._share(site, question) for site in others}

    def _contribution(self, site: str, text: str, question: int) -> MaskedContribution:
        if site not in self.keys.seats:
            raise SurvivorsError(reason=Text(msgid("it names others than the seats of the run")))
        own = site == self.keys.holder  # of which the hash was just compared
        content = messages.said(text) if own else self.keys.announced(site, label(question, CONTRIBUTE), text)
        return messages.read(content, MaskedContribution, site)

    def _share(self, site: str, question: int) -> bytes:
        content = self.keys.open(site, label(question, CONTRIBUTE), self.sent(site))
        share = messages.read(content, SharedSeed, site).share
        return bytes.fromhex(share) if len(share) % 2 == 0 else b""

    def _total(self, contributions: Mapping[str, MaskedContribution], shape: Shape) -> bytes | Part:
        """The masked total. Vectors that are not in the contributions lie one after the other in the part beside.

        Of large ones the part beside is the total itself; no site could tell whether it is the sum.
        """
        if isinstance(self.summed, SummedParts):
            return vectors.brought(self.step.parts, shape)
        count = shape.count
        with ExitStack() as stack:
            beside = None
            if self.step.parts and self.workplace.blobs is not None:
                beside = stack.enter_context(self.workplace.blobs.open(self.step.parts[0]))

            def words(site: str) -> Words:
                said, size = contributions[site], count * RING.size
                content = _decoded(said.words)
                if not said.words:
                    content = b"" if beside is None else beside.read(size)
                    if digest_bytes(content) != said.digest:
                        raise VectorsExchangedError(site=site)
                if digest_bytes(content) != said.digest or len(content) != size:
                    raise MessageInvalidError(site=site, reason=Text(msgid("its vector is not what it has signed")))
                return RING.from_bytes(content, count)

            return self._added(contributions, words)

    def _added(self, contributions: Mapping[str, MaskedContribution], words: Callable[[str], Words]) -> bytes:
        """The masked total of each group, one after the other; vectors are asked for in the order of the DIDs."""
        if len(self.tables) == 1:
            return RING.to_bytes(RING.total(words(site) for site in sorted(contributions)))
        found: dict[tuple[str, ...], Words] = {}
        for site in sorted(contributions):
            group, vector = next(table.seats for table in self.tables if site in table.seats), words(site)
            found[group] = RING.total((found[group], vector)) if group in found else vector
        return b"".join(RING.to_bytes(found[table.seats]) for table in self.tables)

    # --- open -------------------------------------------------------------------------------------------------------
    def open(self) -> Output:
        """Under the signatures of all on one list, give the others what opens the total."""
        memory = recalled(self.workplace.memory, QuestionStage.AGREED)
        known, masks, question = memory.agreed, memory.masks, memory.question
        if known is None or masks is None:
            raise OutOfTurnError(turn=memory.turn.value)
        texts, content = messages.carried(self.step.inputs).texts, base64.b64decode(known.signed)
        if texts.keys() != known.survivors.keys():
            raise SurvivorsError(reason=Text(msgid("not all of those who are in it have signed it")))
        for site, text in texts.items():
            own = site == self.keys.holder  # which has signed what it remembers, whatever it is brought
            if (messages.said(text) if own else self.keys.proven(site, label(question, AGREE), text)) != content:
                raise SurvivorsError(reason=Text(msgid("{site} has signed another one"), {"site": site}))
        gift = opening.given(known, masks)
        receivers = [site for site in known.survivors if site != self.keys.holder]
        sealed = self.keys.seal_all(dict.fromkeys(receivers, messages.written(gift)), label(question, OPEN))
        chosen = messages.proposer(self.keys.terms.manifest, question, list(known.survivors))
        remembered = changed(memory, turn=QuestionStage.OPENED, opening=gift)
        noted = {"survivors": digest_bytes(content)}
        said = {"question": question, "proposer": chosen}
        return Output(OPENED, said, 0, memory=kept(remembered), outbox=sealed, noted=noted)

    # --- propose ----------------------------------------------------------------------------------------------------
    def propose(self) -> Output:
        """Open the total, say what it leads to: sealed for the other sites, and as progress for the user."""
        memory = recalled(self.workplace.memory, QuestionStage.OPENED)
        known, gift, question = memory.agreed, memory.opening, memory.question
        if known is None or gift is None or self._proposer(known, question) != self.keys.holder:
            raise OutOfTurnError(turn=memory.turn.value)
        shown = self._opened(memory, known)
        noted = {"survivors": digest_bytes(base64.b64decode(known.signed)), "openings": shown.digest}
        try:
            following, proposal, _ = self._led_to(memory, known, shown)
            ended = self.summed.asked(following) is None
        except RunError as error:  # the total leads nowhere: that is all that the user hears
            said: JsonObject = {"question": question, "code": error.code, "facts": _numbers(error.facts)}
            return Output(ENDED, said, 0, noted=noted, record=self._record(memory, known, shown.numbers))
        follows = proposing.signed(self.keys, question, proposal)
        message = messages.written(QuestionProposal(gift, proposal, follows))
        receivers = [site for site in known.survivors if site != self.keys.holder]
        sealed = self.keys.seal_all(dict.fromkeys(receivers, message), label(question, PROPOSE))
        said = {
            "question": question,
            "next": RESULT if ended else CONTRIBUTE,
            "objective": self.summed.objective(following) or "",
            "sites": len(known.survivors),
        }
        remembered = changed(memory, turn=QuestionStage.PROPOSED, following=following, follows=follows)
        # Persons of before, where it began again.
        persons = self.summed.persons(following) or self.summed.persons(memory.state)
        record = self._record(memory, known, shown.numbers, proposal, following)
        return Output(
            self.site.progress,
            said,
            persons,
            memory=kept(remembered),
            outbox=sealed,
            noted=noted,
            record=record,
            learned=False,
        )

    def _proposer(self, known: Agreed, question: int) -> str:
        """Whose turn it is to propose; another one's where that one may leave, since every site checks it."""
        due = messages.proposer(self.keys.terms.manifest, question, list(known.survivors))
        other = messages.carried(self.step.inputs).proposer
        return other if other in known.survivors and due in self.leaving else due

    # --- the total --------------------------------------------------------------------------------------------------
    def _advanced(self, memory: Remembered) -> _Advanced:
        if memory.turn is QuestionStage.SHARED:
            secrets = self._secrets(memory)
            first = changed(memory, secrets=secrets, seeds={}, question=1, state=self.summed.first())
            return _Advanced(first, {})
        known, record = memory.agreed, None
        if known is None:
            raise OutOfTurnError(turn=memory.turn.value)
        noted = {"survivors": digest_bytes(base64.b64decode(known.signed))}
        if memory.following is not None:
            following, follows, led = memory.following, memory.follows, self.keys.holder
        elif self._proposer(known, memory.question) == self.keys.holder:  # the others do not know yet what follows
            raise OutOfTurnError(turn=memory.turn.value)
        else:
            shown = self._opened(memory, known)
            following, proposal, follows = self._led_to(memory, known, shown)
            led = self._proposer(known, memory.question)
            noted["openings"] = shown.digest
            record = self._record(memory, known, shown.numbers, proposal, following)
        after = changed(
            memory,
            turn=QuestionStage.OPENED,
            question=memory.question + 1,
            state=following,
            following=None,
            follows=follows,
            led=led,
            masks=None,
            agreed=None,
            opening=None,
            objectives=[*memory.objectives, self.summed.objective(following)],
            took=[*memory.took, sorted(known.survivors)],
        )
        return _Advanced(after, noted, record)

    def _record(
        self,
        memory: Remembered,
        known: Agreed,
        numbers: list[int],
        proposal: JsonObject | None = None,
        following: State | None = None,
    ) -> bytes | None:
        """What the holder keeps of the question, to show an auditor if it will (`records`); of large totals nothing.

        Nobody proposes what follows from those, and all sites sign what came of it.
        """
        if known.part is not None:
            return None
        proposer, salt = self._proposer(known, memory.question), self.workplace.randomness.token_bytes(SALT_BYTES)
        before = memory.question, list(known.survivors), memory.state
        groups = self._took(known) if len(self.tables) > 1 else []
        return records.made(*before, numbers, proposer, proposal or {}, following, salt, groups)

    def _opened(self, memory: Remembered, known: Agreed) -> OpenedTotal:
        question, me = memory.question, self.keys.holder
        openings: dict[str, Opening] = {} if memory.opening is None else {me: memory.opening}
        for site in known.survivors:
            sent = self.step.inbox.get(site)
            if site != me and sent is not None:
                openings[site] = self._opening_of(site, question, known, sent)
        count = self.summed.shape(memory.state).count
        return opening.opened_all(self.tables, question, known, openings, RING, count)

    def _opening_of(self, site: str, question: int, known: Agreed, sent: str) -> Opening:
        if site == self._proposer(known, question):  # what it proposes has its opening with it
            return self._proposal(site, question, sent).opening
        return messages.read(self.keys.open(site, label(question, OPEN), sent), Opening, site)

    def _proposal(self, site: str, question: int, sent: str) -> QuestionProposal:
        """What a site proposed; opened once, for its opening and for what it proposes."""
        known = (site, question, sent)
        if known not in self.proposals:
            opened = self.keys.open(site, label(question, PROPOSE), sent)
            self.proposals[known] = messages.read(opened, QuestionProposal, site)
        return self.proposals[known]

    def _led_to(self, memory: Remembered, known: Agreed, shown: OpenedTotal) -> tuple[JsonObject, JsonObject, str]:
        """Where a total leads; what was proposed, here or by whose turn it was; and what that one signed of it.

        A total of fewer sites than before may lead back to the beginning, whatever anybody proposes.
        """
        if isinstance(self.summed, SummedParts):
            return self._led_by_parts(self.summed, memory, known, shown)
        fewer = bool(memory.took) and len(known.survivors) < len(memory.took[-1])
        again = self.summed.without(memory.state) if fewer else None
        numbers: Sequence[int] = shown.numbers
        if again is None:
            numbers = checked(self.summed, memory.state, numbers, [len(took) for took in self._took(known)])
        site = self._proposer(known, memory.question)
        if site == self.keys.holder:
            proposal = {} if again is not None else self.summed.propose(memory.state, numbers)
            follows = ""
        else:
            proposal, follows = self._proposed(site, memory.question)
        if again is not None:
            return again, proposal, follows
        try:
            return self.summed.follow(memory.state, numbers, proposal, len(known.survivors)), proposal, follows
        except ProposalInvalidError as error:
            raise error.of(site) from error

    def _took(self, known: Agreed) -> list[list[str]]:
        """The sites that are in the total of each group."""
        return [list(inside(table.seats, known.survivors)) for table in self.tables]

    def _led_by_parts(
        self, summed: SummedParts, memory: Remembered, known: Agreed, shown: OpenedTotal
    ) -> tuple[JsonObject, JsonObject, str]:
        """The same of a large total: nobody proposes, every site opens it block by block and computes for itself."""
        if known.part is None:
            raise OutOfTurnError(turn=memory.turn.value)
        site, shape = self._proposer(known, memory.question), summed.shape(memory.state)
        follows = "" if site == self.keys.holder else self._proposed(site, memory.question)[1]
        with self.blobs.open(Part(known.part[0], MEDIA_TYPE, known.part[1])) as source:
            total = vectors.opened(source, shape, shown.seeds.own, shown.seeds.pairs, memory.question)
            return summed.advance(memory.state, total, len(known.survivors), self.blobs), {}, follows

    def _proposed(self, site: str, question: int) -> tuple[JsonObject, str]:
        """What a site proposes, and what it has signed of that."""
        sent = self.step.inbox.get(site)
        if sent is None:
            raise OpeningsMissingError(site=site)
        message = self._proposal(site, question, sent)
        proposing.check_signed(self.keys, site, question, message)
        return message.proposal, message.said

    # --- result -----------------------------------------------------------------------------------------------------
    def result(self) -> Output:
        """What the user gets: the same from all, each signs it; a site's own quality, where its terms list it.

        Its parts leave one site only; where that is lost, another one is asked for them.
        """
        advanced, summed = self._ending(), self.summed
        memory = advanced.memory
        outcome = {
            "model": summed.outcome(memory.state),
            "objectives": [one or "" for one in memory.objectives],
            "took": memory.took,
        }
        named = digest(outcome)
        signed = self.keys.sign(label(memory.question, RESULT), named.encode())
        parts = summed.parts(memory.state) if isinstance(summed, SummedParts) else ()
        own = memory.measured if self.site.quality in self.admission.listed else {}
        said = {"outcome": outcome, "digest": named, "signed": signed, "own": own, "parts": len(parts)}
        return Output(
            self.site.outcome,
            said,
            summed.persons(memory.state),
            parts=parts if messages.carried(self.step.inputs).proposer == self.keys.holder else (),
            memory=kept(changed(memory, turn=QuestionStage.ENDED)),
            noted=advanced.noted,
            record=advanced.record,
            measures=summed.measures(memory.state, memory.measured) if isinstance(summed, Measuring) else (),
        )

    def _ending(self) -> _Advanced:
        """The memory at the end; where parts leave, it may be asked for again."""
        again = (QuestionStage.ENDED,) if isinstance(self.summed, SummedParts) else ()
        memory = recalled(self.workplace.memory, QuestionStage.OPENED, QuestionStage.PROPOSED, *again)
        advanced = _Advanced(memory, {}) if memory.turn is QuestionStage.ENDED else self._advanced(memory)
        if self.summed.asked(advanced.memory.state) is not None:
            raise OutOfTurnError(turn=memory.turn.value)
        return advanced


def _decoded(words: str) -> bytes:
    try:
        return base64.b64decode(words, validate=True)
    except ValueError:
        return b""


def _error_facts(error: ProposalInvalidError) -> dict[str, Any]:
    return dict(error.facts)


def _numbers(facts: Mapping[str, object]) -> dict[str, int]:
    return {name: value for name, value in facts.items() if isinstance(value, int)}


_STEPS: Mapping[str, Callable[[_Sitting], Output]] = {
    SHARE: _Sitting.share,
    CONTRIBUTE: _Sitting.contribute,
    AGREE: _Sitting.agree,
    OPEN: _Sitting.open,
    PROPOSE: _Sitting.propose,
    RESULT: _Sitting.result,
}
