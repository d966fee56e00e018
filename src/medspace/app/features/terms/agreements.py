"""Agreements as people manage them: who may do what until when, how often it was used, what has ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medspace.app.doors.views import Speak, told
from medspace.app.features.terms import views
from medspace.app.node.node import Node
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, Role, Transfer
from medspace.connector.negotiation.rules import counted, in_force
from medspace.connector.usage import ended
from medspace.connector.usage.calls import numbered
from medspace.connector.usage.model import ENDED, LABELS, QUESTIONS, QuestionOutcome
from medspace.connector.usage.spent import COUNT, exhausted
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.paging import Cursor, each, newest
from medspace.core.store import Transaction
from medspace.policy import labels, limits, odrl


@dataclass(frozen=True, slots=True)
class Usage:
    """How an agreement was used, and what prevents further use."""

    used: int
    open: int
    last: str = ""
    waiting: int = 0
    review: bool = False
    ended: str = ""
    reason: str = ""
    cause: str = ""
    successor: str = ""
    used_up: bool = False


@dataclass(frozen=True, slots=True)
class Agreements:
    """The agreements of one participant, as holder and as user."""

    node: Node

    async def page(self, after: Cursor | None, limit: int, *, role: str = "", dataset: str = "") -> list[Agreement]:
        """A page of agreements, newest first; `role` is one's own."""
        where = {"provider": self.node.did} if role == "provider" else {}
        where |= {"consumer": self.node.did} if role == "consumer" else {}
        where |= {"dataset": dataset} if dataset else {}
        return await newest(self.node.database, AGREEMENTS, where, after, limit, by="finalized")

    async def shown(self, found: Sequence[Agreement], speak: Speak) -> list[JsonObject]:
        """Agreements with their contracts in words, their use, and whether they are in force now."""
        now, did = self.node.clock.now(), self.node.did
        made = []
        for one in found:
            usage = await self.node.database.read(lambda tx, one=one: self._usage(tx, one, speak))  # type: ignore[misc]
            policy = odrl.parse(one.policy)
            holds, end = in_force(one, now, self.node.region(one.consumer)), limits.last_end(policy)
            shown = views.agreement(one, did, speak, in_force=holds and not usage.ended, used_up=usage.used_up)
            shown |= {
                "until": None if end is None else stamp(end),
                "used": usage.used,
                "allowed": limits.most_uses(policy),
                "last_used": usage.last or None,
                "open_uses": usage.open,
                "waiting": usage.waiting,
                "review": usage.review,
                "ended": usage.ended or None,
                "ended_because": usage.reason,
                "ended_cause": usage.cause or None,
                "successor": usage.successor or None,
            }
            made.append(shown)
        return made

    def _usage(self, tx: Transaction, one: Agreement, speak: Speak) -> Usage:
        usage = self._as_holder(tx, one) if one.provider == self.node.did else self._as_user(tx, one, speak)
        stopped = tx.get(ENDED, one.id)
        if stopped is None:
            return usage
        told = replace(usage, ended=stopped.time, reason=stopped.reason)
        return replace(told, cause=stopped.cause, successor=stopped.successor)

    def _as_holder(self, tx: Transaction, one: Agreement) -> Usage:
        last = tx.find(QUESTIONS, where={"agreement": one.id}, order_by="time", descending=True, limit=1)
        held = sum(1 for _ in each(tx, QUESTIONS, {"agreement": one.id, "outcome": QuestionOutcome.HELD}))
        labelled = tx.get(LABELS, one.dataset)
        label = labels.parse(labelled.label if labelled else None)
        used = numbered(tx, one.id)
        return Usage(
            used=used,
            open=len(ended.open_uses(tx, one.id)),
            last=last[0].time if last else "",
            waiting=held,
            review=label is not None and bool(label.review),
            used_up=counted(odrl.parse(one.policy)) and exhausted(one, used, self.node.clock.now()),
        )

    def _as_user(self, tx: Transaction, one: Agreement, speak: Speak) -> Usage:
        """What a user can know: the uses that it began, and what the holder told it when one was refused or ended."""
        where = {"role": Role.CONSUMER, "agreement": one.id}
        begun = list(each(tx, TRANSFERS, where, by="created", descending=True))
        stopped = next((use for use in reversed(begun) if said(use, ended.CODE)), None)
        return Usage(
            used=len(begun),
            open=sum(use.state in ended.OPEN for use in begun),
            last=begun[0].updated if begun else "",
            ended=stopped.updated if stopped else "",
            reason=told(stopped.failure, speak) if stopped is not None and stopped.failure is not None else "",
            used_up=any(said(use, COUNT) for use in begun),
        )


def said(use: Transfer, code: str) -> bool:
    """Whether a use ended with that code."""
    return use.failure is not None and use.failure.code == code
