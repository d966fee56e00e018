"""Editions of datasets under consent: what is said of one, and when newcomers begin to count."""

from collections.abc import Iterable

from medspace.core.clock import stamp
from medspace.core.instants import BoundError, bound
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record as log
from medspace.policy.consent.model import ConsentParty, seconds
from medspace.services.consents import editions
from medspace.services.consents.errors import ConsentTermsError, NotUnderConsentError
from medspace.services.consents.model import EDITIONS, ConsentEdition, ConsentTerms
from medspace.services.consents.recording import Office, last_number
from medspace.services.consents.register import Register

TENS = 10
Purposes = Iterable[str]  # those that are counted
LONGEST, MOST = 512, 1_000


def put(
    tx: Transaction, office: Office, register: Register, dataset: str, terms: ConsentTerms, purposes: Purposes
) -> ConsentEdition:
    """Say how a dataset is used under consent, from now on; everybody who has consented belongs to this edition.

    Raises:
        ConsentTermsError: it cannot be used.
    """
    check(terms)
    return _publish(tx, office, register, dataset, terms, purposes)


def renew(
    tx: Transaction, office: Office, register: Register, dataset: str, purposes: Purposes, least: int
) -> ConsentEdition:
    """Begin the next edition, if at least `least` patients have said something new; else the old one stays.

    So nobody can tell from two editions what a single patient has said.

    Raises:
        NotUnderConsentError: nothing was said of the dataset.
    """
    before = editions.current(tx, dataset)
    if before is None:
        raise NotUnderConsentError(dataset=dataset[:200])
    register.follow(tx)
    if register.heard_since(before.upto) < least:
        return before
    return _publish(tx, office, register, dataset, before.terms, purposes)


def check(terms: ConsentTerms) -> None:
    """Refuse what cannot be used.

    Raises:
        ConsentTermsError: why.
    """
    if not 0 < len(terms.column) <= LONGEST:
        raise ConsentTermsError(reason=Text(msgid("no column names the patients")))
    if len(terms.columns) > MOST or len(terms.names) > MOST:
        raise ConsentTermsError(reason=Text(msgid("it says too much")))
    try:
        for value, last in ((terms.since, False), (terms.until, True)):
            if value:
                bound(value, last=last)
    except BoundError as error:
        raise ConsentTermsError(reason=error.reason) from error


def _publish(
    tx: Transaction, office: Office, register: Register, dataset: str, terms: ConsentTerms, purposes: Purposes
) -> ConsentEdition:
    before = editions.current(tx, dataset)
    register.follow(tx)
    number, upto = (1 if before is None else before.edition + 1), last_number(tx)
    key = editions.identity(dataset, number)
    counts = {one: _count(register, office, terms, one, upto, key) for one in purposes}
    new = ConsentEdition(key, dataset, number, upto, stamp(office.now), terms, counts)
    tx.insert(EDITIONS, new)
    facts = {"asset": dataset, "edition": number, "upto": upto}
    log(tx, Entry("consent.edition", stamp(office.now), office.did, facts | ({"by": office.by} if office.by else {})))
    return new


def _count(register: Register, office: Office, terms: ConsentTerms, purpose: str, upto: int, edition: str) -> int:
    """How many patients a purpose reaches for a user whom no consent names, rounded down to tens."""
    asked = editions.request(terms, purpose, None, {ConsentParty.HOLDER: office.did}, frozenset())
    now = seconds(office.now)
    found = register.reached(asked, (edition, "count", purpose), now, upto, after_death=terms.after_death)
    return len(found.patients) // TENS * TENS
