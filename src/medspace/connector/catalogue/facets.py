"""Searching catalogues by words and by facets: what their datasets have in common, with how many have it.

Each value of a facet is a set of datasets, as the bits of an integer: which datasets have all that is wanted, and how
many would have one thing more, takes a few operations on integers of as many bits as there are datasets, however many
values there are.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import nsmallest
from itertools import accumulate

import msgspec

from medspace.core.canonical import LARGEST_INTEGER, Json, JsonObject
from medspace.policy import limits, odrl
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.purposes import VOCABULARY
from medspace.policy.rules import decide

HOLDER, REGION, KIND, PURPOSE, COLUMN, CONCEPT, UNTIL, SIZE = FACETS = (
    "holder",
    "region",
    "kind",
    "purpose",
    "column",
    "concept",
    "until",
    "size",
)
# Patients that a dataset has at least, by what its holder publishes; every dataset has all values up to its own.
SIZES = tuple(digit * 10**power for power in range(1, 8) for digit in (1, 2, 5))[2:]
OPEN = "open"  # of UNTIL: no end; the others are years
MOST_VALUES = 1_000  # of one facet of one dataset
LONGEST_VALUE = 200
MOST_COUNTED = 2_000  # values of one facet that are counted, the commonest; the others are only looked for
MOST_OF_ONE = 5_000  # values that one participant brings to all facets; what more it has is found by words alone
MOST_OFFERS = 20  # of one dataset that are looked at, the first ones ...
LARGEST_OFFER = 16_384  # ... and bytes of one: one may take twenty milliseconds
LONGEST_TEXT = 50_000  # characters of one dataset in which words are looked for
MOST_WORDS = 10  # of one search
WINDOW = 50  # datasets through whose texts one step looks for a word
KEPT = 1_024  # offers whose terms are cached


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What a dataset can be found by: the values of each facet, and a text in lower case.

    It is `whole` unless a part of the dataset was not looked at. By size it can be found with any number (`persons`),
    of which the values are only the round ones that are told.
    """

    values: Mapping[str, tuple[str, ...]]
    text: str
    whole: bool = True
    persons: int = 0  # as published; 0 where nothing is


