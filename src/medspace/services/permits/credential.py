"""What a data permit says as a credential, and whether one covers a use.

The claims are flat texts and lists of texts, so that terms can ask for each of them. A dataset is a DID URL: the DID
of its holder, and its id as the fragment.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from medspace.core.canonical import JsonObject
from medspace.core.credentials import Proved
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text, msgid
from medspace.policy import purposes
from medspace.policy.credentials import DATA_PERMIT, PERMIT_ROUTE
from medspace.policy.model import UseRequest
from medspace.policy.purposes import PURPOSES
from medspace.services.permits.model import PermitCase, PermitDataset

PERMITTED = "permit.covered"
NONE, OVER, OTHER_DATA, OTHER_PURPOSE, UNSAID, STALE = (
    "permit.none",
    "permit.over",
    "permit.dataset",
    "permit.purpose",
    "permit.opt_outs_unsaid",
    "permit.opt_outs_stale",
)
CODES = frozenset({NONE, OVER, OTHER_DATA, OTHER_PURPOSE, UNSAID, STALE})


def dataset_url(one: PermitDataset) -> str:
    """A dataset as a permit names it."""
    return f"{one.holder}#{quote(one.dataset, safe='')}"


def claims_of(case: PermitCase) -> JsonObject:
    """What the permit of a case that is granted says of the applicant, beside its DID."""
    decision = case.decision
    if decision is None or not decision.granted:
        raise ValueError(case.id)
    return {
        "permit": case.id,
        "route": PERMIT_ROUTE,
        "datasets": [dataset_url(one) for one in decision.datasets],
        "people": list(decision.people),
        "purposes": list(decision.purposes),
        "conditions": list(decision.conditions),
        "fees": decision.fees,
        "optOuts": decision.opt_outs,
    }


def covering(proved: Iterable[Proved], holder: str, request: UseRequest) -> tuple[Decision, Proved | None]:
    """Whether a permit of the user covers a use now, and which: of this dataset, in its time, for this purpose.

    A purpose that is not known yet is left to a later point. What comes closest gives the reason of a refusal.
    """
    permits = [one for one in proved if one.type == DATA_PERMIT]
    wanted = dataset_url(PermitDataset(holder, request.target or ""))
    of_data = [one for one in permits if wanted in one.values("datasets")]
    in_time = [one for one in of_data if request.time is not None and one.holds(request.time)]
    for one in in_time:
        if request.purpose is None or _allows(one.values("purposes"), request.purpose):
            return Decision(Verdict.PERMIT, PERMITTED), one
    return _refused(permits, of_data, in_time, request), None


def _allows(allowed: Sequence[str], stated: str) -> bool:
    name = purposes.canonical(stated)
    known = [one for one in map(purposes.canonical, allowed) if one is not None]
    return name is not None and any(PURPOSES.within(name, one) for one in known)


def _refused(
    permits: Sequence[Proved], of_data: Sequence[Proved], in_time: Sequence[Proved], request: UseRequest
) -> Decision:
    if not permits:
        return _denied(NONE, Text(msgid("The user has shown no data permit.")))
    if not of_data:
        return _denied(OTHER_DATA, Text(msgid("No data permit of the user names this dataset.")))
    if not in_time:
        ends = max(one.until for one in of_data)
        return _denied(
            OVER, Text(msgid("The data permit ended at {time}."), {"time": ends.isoformat(" ", "seconds")})
        )
    stated = purposes.words(request.purpose or "")
    return _denied(OTHER_PURPOSE, Text(msgid("The data permit is not for this purpose: {held}."), {"held": stated}))


def _denied(code: str, held: Text) -> Decision:
    asked = Text(msgid("A data permit covers this use."))
    remedy = Text(msgid("Apply for a data permit at the access body: `medspace permits apply`."))
    return Decision(Verdict.DENY, code, (Premise("permit", asked, held, satisfied=False, remedy=remedy),))


def unsaid() -> Decision:
    """The data holder has not said which rows are of persons who opted out: nothing passes by a permit."""
    held = Text(msgid("It has not said so for this dataset."))
    return _opt_outs(UNSAID, held, Text(msgid("The data holder says it: `medspace permits opt-outs`.")))


def stale() -> Decision:
    """What the registry of opt-outs has said is over: nothing passes by a permit until it says so anew."""
    held = Text(msgid("What the registry of opt-outs said of this dataset is too old."))
    return _opt_outs(STALE, held, Text(msgid("The data holder asks it anew: `medspace optouts refresh`.")))


def _opt_outs(code: str, held: Text, remedy: Text) -> Decision:
    asked = Text(msgid("The data holder has said which rows are of persons who opted out."))
    premise = Premise("permit/opt-outs", asked, held, satisfied=False, remedy=remedy)
    return Decision(Verdict.DENY, code, (premise,))
