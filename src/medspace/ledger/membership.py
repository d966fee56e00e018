"""Who was a member when: the members lists of all bundles together, and what the authority's own log says.

A list says who is a member when it is issued, until the next one; a removed member still has the
list that names it, and its signing key. So no list is read alone: the newest one decides, wherever it comes
from, and the authority's log, if it is among the bundles, says to the millisecond who joined and who left.
"""

from bisect import bisect, bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from medspace.core.clock import stamp
from medspace.core.hashing import digest_bytes
from medspace.core.text import msgid
from medspace.ledger.report import MEMBERS, MEMBERSHIP, SIGNATURE, TOO_SHORT, AuditFinding, LogPosition
from medspace.ledger.statements import SKEW, LogLine, Statements, later

# Lists are dated to the whole second, rounded down: who was removed was a member up to that much later.
LIST_PRECISION = timedelta(seconds=1)
NOTED_WITHIN = timedelta(seconds=10)  # an authority notes a list when it signs it, dated a few seconds ahead at most


@dataclass(frozen=True, slots=True)
class MembersList:
    """A members list that its authority signed: `text` as it was signed, `keys` the public key of each DID.

    It was issued at `issued`, and is not valid from `expires` on. The authority itself is among the keys.
    """

    text: str
    issuer: str
    issued: datetime
    expires: datetime
    keys: Mapping[str, bytes]


class MembershipStatus(Enum):
    """What somebody was in the space at some time."""

    MEMBER = "member"
    NOT_YET = "not yet"
    REMOVED = "removed"
    BETWEEN = "between"  # the last list had it and the next one had not: removed at some time in between
    EXPIRED = "expired"  # the last list that had it was no longer valid


Since = tuple[str, MembershipStatus]  # from that instant on

# A removed member may still note what ends or refuses something. Offers bind nobody until one agrees.
_ENDINGS = frozenset(
    {
        *("negotiation.terminated", "transfer.suspended", "transfer.completed", "transfer.terminated"),
        *("transfer.refused", "use.refused", "use.withheld", "use.failed", "run.failed"),
    }
)
_DEALINGS = ("negotiation.", "transfer.", "use.", "run.")

_SAYS = {
    MembershipStatus.NOT_YET: (
        "not_yet",
        msgid("The entry is dated {time}, and the authority admitted {member} later."),
    ),
    MembershipStatus.REMOVED: (
        "removed",
        msgid("The entry is dated {time}, and {member} was removed from the members at {since}."),
    ),
    MembershipStatus.BETWEEN: (
        "between",
        msgid(
            "The entry is dated {time}; after {since} {member} was removed, and only the authority's log says when."
        ),
    ),
    MembershipStatus.EXPIRED: (
        "expired",
        msgid("The entry is dated {time}, and the last list that names {member} expired at {since}."),
    ),
}


@dataclass(frozen=True, slots=True)
class Signed:
    """When the authority signed members lists: `issued` of those that are here, `noted` by its log, in order."""

    issued: frozenset[str] = frozenset()
    noted: tuple[str, ...] = ()

    def at(self, time: str) -> bool:
        """Whether it signed one that is dated so."""
        first = bisect_left(self.noted, later(time, -NOTED_WITHIN))
        return time in self.issued or first < bisect(self.noted, later(time, NOTED_WITHIN))


def signed(lists: Sequence[MembersList], logs: Mapping[str, Statements]) -> Signed:
    """When the authority signed members lists, by the lists themselves and by its own log where it is here."""
    authorities = (logs[issuer] for issuer in {one.issuer for one in lists} if issuer in logs)
    noted = (line.time for log in authorities for line in log.members if "list" in line.facts)
    return Signed(frozenset(stamp(one.issued) for one in lists), tuple(sorted(noted)))


def contradictions(mine: MembersList, lists: Sequence[MembersList], place: LogPosition) -> Iterator[AuditFinding]:
    """Contradictory lists: the authority never dates two at the same second."""
    for other in lists:
        if other.issuer != mine.issuer:
            sentence = msgid("Another list with the same signature names another authority, {issuer}.")
            yield MEMBERS.failed(place, "two_issuers", sentence, issuer=other.issuer)
        elif other.issued == mine.issued and other.text != mine.text:
            sentence = msgid("The authority signed two different members lists that are dated {time}.")
            yield MEMBERS.failed(place, "contradiction", sentence, time=stamp(mine.issued))


