"""The version of a dataset under consent that counts now, and what a use of it asks of the consents."""

from collections.abc import Mapping

from medspace.core.instants import bound
from medspace.core.store import Transaction
from medspace.policy.actions import DOWNLOAD
from medspace.policy.consent.model import ALWAYS, ConsentParty, ConsentRequest, Element, seconds
from medspace.services.consents.model import EDITIONS, ConsentEdition, ConsentTerms, ElementCodes

Touched = frozenset[str] | None  # the columns that an answer may depend on; None: every one
IN_PLACE = (frozenset({"use"}), frozenset({"use", "access"}))
LEAVING = (frozenset({"access", "disclose"}), frozenset({"access", "disclose", "use"}))


def current(tx: Transaction, dataset: str) -> ConsentEdition | None:
    """The newest edition of a dataset; None where nobody said how it is used under consent."""
    found = tx.find(EDITIONS, where={"dataset": dataset}, descending=True, limit=1)
    return found[0] if found else None


def identity(dataset: str, edition: int) -> str:
    """The identity of an edition; those of one dataset are in order."""
    return f"{dataset} {edition:08d}"


def request(
    terms: ConsentTerms,
    purpose: str | None,
    action: str | None,
    parties: Mapping[ConsentParty, str],
    touched: Touched,
) -> ConsentRequest:
    """What a use asks of the consents: for a purpose, by an action, at columns (None: every one)."""
    needs, touches = LEAVING if action == DOWNLOAD else IN_PLACE
    names = {party: frozenset({did, *terms.names.get(did, ())}) for party, did in parties.items()}
    period = None
    if terms.since or terms.until:
        since = seconds(bound(terms.since, last=False)) if terms.since else ALWAYS[0]
        period = (since, seconds(bound(terms.until, last=True)) if terms.until else ALWAYS[1])
    return ConsentRequest(purpose, needs, touches, _elements(terms, touched), names, period)


def key(edition: ConsentEdition, asked: ConsentRequest) -> tuple[object, ...]:
    """What names a question: its dataset's edition, and everything that decides the answer but the time."""
    names = tuple(sorted((party, tuple(sorted(known))) for party, known in asked.names.items()))
    return edition.id, asked.purpose, asked.needs, asked.elements, names


def _elements(terms: ConsentTerms, touched: Touched) -> tuple[Element, ...]:
    named = (
        terms.columns if touched is None else {name: terms.columns[name] for name in touched if name in terms.columns}
    )
    others = touched is None or any(name not in terms.columns for name in touched)
    found = [_element(one) for one in named.values()]
    return tuple(dict.fromkeys([*([_element(terms.whole)] if others or not found else []), *found]))


def _element(said: ElementCodes) -> Element:
    sets = (None if one is None else frozenset(one) for one in (said.classes, said.codes, said.labels))
    return Element(*sets)
