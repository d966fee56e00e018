"""DCQL: which cards a verifier asks for, and whether an answer holds what was asked (OpenID4VP 1.0, section 6 and 7).

Pure. A holder calls `matches` and `choose` over its cards, a verifier `check` over what was shown. Both look at
`DisclosedClaims.placed`, in which elements of arrays that were not disclosed keep their places: so an index means the
same to both, and nobody passes the second element of an array off as the first by hiding that one.

Only `dc+sd-jwt` is matched; queries for other formats are read, and nothing answers them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError, ProofError
from medspace.core.text import Text, msgid
from medspace.trust.sdjwt.model import HIDDEN, ClaimPath
from medspace.trust.sdjwt.vc import FORMAT

MOST_QUERIES, MOST_CLAIMS, MOST_SETS, MOST_VALUES, LONGEST_PATH = 32, 128, 32, 128, 32
MOST_SELECTED = 4096  # values that one path selects
LARGEST_INDEX = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


class DcqlError(InvalidInputError):
    """A query that cannot be read."""

    code = "dcql.invalid"
    sentence = msgid("The request asks for cards in a way that cannot be read: {reason}.")
    next_step = msgid("Ask who sent the request to send it in the form of OpenID4VP 1.0.")


class DcqlUnansweredError(ProofError):
    """What was shown is not what was asked for."""

    code = "dcql.unanswered"
    sentence = msgid("What was shown does not answer the request: {reason}.")
    next_step = msgid("Show the cards and the parts of them that the request asks for.")


@dataclass(frozen=True, slots=True)
class ClaimQuery:
    """A claim that is asked for: where it is, and which values will do (none: any)."""

    path: ClaimPath
    values: tuple[Json, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class CardQuery:
    """A card that is asked for: its format and types, the claims, and which sets of them will do, the best first."""

    id: str
    format: str
    vcts: tuple[str, ...]
    claims: tuple[ClaimQuery, ...] = ()
    claim_sets: tuple[tuple[str, ...], ...] = ()
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class CardSet:
    """Alternatives: each option names queries that together will do."""

    options: tuple[tuple[str, ...], ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class DcqlQuery:
    """A whole query; without `sets`, each card is needed."""

    cards: tuple[CardQuery, ...]
    sets: tuple[CardSet, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """A card as it is compared: its type, and its claims with every element in its place."""

    vct: str
    placed: JsonObject


@dataclass(frozen=True, slots=True)
class Match:
    """A card that answers a query: the number of the card, and the paths that are to be disclosed."""

    card: int
    paths: tuple[ClaimPath, ...]


_Id = Annotated[str, msgspec.Meta(max_length=128)]
_Path = Annotated[list[str | int | None], msgspec.Meta(min_length=1, max_length=LONGEST_PATH)]


class _Claim(msgspec.Struct, frozen=True):
    path: _Path
    id: _Id = ""
    values: Annotated[list[str | int | bool], msgspec.Meta(min_length=1, max_length=MOST_VALUES)] | None = None


class _CardForm(msgspec.Struct, frozen=True):
    id: _Id
    format: str
    meta: dict[str, object]
    claims: Annotated[list[_Claim], msgspec.Meta(min_length=1, max_length=MOST_CLAIMS)] | None = None
    claim_sets: Annotated[list[list[_Id]], msgspec.Meta(min_length=1, max_length=MOST_SETS)] | None = None
    multiple: bool = False
    require_cryptographic_holder_binding: bool = True


class _Set(msgspec.Struct, frozen=True):
    options: Annotated[list[list[_Id]], msgspec.Meta(min_length=1, max_length=MOST_SETS)]
    required: bool = True


class _Query(msgspec.Struct, frozen=True):
    credentials: Annotated[list[_CardForm], msgspec.Meta(min_length=1, max_length=MOST_QUERIES)]
    credential_sets: Annotated[list[_Set], msgspec.Meta(min_length=1, max_length=MOST_SETS)] | None = None


def read_query(said: Json) -> DcqlQuery:
    """The query that a request holds.

    Raises:
        DcqlError: it breaks a rule of the standard, or a limit.
    """
    try:
        form = msgspec.convert(said, _Query)
    except (msgspec.ValidationError, RecursionError):
        raise _unreadable(msgid("a member is missing, of the wrong kind, or too large")) from None
    cards = tuple(_card(one) for one in form.credentials)
    names = [one.id for one in cards]
    _insist_names(names)
    sets = tuple(CardSet(tuple(map(tuple, one.options)), one.required) for one in form.credential_sets or ())
    if any(not option or not set(option) <= set(names) for one in sets for option in one.options):
        raise _unreadable(msgid("an alternative names something that is not asked for"))
    return DcqlQuery(cards, sets)


def _card(form: _CardForm) -> CardQuery:
    claims = tuple(_claim(one) for one in form.claims or ())
    named = [one.id for one in claims if one.id]
    if named:
        _insist_names(named)
    sets = tuple(map(tuple, form.claim_sets or ()))
    if sets and (len(named) != len(claims) or any(not one or not set(one) <= set(named) for one in sets)):
        raise _unreadable(msgid("an alternative names something that is not asked for"))
    if form.format == FORMAT and not form.require_cryptographic_holder_binding:
        raise _unreadable(msgid("it does without the signature of the holder"))
    return CardQuery(form.id, form.format, _vcts(form), claims, sets, form.multiple)


def _vcts(form: _CardForm) -> tuple[str, ...]:
    if form.format != FORMAT:
        return ()
    vcts = form.meta.get("vct_values")
    if not isinstance(vcts, list) or not 0 < len(vcts) <= MOST_VALUES:
        raise _unreadable(msgid("it names no type of card"))
    if not all(isinstance(one, str) and one for one in vcts):
        raise _unreadable(msgid("it names no type of card"))
    return tuple(vcts)


def _claim(form: _Claim) -> ClaimQuery:
    if any(isinstance(one, int) and not 0 <= one <= LARGEST_INDEX for one in form.path):
        raise _unreadable(msgid("an index is negative or too large"))
    return ClaimQuery(tuple(form.path), tuple(form.values or ()), form.id)


def _insist_names(names: Sequence[str]) -> None:
    if len(set(names)) != len(names) or not all(_NAME.fullmatch(one) for one in names):
        raise _unreadable(msgid("a name is used twice, or is none"))


def _unreadable(reason: str) -> DcqlError:
    return DcqlError(reason=Text(reason))


def selected(placed: Json, path: ClaimPath) -> tuple[tuple[ClaimPath, Json], ...]:
    """The values that a path selects, each with its place (OpenID4VP 1.0 7.1.1); none where it leads nowhere.

    A name needs objects, an index arrays: where one of the values is another, the path selects nothing at all.
    """
    found: list[tuple[ClaimPath, Json]] = [((), placed)]
    for step in path:
        kind = dict if isinstance(step, str) else list
        if not all(isinstance(value, kind) for _, value in found):
            return ()
        found = [one for place, value in found for one in _step(place, value, step)]
        if not found or len(found) > MOST_SELECTED:
            return ()
    return tuple(found)


def _step(place: ClaimPath, value: Json, step: str | int | None) -> list[tuple[ClaimPath, Json]]:
    if isinstance(step, str):
        return [((*place, step), value[step])] if step in value else []
    within = range(len(value)) if step is None else range(step, min(step + 1, len(value)))
    return [((*place, at), value[at]) for at in within if value[at] is not HIDDEN]


def _wanted(placed: JsonObject, claim: ClaimQuery) -> tuple[ClaimPath, ...]:
    """Where a claim is that will do: of the values that its path selects, those that are among the wanted ones."""
    return tuple(
        place for place, value in selected(placed, claim.path) if not claim.values or _among(value, claim.values)
    )


def _among(value: Json, values: Sequence[Json]) -> bool:
    return any(type(value) is type(one) and value == one for one in values)  # JSON's true is not 1


def _paths(card: Card, query: CardQuery) -> tuple[ClaimPath, ...] | None:
    """What of a card answers a query, by the first set of claims that it can; None where it does not."""
    if query.format != FORMAT or card.vct not in query.vcts:
        return None
    found = {at: _wanted(card.placed, one) for at, one in enumerate(query.claims)}
    by_name = {one.id: at for at, one in enumerate(query.claims)}
    options = [[by_name[name] for name in one] for one in query.claim_sets] or [list(found)]
    for option in options:
        if all(found[at] for at in option):
            return tuple(dict.fromkeys(path for at in option for path in found[at]))
    return None


def matches(query: DcqlQuery, cards: Sequence[Card]) -> Mapping[str, tuple[Match, ...]]:
    """For each card that is asked for, by its id, which cards answer it."""
    return {
        one.id: tuple(Match(at, paths) for at, card in enumerate(cards) if (paths := _paths(card, one)) is not None)
        for one in query.cards
    }


def choose(query: DcqlQuery, found: Mapping[str, tuple[Match, ...]]) -> Mapping[str, Match] | None:
    """The first match for each card that is needed, by the first alternative there is; None where there is none.

    What is not required is left out: a wallet shows no more than it must.
    """
    needed = _needed(query, lambda name: bool(found.get(name)))
    return None if needed is None else {name: found[name][0] for name in needed}


def _needed(query: DcqlQuery, has: Callable[[str], bool]) -> list[str] | None:
    if not query.sets:
        names = [one.id for one in query.cards]
        return names if all(map(has, names)) else None
    needed: dict[str, None] = {}
    for one in query.sets:
        if not one.required:
            continue
        option = next((option for option in one.options if all(map(has, option))), None)
        if option is None:
            return None
        needed |= dict.fromkeys(option)
    return list(needed)


def check(query: DcqlQuery, shown: Mapping[str, Sequence[Card]]) -> None:
    """Refuse an answer that does not hold what was asked for; `shown` are the verified cards by the query's ids.

    Raises:
        DcqlUnansweredError: a card or claim is missing, of another type or value, or was not asked for.
    """
    by_name = {one.id: one for one in query.cards}
    for name, cards in shown.items():
        one = by_name.get(name)
        if one is None:
            raise _unanswered(msgid("a card was shown that was not asked for"))
        if not cards or (len(cards) > 1 and not one.multiple):
            raise _unanswered(msgid("another number of cards was shown than was asked for"))
        if any(_paths(card, one) is None for card in cards):
            raise _unanswered(msgid("a card lacks what was asked for"))
    if _needed(query, lambda name: name in shown) is None:
        raise _unanswered(msgid("a card is missing"))


def _unanswered(reason: str) -> DcqlUnansweredError:
    return DcqlUnansweredError(reason=Text(reason))