def not_published(mine: MembersList, authority: Statements, place: LogPosition) -> Iterator[AuditFinding]:
    """A list that the authority's log does not know, if it speaks of lists at all."""
    known = {line.facts["list"] for line in authority.members if "list" in line.facts}
    if not known or digest_bytes(mine.text.encode()) in known:
        return
    if later(stamp(mine.issued), NOTED_WITHIN) > authority.last_time:
        yield MEMBERS.unverifiable(place, "too_short", TOO_SHORT, party=authority.origin)
        return
    sentence = msgid("The log of the authority does not know the members list that is dated {time}.")
    yield MEMBERS.failed(place, "not_published", sentence, time=stamp(mine.issued))


def replaced_key(log: Statements, key: bytes, lists: Sequence[MembersList]) -> Iterator[AuditFinding]:
    """A later list that gave the signer another key before the log's last entry."""
    for one in lists:
        if one.keys.get(log.origin, key) != key and stamp(one.issued + LIST_PRECISION) < log.last_time:
            sentence = msgid("The log goes on after {time}, and a list of that time gives its signer another key.")
            yield SIGNATURE.failed(LogPosition(log.origin), "replaced_key", sentence, time=stamp(one.issued))


def standings(did: str, lists: Sequence[MembersList], authority: Statements | None) -> list[Since]:
    """The status of a DID over time, in order; before the first it was not a member yet.

    The authority's log decides as far as it goes. After its end, or without it, the lists at least show when a member
    was gone: before the last list that names it, it counts as a member.
    """
    said = list(_listed_changes(did, authority)) if authority else []
    until = authority.last_time if authority and said else ""
    since = said or [("", MembershipStatus.MEMBER)]
    fresh = sorted((one for one in lists if stamp(one.issued) > until), key=lambda one: one.issued)
    named = [number for number, one in enumerate(fresh) if did in one.keys]
    if named and since[-1][1] is not MembershipStatus.MEMBER:
        since.append((until, MembershipStatus.MEMBER))
    gone = fresh[named[-1] + 1 if named else 0 :]
    if gone and since[-1][1] is MembershipStatus.MEMBER:
        known = stamp(fresh[named[-1]].issued) if named else until
        since.append((later(known, timedelta(milliseconds=1)), MembershipStatus.BETWEEN))
        since.append((stamp(gone[0].issued + LIST_PRECISION), MembershipStatus.REMOVED))
    return [*since, *_expiry(did, lists, since[-1])]


def _listed_changes(did: str, authority: Statements) -> Iterator[Since]:
    # The clock of the member and that of the authority may differ, so it counts as admitted a little earlier.
    last = ""
    for line in authority.members:
        if line.facts.get("member") == did:
            came = line.entry.kind == "member.admitted"
            time = max(last, later(line.time, -SKEW)) if came else line.time
            yield time, MembershipStatus.MEMBER if came else MembershipStatus.REMOVED
            last = line.time


def _expiry(did: str, lists: Sequence[MembersList], last: Since) -> Iterator[Since]:
    ends = [one.expires for one in lists if did in one.keys]
    if ends and last[1] is MembershipStatus.MEMBER:
        yield max(stamp(max(ends)), last[0]), MembershipStatus.EXPIRED


def check(log: Statements, lines: Sequence[LogLine], since: Sequence[Since]) -> Iterator[AuditFinding]:
    """Each entry of a log lies within the membership of its signer; of many that do not, the first is named."""
    times = [time for time, _ in since]
    told = set()
    for line in lines:
        at = bisect(times, line.time)
        standing = since[at - 1][1] if at else MembershipStatus.NOT_YET
        if standing is MembershipStatus.MEMBER or not line.entry.kind.startswith(_DEALINGS):
            continue
        wrong = standing is MembershipStatus.REMOVED and line.entry.kind not in _ENDINGS
        if (standing, wrong) not in told:
            told.add((standing, wrong))
            yield _outside(log.origin, line, standing, times[max(at - 1, 0)], wrong=wrong)
    if not told:
        yield MEMBERSHIP.verified(LogPosition(log.origin))


def _outside(member: str, line: LogLine, standing: MembershipStatus, since: str, *, wrong: bool) -> AuditFinding:
    say = MEMBERSHIP.failed if wrong else MEMBERSHIP.unverifiable
    code, sentence = _SAYS[standing]
    return say(LogPosition(member, line.index), code, sentence, time=line.time, member=member, since=since)
