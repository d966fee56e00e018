"""How much of a search each participant may take up: room among what is kept, time and text of what is looked at.

One participant that offers very much is cut to its share, and that is told; the others are searched in full.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from medspace.connector.catalogue.facets import DatasetFacts, gathering, named
from medspace.core.canonical import JsonObject
from medspace.core.errors import RefusedError
from medspace.core.text import msgid

MOST_SECONDS = 2.0  # of work for the datasets of one participant
MOST_TEXT = 16_000_000  # characters of them in which words are looked for


class PartlySearchedError(RefusedError):
    """A participant offers more than its share of what is searched."""

    code = "find.partly"
    sentence = msgid(
        "Of the datasets of {did}, {count} were searched only in part or not at all: it offers more than its share."
    )
    next_step = msgid("Search its catalogue alone, or ask its holder to offer less at once.")


def share(sizes: Iterable[int], most: int) -> int:
    """The largest share with which all together have at most so much; who needs less leaves the rest to others."""
    ordered = sorted(sizes)
    for at, size in enumerate(ordered):
        fair = most // (len(ordered) - at)
        if size > fair:
            return fair
        most -= size
    return ordered[-1] if ordered else 0


def within_shares(found: Sequence[JsonObject], most: int, largest: int) -> tuple[list[JsonObject], Mapping[str, int]]:
    """At most so many of these datasets and so many bytes of them, and how many of which participant are left out."""
    sizes = [(one["participant"], _size(one)) for one in found]
    counts, room = Counter[str](), Counter[str]()
    for did, size in sizes:
        counts[did] += 1
        room[did] += size
    each, bytes_each = share(counts.values(), most), share(room.values(), largest)
    kept: list[JsonObject] = []
    had, used, cut = Counter[str](), Counter[str](), Counter[str]()
    for dataset, (did, size) in zip(found, sizes, strict=True):
        if had[did] == each or used[did] + size > bytes_each:
            cut[did] += 1
            continue
        had[did] += 1
        used[did] += size
        kept.append(dataset)
    return kept, cut


def _size(dataset: JsonObject) -> int:
    packed = (dataset["offers"], dataset["dictionary"])
    said = (dataset["title"], dataset["description"], *dataset["keywords"])
    return sum(len(bytes(one)) for one in packed if isinstance(one, msgspec.Raw)) + sum(map(len, said))


class BoundedLook:
    """A look at what datasets can be found by; `cut` counts those that it did not look at in full, by participant.

    `timer` tells seconds; only those count in which work is done, not those in which others have their turn.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self.cut = Counter[str]()
        self._timer = timer
        self._seconds: dict[str, float] = defaultdict(float)
        self._text = Counter[str]()

    def facts(
        self, found: Iterable[JsonObject], known: Mapping[str, tuple[str, str | None]]
    ) -> Iterator[DatasetFacts | None]:
        """The facts of each of these datasets in turn, other steps in between; `known` are names and regions."""
        for dataset in found:
            did = dataset["participant"]
            name, region = known.get(did, ("", None))
            steps, facts = gathering(dataset, name, region), None
            while facts is None and self._seconds[did] < MOST_SECONDS and self._text[did] < MOST_TEXT:
                began = self._timer()
                facts = next(steps)
                self._seconds[did] += self._timer() - began
                yield None
            if facts is None:
                facts = named(dataset, region)
            self._text[did] += len(facts.text)
            self.cut[did] += not facts.whole
            yield facts