NOTHING = DatasetFacts({}, "")  # of a dataset that is only to be listed


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """For which purposes an offer allows something, and until which year; "" where it allows nothing."""

    purposes: frozenset[str] = frozenset()
    until: str = ""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet: how many datasets would be found with it, all else that is chosen being equal."""

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class FoundDatasets:
    """What a search finds: one page of it, how many there are in all, and the facets, the commonest values first."""

    page: tuple[JsonObject, ...]
    total: int
    more: bool
    facets: Mapping[str, tuple[FacetValue, ...]]


def facts_of(dataset: JsonObject, holder: str = "", region: str | None = None) -> DatasetFacts:
    """What one dataset can be found by, as `finding.listed` shows it; `holder` is what its participant is called."""
    (facts,) = (one for one in gathering(dataset, holder, region) if one is not None)
    return facts


def gathering(dataset: JsonObject, holder: str, region: str | None) -> Iterator[DatasetFacts | None]:
    """What `facts_of` tells, in small steps of which the last one has it."""
    given, whole = _given(dataset["offers"])
    terms: list[OfferTerms] = []
    for offer in given:
        terms.append(_terms(offer))
        yield None
    described = _opened(dataset["dictionary"])
    yield None
    columns = [one for one in _list(_member(described, "columns"))[:MOST_VALUES] if isinstance(one, dict)]
    names = [_text(one.get("name")) for one in columns]
    concepts = [_text(one.get("system")) for one in columns]
    values = {
        HOLDER: (dataset["participant"],),
        REGION: (region or "",),
        KIND: dataset["formats"][:MOST_VALUES],
        PURPOSE: tuple(purpose.name for purpose in VOCABULARY if any(purpose.name in one.purposes for one in terms)),
        COLUMN: names,
        CONCEPT: concepts,
        UNTIL: (_until(terms),),
        SIZE: [str(size) for size in SIZES if size <= _persons(dataset)],
    }
    said = (dataset["id"], dataset["title"], dataset["description"], *dataset["keywords"], holder, *names, *concepts)
    told = (_text(one.get("description")) for one in columns)
    text = "\n".join((*said, *told))
    whole = whole and len(text) <= LONGEST_TEXT
    yield DatasetFacts(_values(values), text[:LONGEST_TEXT].lower(), whole, _persons(dataset))


def _persons(dataset: JsonObject) -> int:
    return int(dataset["figures"]["persons"] or 0)


def named(dataset: JsonObject, region: str | None) -> DatasetFacts:
    """What a dataset can be found by without a look at its offers and columns."""
    values = {HOLDER: (dataset["participant"],), REGION: (region or "",), KIND: dataset["formats"][:MOST_VALUES]}
    text = "\n".join(dataset[name][:LONGEST_VALUE] for name in ("id", "title"))
    return DatasetFacts(_values(values), text.lower(), whole=False)


def _values(values: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys(one[:LONGEST_VALUE] for one in found if one)) for name, found in values.items()}


@lru_cache(maxsize=KEPT)
def _terms(offer: bytes) -> OfferTerms:
    """What an offer allows, as JSON: nothing, where it cannot be read or no enforcement point could hold to it."""
    try:
        policy = odrl.parse(msgspec.json.decode(offer))
    except InvalidPolicyError:
        return OfferTerms()
    if policy.flaws or not policy.permissions:
        return OfferTerms()
    wanted = {purpose.name: UseRequest(purpose=purpose.name) for purpose in VOCABULARY}
    allowed = (name for name, request in wanted.items() if decide(policy, request, Point.CATALOGUE).permitted)
    end = limits.last_end(policy)
    return OfferTerms(frozenset(allowed), str(end.year) if end is not None else OPEN)


def _until(terms: Iterable[OfferTerms]) -> str:
    """The year until which some of these terms allow something; "" where none allows anything."""
    ends = {one.until for one in terms if one.until}
    return OPEN if OPEN in ends else max(ends, default="")


def _given(offers: Json) -> tuple[list[bytes], bool]:
    """The offers that are looked at, each without its identity, which is no part of the terms; and whether it is all.

    Those behind them are not even decoded.
    """
    if isinstance(offers, msgspec.Raw):
        packed = [bytes(one) for one in msgspec.json.decode(offers, type=list[msgspec.Raw])]
    else:
        packed = [msgspec.json.encode(one) for one in _list(offers)]
    small = [one for one in packed[:MOST_OFFERS] if len(one) <= LARGEST_OFFER]
    opened = (msgspec.json.decode(one) for one in small)
    looked = [
        msgspec.json.encode({**one, "@id": "urn:offer", "@type": "Offer"}) for one in opened if isinstance(one, dict)
    ]
    return looked, len(small) == len(packed)


class FacetIndex:
    """Datasets in the order in which they are shown, with what they can be found by."""

    def __init__(self) -> None:
        self._datasets: list[JsonObject] = []
        self._places: dict[str, int] = {}
        self._values: dict[str, dict[str, int]] = {name: {} for name in FACETS}
        self._rare: dict[str, dict[str, list[int]]] = {name: {} for name in FACETS}
        self._text, self._starts = "", list[int]()
        self._persons: list[int] = []
        self._all = 0

    @classmethod
    def of(cls, entries: Iterable[tuple[JsonObject, DatasetFacts]]) -> "FacetIndex":
        """The index of these datasets."""
        index = cls()
        for _ in index.building(entries):
            pass
        return index

    def building(self, entries: Iterable[tuple[JsonObject, DatasetFacts]]) -> Iterator[None]:
        """Fill it with these datasets, in many small steps; it may be searched after the last one.

        Of those that have one name the first counts: a page that begins behind a name begins at one place, so that no
        participant hides what others offer between two datasets of one name.
        """
        texts: list[str] = []
        brought: dict[str, int] = defaultdict(int)
        having: dict[str, dict[str, list[int]]] = {name: defaultdict(list) for name in FACETS}
        for dataset, facts in entries:
            name, place = name_of(dataset), len(texts)
            if name in self._places:
                continue
            self._datasets.append(dataset)
            self._places[name] = place
            texts.append(facts.text)
            self._persons.append(facts.persons)
            for facet, value in ((facet, value) for facet, values in facts.values.items() for value in values):
                if value not in having[facet]:
                    brought[dataset["participant"]] += 1
                    if brought[dataset["participant"]] > MOST_OF_ONE:
                        continue
                having[facet][value].append(place)
            yield
        self._text = "\n".join(texts)
        self._starts = [0, *accumulate(len(text) + 1 for text in texts)]
        self._all = (1 << len(texts)) - 1
        for facet, found in having.items():
            for value in nsmallest(MOST_COUNTED, found, key=lambda one: (-len(found[one]), one)):
                self._values[facet][value] = _bits(found.pop(value), len(texts))
                yield
            self._rare[facet] = found

    def __len__(self) -> int:
        return len(self._datasets)

    def knows(self, name: str) -> bool:
        """Whether there is a dataset of this name (`name_of`)."""
        return name in self._places

    def search(
        self, words: str, chosen: Mapping[str, Sequence[str]], *, after: str = "", limit: int, most: int
    ) -> FoundDatasets:
        """The datasets whose text has every word, and that have one of the chosen values of each facet.

        Of many different words only the first MOST_WORDS count.

        The page begins behind the dataset that is called `after` (`name_of`). A value is counted as if it were chosen
        instead of the other values of its facet; each facet shows at most `most`, and all that are chosen.
        """
        steps = self.searching(words, chosen, after=after, limit=limit, most=most)
        (found,) = (one for one in steps if one is not None)
        return found

    def searching(
        self, words: str, chosen: Mapping[str, Sequence[str]], *, after: str = "", limit: int, most: int
    ) -> Iterator[FoundDatasets | None]:
        """What `search` finds, in small steps of which the last one has it."""
        wanted = {name: self._either(name, values) for name, values in chosen.items() if values}
        spoken = yield from self._spoken(list(dict.fromkeys(words.lower().split()))[:MOST_WORDS])
        found = spoken
        for bits in wanted.values():
            found &= bits
        facets = {}
        for name in FACETS:
            within = spoken
            for other, bits in wanted.items():
                within &= bits if other != name else self._all
            facets[name] = self._counted(name, within, frozenset(chosen.get(name, ())), most)
            yield None
        rest = found >> (self._places[after] + 1) << (self._places[after] + 1) if after else found
        page = [self._datasets[place] for place in _places(rest, limit)]
        yield FoundDatasets(tuple(page), found.bit_count(), rest.bit_count() > len(page), facets)

    def _either(self, name: str, values: Sequence[str]) -> int:
        if name == SIZE:  # any number may be asked for
            least = min((int(value) for value in values if value.isdecimal()), default=LARGEST_INTEGER)
            return _bits((at for at, persons in enumerate(self._persons) if persons >= least), len(self._datasets))
        bits = 0
        for value in values:
            rare = self._rare[name].get(value, ())
            bits |= self._values[name].get(value, 0) | _bits(rare, len(self._datasets))
        return bits

    def _spoken(self, words: Sequence[str]) -> Generator[None, None, int]:
        found, size = self._all, len(self._datasets)
        for word in words:
            if not found:
                break
            places: list[int] = []
            for first in range(0, size, WINDOW):
                places += self._saying(word, first, min(first + WINDOW, size))
                yield
            found &= _bits(places, size)
        return found

    def _saying(self, word: str, first: int, last: int) -> Iterator[int]:
        """The places of the datasets that say a word: one search through the texts, from one dataset to the next."""
        end = self._starts[last]
        at = self._text.find(word, self._starts[first], end)
        while at >= 0:
            place = bisect_right(self._starts, at) - 1
            yield place
            at = self._text.find(word, self._starts[place + 1], end)

    def _counted(self, name: str, within: int, chosen: frozenset[str], most: int) -> tuple[FacetValue, ...]:
        counted = [
            FacetValue(value, (bits & within).bit_count(), value in chosen)
            for value, bits in self._values[name].items()
        ]
        gone = [
            FacetValue(value, (self._either(name, [value]) & within).bit_count(), chosen=True)
            for value in sorted(chosen - self._values[name].keys())
        ]
        shown = [one for one in counted if one.count or one.chosen] + gone
        shown.sort(key=lambda one: (not one.chosen, -one.count, one.value))
        return tuple(shown[: max(most, len(chosen))])


def name_of(dataset: JsonObject) -> str:
    """What a dataset is called among those of all participants."""
    return f"{dataset['participant']} {dataset['id']}"


def _bits(places: Iterable[int], size: int) -> int:
    """The set of these places, of at most so many."""
    bits = bytearray(size // 8 + 1)
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")


def _places(bits: int, limit: int) -> Iterator[int]:
    """The places of the lowest bits."""
    for _ in range(limit):
        if not bits:
            return
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _opened(value: Json) -> Json:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def _member(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
