"""What this connector issues by the protocol: memberships as the authority, and what its configuration names."""

from collections.abc import Callable

from medspace.app.node.config import Config
from medspace.app.node.credentials import ClaimValue, IssuedType
from medspace.app.node.node import Node
from medspace.core.canonical import Json, JsonObject
from medspace.policy.credentials import MEMBERSHIP
from medspace.services.credentials.ports import Issuable, IssuanceVerdict
from medspace.trust.credentials.model import CredentialProfile
from medspace.trust.model import facts

NOT_A_MEMBER = "not-a-member"


def issues(config: Config) -> bool:
    """Whether this connector issues anything."""
    return config.is_authority or bool(config.credentials.issued)


def issuables(node: Node) -> tuple[Issuable, ...]:
    """What this connector issues, each in both data models."""
    found = []
    if node.config.is_authority:
        rule = _membership(node)
        found += [Issuable(name, MEMBERSHIP, profile, rule) for name, profile in _named("membership")]
    for kind in node.config.credentials.issued:
        claims, rule = _claims(kind), _rule(node, kind)
        found += [
            Issuable(name, kind.type, profile, rule, kind.days, claims=claims, stated=kind.stated)
            for name, profile in _named(kind.type)
        ]
    return tuple(found)


def _named(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (name, CredentialProfile.VC20.value), (f"{name}-1.1", CredentialProfile.VC11.value)


def _membership(node: Node) -> Callable[[str], IssuanceVerdict]:
    """Members get what the members list says of them; nobody else is one."""

    def rule(holder: str) -> IssuanceVerdict:
        known = facts(node.book.current, holder)
        if known.operator is None:
            return IssuanceVerdict(refused=NOT_A_MEMBER)
        return IssuanceVerdict({"region": known.region or "", "roles": list(known.roles)})

    return rule


def _rule(node: Node, kind: IssuedType) -> Callable[[str], IssuanceVerdict]:
    """Only members may ask, unless the configuration lets strangers; who gets it at once is always a member."""

    def rule(holder: str) -> IssuanceVerdict:
        member = facts(node.book.current, holder).operator is not None
        if not member and not kind.strangers:
            return IssuanceVerdict(refused=NOT_A_MEMBER)
        return IssuanceVerdict(_claims(kind)) if member and kind.decided == "at_once" else IssuanceVerdict()

    return rule


def _claims(kind: IssuedType) -> JsonObject:
    return {name: _json(value) for name, value in kind.claims.items()}


def _json(value: ClaimValue) -> Json:
    return list(value) if isinstance(value, tuple) else value
