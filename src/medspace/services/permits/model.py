"""The words of permits: the application, the decision, and the record of a case at each of its two sides."""

from dataclasses import dataclass
from enum import StrEnum

from medspace.core.store import Collection

SEND = "send"


class PermitState(StrEnum):
    """The states of a case; `rules.MOVES` says which follows which. An end in time is none: see `rules.standing`."""

    APPLIED = "applied"  # the access body has everything, and decides
    QUESTIONED = "questioned"  # the access body waits for an answer
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"  # by the applicant, before a decision
    REVOKED = "revoked"  # by the access body


class Side(StrEnum):
    """Whose record of a case it is."""

    APPLICANT = "applicant"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class PermitDataset:
    """A dataset that a permit is about: the DID of its holder, and its id there."""

    holder: str
    dataset: str


@dataclass(frozen=True, slots=True)
class Application:
    """What is applied for.

    `people` are the natural persons who will work with the data; they are never published. `purposes` are terms of
    the vocabulary; `since` and `until` are days (RFC 3339 instants). `title` and `summary` are public words,
    `safeguards` says how the data are protected; `ethics` names an ethics approval, if there is one.
    """

    datasets: tuple[PermitDataset, ...]
    people: tuple[str, ...]
    purposes: tuple[str, ...]
    since: str
    until: str
    title: str
    summary: str
    safeguards: str = ""
    ethics: str = ""


@dataclass(frozen=True, slots=True)
class PermitDecision:
    """What the access body decided, and why, in public words.

    A permit names no more than was applied for. `fees` are an amount with its currency (1200.00 EUR), "" for none.
    `opt_outs` is "" where the rows of persons who opted out stay out, else the law by which they do not.
    """

    granted: bool
    reasons: str
    time: str
    datasets: tuple[PermitDataset, ...] = ()
    people: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    conditions: tuple[str, ...] = ()
    fees: str = ""
    opt_outs: str = ""


@dataclass(frozen=True, slots=True)
class PermitCase:
    """A case at one side. The applicant owns `application`, `answers` and `withdrawn`; the access body all else.

    `own` counts what this side changed, `known` what it has heard of the other; `step` is `send` while the other has
    not heard everything. `credential` is the id of the permit, `revoked` the reason of its revocation.
    """

    id: str
    side: Side
    applicant: str  # DID
    body: str  # DID
    state: PermitState
    application: Application
    created: str
    changed: str
    questions: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    withdrawn: bool = False
    decision: PermitDecision | None = None
    credential: str = ""
    revoked: str = ""
    own: int = 1
    known: int = 0
    step: str | None = SEND

    @property
    def other(self) -> str:
        """The DID of the other side."""
        return self.body if self.side is Side.APPLICANT else self.applicant


@dataclass(frozen=True, slots=True)
class OptOuts:
    """The rows of a dataset whose persons opted out: those with one of these values in a column.

    The identity is the dataset. An empty list says that nobody did; a dataset without a record says nothing, and is
    closed to permits.

    Where a registry is followed, `asked` are the values about whose persons it was asked, `listed` those of whom it
    says that they opted out, and it counts until `expires`; all else stays out.
    """

    id: str
    column: str
    values: tuple[str, ...]
    changed: str
    asked: tuple[str, ...] | None = None
    listed: tuple[str, ...] = ()
    expires: str = ""


CASES = Collection("permit_cases", PermitCase, keys=("side", "state", "step", "created", "changed"))
OPT_OUTS = Collection("permit_opt_outs", OptOuts)
COLLECTIONS = (CASES, OPT_OUTS)
