"""Pure decisions: what a received credential proves now, and which status list takes the place of which.

A credential proves something until the earliest of its ends: its own, that of its status list, that of the trust list
that names its issuer, the moment of its revocation. So nothing has to be fetched or noticed for it to end in time: an
issuer that nobody can reach lets everything end when its last list does.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import instant
from medspace.core.credentials import ANY, Believed, Proved
from medspace.services.issuers.errors import StatusContradictsError, StatusOlderError
from medspace.services.issuers.model import KeptTrust, KnownStatus, Narrowed, ReceivedCredential

MOST_CLAIMS, LONGEST_CLAIM, MOST_VALUES = 64, 2_048, 1_000
NEVER = datetime.max.replace(tzinfo=UTC)


def believed(trust: KeptTrust, narrowed: Mapping[str, Narrowed], type_: str, issuer: str) -> Believed | None:
    """The entry by which an issuer is believed for a type: of the authority, and not left out by oneself."""
    entry = next((one for one in trust.believed if one.type == type_), None)
    if entry is None or issuer not in entry.issuers or not _kept(narrowed, type_, issuer):
        return None
    return entry


def counting(trust: KeptTrust | None, narrowed: Mapping[str, Narrowed], now: datetime) -> tuple[Believed, ...]:
    """The entries of a trust list that is not over, without the issuers that one has left out oneself."""
    if trust is None or now >= instant(trust.expires):
        return ()
    return tuple(
        Believed(one.type, tuple(did for did in one.issuers if _kept(narrowed, one.type, did)), one.claims, one.where)
        for one in trust.believed
    )


def _kept(narrowed: Mapping[str, Narrowed], type_: str, issuer: str) -> bool:
    own = narrowed.get(type_)
    return own is None or issuer in own.issuers


def proved(
    found: Iterable[tuple[ReceivedCredential, KnownStatus | None]], trust: KeptTrust, narrowed: Mapping[str, Narrowed]
) -> Iterator[Proved]:
    """What these credentials prove, each once for each type that its issuer is believed for."""
    for one, status in found:
        end = _end(one, status, trust)
        for type_ in one.types if end is not None else ():
            entry = believed(trust, narrowed, type_, one.issuer)
            if entry is not None and end is not None:
                yield Proved(type_, one.issuer, claims(one.claims, entry), instant(one.since), end)


def _end(one: ReceivedCredential, status: KnownStatus | None, trust: KeptTrust) -> datetime | None:
    """Until when it counts; None where nobody can know whether it was revoked."""
    ends = [instant(one.until) if one.until else NEVER, instant(trust.expires)]
    if one.list:
        if status is None or status.issuer != one.issuer:
            return None
        ends.append(instant(status.until))
    if one.revoked:
        ends.append(instant(one.revoked))
    return min(ends)


def claims(said: JsonObject, entry: Believed) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Claims as texts: of a name, its text, number or truth value, or a list of them. Anything else never counts."""
    named = ((name, value) for name, value in sorted(said.items()) if ANY in entry.claims or name in entry.claims)
    found = ((name, _texts(value)) for name, value in named)
    return tuple((name, values) for name, values in found if values)[:MOST_CLAIMS]


def _texts(value: Json) -> tuple[str, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    if len(listed) > MOST_VALUES or not all(isinstance(one, str | int) for one in listed):
        return ()
    texts = tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in listed)
    return () if any(len(text) > LONGEST_CLAIM for text in texts) else texts


def newer(known: KnownStatus | None, offered: KnownStatus) -> bool:
    """Whether a list that was offered takes the place of the known one; the very same one changes nothing.

    Raises:
        StatusOlderError: the known one is newer.
        StatusContradictsError: both are of the same instant, and say different things.
    """
    if known is None:
        return True
    if known.text == offered.text:
        return False
    before, now = instant(known.issued), instant(offered.issued)
    if before == now:
        raise StatusContradictsError(list=offered.id, issuer=offered.issuer, issued=offered.issued)
    if before > now:
        raise StatusOlderError(list=offered.id, issued=offered.issued, known=known.issued)
    return True
