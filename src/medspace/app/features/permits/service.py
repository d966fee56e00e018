"""Permits as people see them: apply, ask, answer, decide, revoke; the register; opt-outs of one's own datasets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from medspace.app.doors.views import Speak
from medspace.app.features.permits.door import REGISTER_DOOR, register
from medspace.app.node.lists import PageRequest
from medspace.app.node.node import Node
from medspace.connector.errors import UnreachableError
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.errors import InvalidInputError, WaitingError
from medspace.core.ids import new_id
from medspace.core.paging import newest
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.policy import purposes
from medspace.policy.credentials import DATA_PERMIT
from medspace.services.permits import rules, service
from medspace.services.permits.credential import claims_of
from medspace.services.permits.errors import CaseStateError, NoAccessBodyError, UnknownCaseError
from medspace.services.permits.model import (
    CASES,
    OPT_OUTS,
    Application,
    PermitCase,
    PermitDecision,
    PermitState,
    Side,
)
from medspace.trust.did import base_url
from medspace.trust.errors import DidError

if TYPE_CHECKING:
    from medspace.services.issuers.issuing import Issuer, IssuingWish

OK = 200
STATES: Mapping[str, str] = {
    "applied": msgid("the access body decides"),
    "questioned": msgid("the applicant has been asked"),
    "granted": msgid("granted"),
    "refused": msgid("refused"),
    "withdrawn": msgid("withdrawn"),
    "revoked": msgid("revoked"),
    "expired": msgid("over"),
}


class OwnBodyError(InvalidInputError):
    """Nobody decides on an application of its own."""

    code = "permits.own_body"
    sentence = msgid("Nobody decides on an application of its own: {did} is this connector.")
    next_step = msgid("Name an access body: `medspace issuers list` says who is believed for data permits.")


class RegisterUnavailableError(WaitingError):
    """The register of another access body cannot be read now."""

    code = "permits.register"
    sentence = msgid("The register of {did} cannot be read now.")
    next_step = msgid("Try again later.")


@dataclass(frozen=True, slots=True)
class Permits:
    """The cases of one connector, as applicant and as access body; its opt-outs as data holder."""

    node: Node

    # --- as the applicant ------------------------------------------------------------------------------------

    async def apply(self, body: str, application: Application, speak: Speak, *, by: str) -> JsonObject:
        """Apply at an access body; it is sent at once.

        Raises:
            IncompleteError: something is missing.
            OwnBodyError: the access body is oneself.
        """
        if body == self.node.did:
            raise OwnBodyError(did=body)
        base_url(body)
        now, did = self.node.clock.now(), self.node.did
        asked = replace(application, purposes=tuple(purposes.canonical(one) or one for one in application.purposes))
        rules.check(asked, now, self.node.roles(did))
        time = stamp(now)
        case = PermitCase(
            new_id(self.node.randomness), Side.APPLICANT, did, body, PermitState.APPLIED, asked, time, time
        )
        return self._shown(await self.node.database.write(lambda tx: service.apply(tx, did, case, by)), speak)

    async def answer(self, case: str, text: str, speak: Speak, *, by: str) -> JsonObject:
        """Answer the question that is open.

        Raises:
            UnknownCaseError, CaseStateError, PermitMessageError: it cannot be answered.
        """
        now, did = self.node.clock.now(), self.node.did
        return self._shown(
            await self.node.database.write(lambda tx: service.answer(tx, did, case, text, now, by)), speak
        )

    async def withdraw(self, case: str, speak: Speak, *, by: str) -> JsonObject:
        """Take an application back.

        Raises:
            UnknownCaseError, CaseStateError: there is nothing to take back.
        """
        now, did = self.node.clock.now(), self.node.did
        return self._shown(await self.node.database.write(lambda tx: service.withdraw(tx, did, case, now, by)), speak)

    # --- as the access body ----------------------------------------------------------------------------------

    async def ask(self, case: str, text: str, speak: Speak, *, by: str) -> JsonObject:
        """Ask the applicant something.

        Raises:
            UnknownCaseError, CaseStateError, PermitMessageError: it cannot be asked.
        """
        now, did = self.node.clock.now(), self.node.did
        return self._shown(
            await self.node.database.write(lambda tx: service.ask(tx, did, case, text, now, by)), speak
        )

    async def decide(self, case: str, wish: JsonObject, speak: Speak, *, by: str) -> JsonObject:
        """Grant, as it was applied for or less, or refuse; with reasons for the public.

        A permit is signed, put on the status list and sent to applicant and data holders in one go.

        Raises:
            NoAccessBodyError: nobody would believe a permit of this connector.
            TrustListError, TrustOlderError: the trust list that the authority hands out does not hold.
            PermitDecisionError, UnknownCaseError, CaseStateError: it cannot be decided so.
        """
        from medspace.services.issuers import issuing  # noqa: PLC0415 - as above

        now, did, issuer = self.node.clock.now(), self.node.did, self._issuer()
        await self.node.database.read(lambda tx: service.known(tx, case))
        if wish["granted"]:
            await self._insist_believed()

        def unit(tx: Transaction) -> PermitCase:
            asked = service.known(tx, case)
            decision = _decision(asked, wish, stamp(now))

            def sign(granted: PermitCase) -> str:
                return issuing.issue(tx, issuer, _permit(granted), now, by).id

            return service.decide(tx, did, case, decision, sign, by)

        return self._shown(await self.node.database.write(unit), speak)

    def _issuer(self) -> "Issuer":
        from medspace.services.issuers.issuing import Issuer  # noqa: PLC0415 - not at the start

        return Issuer(self.node.did, self.node.config.base_url, self.node.signing.ed25519, self.node.randomness)

    async def _insist_believed(self) -> None:
        if "issuers" not in self.node.features:  # nothing keeps who is believed, or sends what is signed
            raise NoAccessBodyError(did=self.node.did)
        from medspace.app.node.trusting import follower  # noqa: PLC0415 - as above

        listed = follower(self.node)
        if self.node.authority is None:
            await listed.refresh()
        if not any(one.type == DATA_PERMIT and self.node.did in one.issuers for one in await listed.counting()):
            raise NoAccessBodyError(did=self.node.did)

    async def revoke(self, case: str, reason: str, speak: Speak, *, by: str) -> JsonObject:
        """Revoke a permit: what runs under it ends at each data holder as soon as the new status list arrives.

        Raises:
            UnknownCaseError, CaseStateError: there is none to revoke.
        """
        from medspace.services.issuers import issuing  # noqa: PLC0415 - as above

        now, did, issuer = self.node.clock.now(), self.node.did, self._issuer()

        def unit(tx: Transaction) -> PermitCase:
            new = service.revoke(tx, did, case, reason, now, by)
            issuing.revoke(tx, issuer, new.credential, now, by)
            return new

        return self._shown(await self.node.database.write(unit), speak)

    async def register(self, page: PageRequest, body: str = "") -> JsonObject:
        """A page of the register of decisions: one's own, or that of another access body.

        Raises:
            RegisterUnavailableError: the other one cannot be read now.
        """
        if body in ("", self.node.did):
            return await register(self.node, page.cursor(), page.limit)
        try:
            reply = await self.node.transport.get(base_url(body) + REGISTER_DOOR, body)
        except (UnreachableError, DidError) as error:
            raise RegisterUnavailableError(did=body) from error
        if reply.status != OK or not isinstance(reply.body, dict):
            raise RegisterUnavailableError(did=body)
        return reply.body

    # --- as the data holder ----------------------------------------------------------------------------------

    async def opt_out(self, dataset: str, column: str, values: Sequence[str], *, by: str) -> JsonObject:
        """Say which rows of a dataset are of persons who opted out; from now on they stay out, wherever in use.

        Raises:
            OptOutsError: no column, or too many values.
        """
        now, did = self.node.clock.now(), self.node.did
        await self.node.database.write(lambda tx: service.opt_out(tx, did, dataset, column, tuple(values), now, by))
        return await self.opt_outs(dataset)

    async def opt_outs(self, dataset: str) -> JsonObject:
        """What is known of opt-outs of a dataset; the values themselves are shown to nobody."""
        found = await self.node.database.read(lambda tx: tx.get(OPT_OUTS, dataset))
        if found is None:
            unsaid = {"dataset": dataset, "said": False, "column": None, "values": 0, "changed": None}
            return unsaid | {"listed": 0, "expires": None}
        return {
            "dataset": dataset,
            "said": True,
            "column": found.column,
            "values": len(found.values),
            "changed": found.changed,
            "listed": len(found.listed),
            "expires": found.expires or None,
        }

    # --- for everybody ---------------------------------------------------------------------------------------

    async def page(self, page: PageRequest, speak: Speak, **wanted: str) -> list[JsonObject]:
        """A page of cases, newest first; `wanted` restricts them to a `side` or a `state`."""
        where = {name: value for name, value in wanted.items() if value}
        found = await newest(self.node.database, CASES, where, page.cursor(), page.limit, by="created")
        return [self._shown(one, speak) for one in found]

    async def of(self, case: str, speak: Speak) -> JsonObject:
        """One case.

        Raises:
            UnknownCaseError: there is none.
        """
        found = await self.node.database.read(lambda tx: tx.get(CASES, case))
        if found is None:
            raise UnknownCaseError(case=case[:80])
        return self._shown(found, speak)

    def _shown(self, case: PermitCase, speak: Speak) -> JsonObject:
        names = self.node.names()
        state = rules.standing(case, self.node.clock.now())
        talk = [
            {"question": question, "answer": case.answers[at] if at < len(case.answers) else None}
            for at, question in enumerate(case.questions)
        ]
        return {
            "id": case.id,
            "side": case.side.value,
            "applicant": case.applicant,
            "applicant_name": names.get(case.applicant, ""),
            "body": case.body,
            "body_name": names.get(case.body, ""),
            "state": state,
            "said": Text(STATES[state]).render(speak),
            "application": asdict(case.application),
            "purposes": [_words(one).render(speak) for one in case.application.purposes],
            "talk": talk,
            "decision": None if case.decision is None else asdict(case.decision),
            "revoked": case.revoked or None,
            "created": case.created,
            "changed": case.changed,
            "told": case.step is None,
        }


def _words(purpose: str) -> Text:
    return Text("{purpose}", {"purpose": purposes.words(purpose)})


def _decision(case: PermitCase, wish: JsonObject, time: str) -> PermitDecision:
    """The decision that somebody wishes; what it leaves out is as it was applied for."""
    if not wish["granted"]:
        return PermitDecision(granted=False, reasons=wish["reasons"], time=time)
    whole = rules.granting(case.application, wish["reasons"], instant(time))
    less = {name: wish[name] for name in ("datasets", "people", "purposes", "since", "until") if wish.get(name)}
    more = {name: wish[name] for name in ("conditions", "fees", "opt_outs") if wish.get(name)}
    return replace(whole, **less, **more)


def _permit(case: PermitCase) -> "IssuingWish":
    """The credential of a case that is granted, sent to each data holder."""
    from medspace.services.issuers.issuing import IssuingWish  # noqa: PLC0415 - as above

    decision = case.decision
    if decision is None:
        raise CaseStateError(case=case.id, state=case.state.value)
    holders = tuple(dict.fromkeys(one.holder for one in decision.datasets))
    since, until = instant(decision.since), instant(decision.until)
    return IssuingWish(case.applicant, (DATA_PERMIT,), claims_of(case), since, until, holders)
