"""As the authority: sign whom the space believes for which credentials; as anybody: believe fewer of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from medspace.app.node.node import Node
from medspace.core.clock import instant, stamp
from medspace.core.credentials import Believed
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy.credentials import MEMBERSHIP
from medspace.services.issuers.errors import IssuingError, NotTrustKeeperError
from medspace.services.issuers.issuing import Issuer
from medspace.services.issuers.model import CURRENT, NARROWED, TRUST, Narrowed
from medspace.services.issuers.receiving import keep_trust
from medspace.trust.credentials.believed import TrustList, sign_trust_list, verify_trust_list
from medspace.trust.did import LONGEST_DID

VALID, RENEW = timedelta(days=30), timedelta(days=1)
_SECOND = timedelta(seconds=1)


def issuer_of_node(node: Node) -> Issuer:
    """This connector as an issuer."""
    return Issuer(node.did, node.config.base_url, node.signing.ed25519, node.randomness)


async def believe(node: Node, wanted: Believed, by: str) -> None:
    """As the authority: these issuers are believed for this type from now on, and nobody else; none: nobody.

    Raises:
        NotTrustKeeperError: another connector is the authority.
        IssuingError: the type is no name, or an issuer no DID.
    """
    _check(wanted.type, wanted.issuers)
    said: dict[str, str | list[str]] = {"kind": wanted.type, "issuers": list(wanted.issuers), "by": by}

    def change(listed: tuple[Believed, ...]) -> tuple[Believed, ...]:
        rest = tuple(one for one in listed if one.type != wanted.type)
        return (*rest, wanted)  # of nobody, too: so the configuration does not bring it back

    def unit(tx: Transaction) -> None:
        _publish(tx, node, change(_believed(tx, node)))
        _note(tx, "issuer.believed", node, said)

    if node.authority is None:
        raise NotTrustKeeperError(authority=node.config.space.authority)
    await node.database.write(unit)


async def renew_trust(node: Node) -> None:
    """As the authority: sign the list anew where it is a day old, or the configuration names a type that it lacks.

    There is none before somebody is believed. As a member, nothing.
    """
    if node.authority is None:
        return

    def unit(tx: Transaction) -> None:
        known, wanted = tx.get(TRUST, CURRENT), _believed(tx, node)
        old = known is not None and node.clock.now() - instant(known.issued) >= RENEW
        if old or wanted != (() if known is None else known.believed):
            _publish(tx, node, wanted)

    await node.database.write(unit)


def _believed(tx: Transaction, node: Node) -> tuple[Believed, ...]:
    """Who is believed as it was said last, and for other types as the configuration says."""
    known = tx.get(TRUST, CURRENT)
    said = () if known is None else known.believed
    types = {one.type for one in said}
    settings = node.config.credentials
    named = [Believed(one.type, one.issuers, one.claims, one.where) for one in settings.believed]
    if settings.dcp and all(one.type != MEMBERSHIP for one in named):
        named.append(Believed(MEMBERSHIP, (node.did,)))  # which it issues by itself
    return (*said, *(one for one in named if one.type not in types))


def _publish(tx: Transaction, node: Node, believed: tuple[Believed, ...]) -> None:
    """Sign and keep a list; lists are dated in whole seconds, and each later than the one before."""
    known, issued = tx.get(TRUST, CURRENT), node.clock.now().replace(microsecond=0)
    if known is not None:
        issued = max(issued, instant(known.issued) + _SECOND)
    made = TrustList(node.did, issued, issued + VALID, believed)
    text = sign_trust_list(made, node.signing.ed25519)
    verify_trust_list(
        text, node.did, node.signing.public_key, issued
    )  # so that no list is handed out that nobody takes
    keep_trust(tx, made, text)


async def narrow(node: Node, type_: str, issuers: Sequence[str] | None, by: str) -> None:
    """Believe only these issuers for a type, as far as the authority believes them; None: all that it believes.

    Raises:
        IssuingError: the type is no name, or an issuer no DID.
    """
    _check(type_, issuers or ())

    def unit(tx: Transaction) -> None:
        known = tx.get(NARROWED, type_)
        new = None if issuers is None else Narrowed(type_, tuple(dict.fromkeys(issuers)))
        if known is not None and new is not None:
            tx.replace(NARROWED, known, replace(known, issuers=new.issuers))
        elif known is not None:
            tx.delete(NARROWED, known)
        elif new is not None:
            tx.insert(NARROWED, new)
        _note(tx, "issuer.narrowed", node, {"kind": type_, "issuers": list(issuers or ()), "by": by})

    await node.database.write(unit)


def _check(type_: str, issuers: Sequence[str]) -> None:
    if not (type_.isascii() and type_.isidentifier()):
        raise IssuingError(reason=Text(msgid("its type is not a name")))
    if not all(one.startswith("did:") and one.isascii() and len(one) <= LONGEST_DID for one in issuers):
        raise IssuingError(reason=Text(msgid("an issuer is named by its DID")))


def _note(tx: Transaction, kind: str, node: Node, said: dict[str, str | list[str]]) -> None:
    facts = {name: value for name, value in said.items() if value != ""}
    record(tx, Entry(kind, stamp(node.clock.now()), node.did, facts))
