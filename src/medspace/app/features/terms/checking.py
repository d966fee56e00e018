"""What clashes in the terms of an offer, before anybody agrees to them."""

from collections.abc import Sequence
from datetime import datetime

from medspace.app.doors.views import Speak, clash
from medspace.core.canonical import Json, JsonObject
from medspace.policy import odrl
from medspace.policy.clashes import Clash, clashes
from medspace.policy.errors import UnenforceablePolicyError


def check(policy: Json, now: datetime) -> list[Clash]:
    """The clashes in terms as the connector would offer them.

    Raises:
        InvalidPolicyError: they cannot be read.
        UnenforceablePolicyError: a clause of them cannot be enforced here.
    """
    read = odrl.parse(policy)
    for flaw in read.flaws:
        raise UnenforceablePolicyError(clause=flaw.clause, reason=flaw.reason)
    return clashes(read, now)


def told(found: Sequence[Clash], speak: Speak) -> JsonObject:
    """Clashes as the API answers them."""
    return {"clashes": [clash(one, speak) for one in found]}
