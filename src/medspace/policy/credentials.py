"""What terms ask for by credential, and the route by which a person's rows pass.

A demand is one text, so that type, issuer and claims are those of one credential and not of several:

    EthicsApproval
    EthicsApproval@did:web:ethics.example
    EthicsApproval@did:web:ethics.example?study=heart&phase=2

Names are ASCII and compared exactly, so nothing that only looks alike meets a demand; values are percent-encoded. The
facts come from `trust` by way of `core.credentials`: only what was verified, from issuers that are believed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from medspace.core.credentials import Proved, holding
from medspace.core.text import Fact, Text, msgid
from medspace.policy.model import Atomic, Policy, UseRequest, leaves
from medspace.policy.operand import Operand, Test, member_of
from medspace.policy.points import Point

CREDENTIAL, ROUTE = "medspace:credential", "medspace:route"
PERMIT_ROUTE, CONSENT_ROUTE = "permit", "consent"
DATA_PERMIT, MEMBERSHIP = "DataPermit", "MembershipCredential"
# The types that this program itself issues or asks for, in words; terms may ask for any other type by its name.
TYPES: Mapping[str, Text] = {
    MEMBERSHIP: Text(msgid("proof of membership")),
    "ResearcherAccreditation": Text(msgid("accreditation of a researcher")),
    "EthicsApproval": Text(msgid("approval of an ethics board")),
    DATA_PERMIT: Text(msgid("data permit")),
}
ROUTES: Mapping[str, Text] = {
    PERMIT_ROUTE: Text(msgid("data permit, without the rows of persons who opted out")),
    CONSENT_ROUTE: Text(msgid("consent, with the rows of patients who consent to this use, and no others")),
}
MOST_CLAIMS = 8

_NAME = "[A-Za-z][A-Za-z0-9_]{0,63}"
_TEXT = re.compile(
    rf"(?P<type>{_NAME})(?:@(?P<issuer>did:[a-z0-9]+:[A-Za-z0-9._%:-]{{1,500}}))?"
    rf"(?:\?(?P<claims>{_NAME}=[A-Za-z0-9._~%-]{{1,300}}(?:&{_NAME}=[A-Za-z0-9._~%-]{{1,300}})*))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class CredentialDemand:
    """One credential that terms ask for; `issuer` "" is any that is believed for the type."""

    type: str
    issuer: str = ""
    claims: tuple[tuple[str, str], ...] = ()

    def met_by(self, one: Proved) -> bool:
        """Whether a credential is what is asked for: of the type, by the issuer, with each of the claims."""
        named = one.type == self.type and self.issuer in ("", one.issuer)
        return named and all(value in one.values(name) for name, value in self.claims)

    def __str__(self) -> str:
        """As it is written in terms."""
        said = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.claims)
        return self.type + (f"@{self.issuer}" if self.issuer else "") + (f"?{said}" if said else "")

    @property
    def words(self) -> Text:
        """It in words."""
        kind = TYPES.get(self.type, self.type)
        said = Text(msgid("{type} by {issuer}"), {"type": kind, "issuer": self.issuer})
        if not self.issuer:
            said = Text(msgid("{type} by an issuer that is believed for it"), {"type": kind})
        for name, value in self.claims:
            facts: dict[str, Fact | Text] = {"credential": said, "claim": name, "value": value}
            said = Text(msgid("{credential}, with {claim} {value}"), facts)
        return said


@lru_cache(maxsize=1_024)
def demand(text: str) -> CredentialDemand:
    """The demand that a text in terms makes.

    Raises:
        ValueError: it makes none.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    pairs = [part.partition("=") for part in (found["claims"] or "").split("&") if part]
    claims = tuple(sorted((name, unquote(value, errors="strict")) for name, _, value in pairs))
    if len(claims) > MOST_CLAIMS or len({name for name, _ in claims}) != len(claims):
        raise ValueError(text)
    return CredentialDemand(found["type"], found["issuer"] or "", claims)


def passes_by(policy: Policy, route: str) -> bool:
    """Whether rows pass by a route under a policy, in any of its permissions."""
    found = (leaf for rule in policy.permissions for leaf in leaves(rule.constraints) if leaf.operand == ROUTE)
    return any(route in leaf.right for leaf in found)


def _canonical(text: str) -> str:
    return str(demand(text))


def _proved(request: UseRequest) -> tuple[Proved, ...] | None:
    """What holds at the time of the request; nothing is known where either is unknown."""
    if request.credentials is None or request.time is None or request.time.tzinfo is None:
        return None
    return tuple(holding(request.credentials, request.time))


def _met(held: tuple[Proved, ...], text: str) -> bool:
    wanted = demand(text)
    return any(wanted.met_by(one) for one in held)


_DEMANDS: Mapping[str, Test] = {
    "isAllOf": lambda held, wanted: all(_met(held, text) for text in wanted),
    "isAnyOf": lambda held, wanted: any(_met(held, text) for text in wanted),
}


def missing(leaf: Atomic, request: UseRequest) -> tuple[CredentialDemand, ...]:
    """What a constraint asks for and nothing that holds proves, in its order."""
    held = _proved(request) or ()
    return tuple(demand(text) for text in leaf.right if not _met(held, text))


def _remedy(leaf: Atomic, request: UseRequest) -> Text:
    """Which credential is missing, and where to get it."""
    wanted = missing(leaf, request)
    one = wanted[0] if wanted else demand(leaf.right[0])
    if one.type == DATA_PERMIT:
        said = msgid("What is missing: {credential}. Apply for it: `medspace permits apply`, at {issuer}.")
    else:
        said = msgid("What is missing: {credential}. Ask for it at {issuer}, and have it sent to the data holder.")
    anybody = Text(msgid("an issuer that `medspace issuers list` names for it"))
    return Text(said, {"credential": one.words, "issuer": one.issuer or anybody})


ROWS = (
    Operand(
        name=CREDENTIAL,
        code="policy.credential",
        since=Point.TRANSFER,  # and before, where the user is known
        until=Point.AFTER,  # what was revoked, or has ended, ends what goes on
        read=_canonical,
        fact=_proved,
        tests=_DEMANDS,
        show=lambda text: demand(text).words,
        phrases={
            "isAllOf": msgid("with all of these credentials: {value}"),
            "isAnyOf": msgid("with the credential {value}"),
        },
        states=msgid("What was proved and holds now: {held}."),
        remedy=msgid("Get the credential that is missing from its issuer, and have it sent to the data holder."),
        helps=_remedy,
        unread=msgid("{value} is not a credential, such as EthicsApproval@did:web:ethics.example?study=heart"),
        unstated=msgid("Only the data holder knows what was proved to it; it says who the user is with --as."),
    ),
    Operand(
        name=ROUTE,
        code="policy.route",
        since=Point.TRANSFER,
        until=Point.AFTER,
        read=member_of(ROUTES),
        fact=lambda request: request.routes,
        tests={"eq": lambda held, wanted: wanted in held},
        show=lambda name: ROUTES.get(name, name),
        phrases={"eq": msgid("by this route: {value}")},
        states=msgid("The routes that this data holder keeps: {held}."),
        remedy=msgid("Ask the data holder for other terms: its connector does not keep this route."),
        line=msgid("The rows of a person pass {phrase}."),
    ),
)
