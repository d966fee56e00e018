"""The people of a permit: who sits at the applicant's own connector begins a use only if the permit names them.

A data holder cannot tell who that is, so the applicant's connector looks, by the names of its accounts. Its owner and
its programs are no persons, and nobody's name.
"""

from dataclasses import dataclass

from medspace.connector.model import Agreement
from medspace.core.actors import ActorKind
from medspace.core.clock import Clock
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.services.permits import rules
from medspace.services.permits.conditions import by_permit
from medspace.services.permits.errors import PersonNotNamedError
from medspace.services.permits.model import CASES, PermitDataset, PermitState, Side
from medspace.services.tokens.model import ACTORS


@dataclass(frozen=True, slots=True)
class NamedPeople:
    """Looks who wants to begin a use."""

    clock: Clock

    def __call__(self, tx: Transaction, agreement: Agreement, by: str) -> None:
        """Refuse a person whom no permit of one's own for this dataset names; without any, the data holder refuses.

        Raises:
            PersonNotNamedError: they name others.
        """
        actor = tx.get(ACTORS, by) if by else None
        if actor is None or actor.kind is not ActorKind.PERSON or not by_permit(agreement):
            return
        dataset, now = PermitDataset(agreement.provider, agreement.dataset), self.clock.now()
        granted = each(tx, CASES, {"side": Side.APPLICANT.value, "state": PermitState.GRANTED.value})
        permits = [one for one in granted if rules.opens(one, dataset, now)]
        if permits and not any(rules.names(one, actor.name) for one in permits):
            raise PersonNotNamedError(dataset=agreement.dataset)
