"""What permits mean for uses: an offer by that route is used under a permit, without the rows of who opted out."""

from medspace.connector.model import Agreement
from medspace.connector.usage.calls import Visit
from medspace.connector.usage.conditions import PERMITTED, Grounds, Lasting, Leaving, Neutral, Wish
from medspace.core.clock import instant
from medspace.core.credentials import Proved
from medspace.core.decision import Decision, combine
from medspace.core.store import Transaction
from medspace.core.usage import Grant, RowScope
from medspace.policy import odrl
from medspace.policy.credentials import PERMIT_ROUTE, passes_by
from medspace.policy.model import UseRequest
from medspace.services.permits.credential import covering, stale, unsaid
from medspace.services.permits.model import OPT_OUTS, OptOuts


class PermitCondition(Neutral):
    """Keeps the route `permit`: who uses the data has a permit for it, and the rows of who opted out stay out.

    Asked in each transaction that admits, releases or cuts off: a permit that was revoked or has ended covers nothing
    from the moment at which its status list arrived here, or its time was over.
    """

    routes = frozenset({PERMIT_ROUTE})

    def __init__(self, grounds: Grounds) -> None:
        self._holder, self._facts = grounds.holder.did, grounds.facts

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """Whether a use may begin or be resumed."""
        return self._decided(tx, wish.agreement, wish.request)[0]

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether a step is answered, until when at most, and on which rows."""
        decision, permit = self._decided(tx, visit.agreement, visit.request)
        return (decision, Grant()) if permit is None else (decision, _granted(tx, visit.job.asset, permit))

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether an output may still leave."""
        return self._decided(tx, leaving.agreement, leaving.request)[0]

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """Whether a use may go on while nothing is asked."""
        return self._decided(tx, lasting.agreement, lasting.request)[0]

    def _decided(self, tx: Transaction, made: Agreement, request: UseRequest) -> tuple[Decision, Proved | None]:
        if not by_permit(made):
            return PERMITTED, None
        decision, permit = covering(self._facts(tx, made.consumer).credentials, self._holder, request)
        if permit is None:
            return decision, None
        out = tx.get(OPT_OUTS, made.dataset)
        if out is None:
            return combine(decision, unsaid()), None
        if _leaves_out(permit) and out.expires and (request.time is None or instant(out.expires) <= request.time):
            return combine(decision, stale()), None
        return decision, permit


def by_permit(made: Agreement) -> bool:
    """Whether rows pass by a permit under an agreement, in any of its permissions."""
    return passes_by(odrl.parse(made.policy), PERMIT_ROUTE)


def _leaves_out(permit: Proved) -> bool:
    return not any(permit.values("optOuts"))


def _granted(tx: Transaction, asset: str, permit: Proved) -> Grant:
    out = tx.get(OPT_OUTS, asset)
    scope = _scope(out) if out is not None and _leaves_out(permit) else ()
    return Grant(scope=scope, expires=permit.until)


def _scope(out: OptOuts) -> tuple[RowScope, ...]:
    """The rows that opt-outs leave: with a registry, only those of persons about whom it was asked."""
    if out.asked is not None:
        return (RowScope(out.column, frozenset(out.asked) - {*out.values, *out.listed}),)
    return (RowScope(out.column, frozenset(out.values), within=False),) if out.values else ()
