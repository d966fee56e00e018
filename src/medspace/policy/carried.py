"""What results carry of the labels of what went into them: the strictest of all, and whether an offer is freer.

A carried label is JSON: `purposes`, `regions` and `kinds` that all sources allow, the first `valid_until`, the
highest `sensitivity`, all `laws` and `origins`. A task's columns are not known when its run begins, so a source
counts with all of its columns and rows that are not closed altogether.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.text import Text, msgid
from medspace.policy.actions import ACTIONS
from medspace.policy.hierarchy import Hierarchy
from medspace.policy.model import Label, Portion, Sensitivity
from medspace.policy.purposes import PURPOSES, canonical
from medspace.policy.regions import REGIONS

LARGEST = 4_096  # bytes as JSON
CLOSED: JsonObject = {"purposes": [], "regions": [], "kinds": [], "sensitivity": Sensitivity.NON_PUBLIC.value}
_ORDER = tuple(Sensitivity)
_LISTS: dict[str, Hierarchy] = {"purposes": PURPOSES, "regions": REGIONS, "kinds": ACTIONS}


def of(label: Label | None) -> JsonObject:
    """What the results of an asset with this label carry; nothing is allowed where there is none."""
    if label is None:
        return CLOSED
    whole = _of_whole(label)
    parts = [part for part in (*label.columns, *label.rows) if part.purposes != () and part.regions != ()]
    carried = strictest([whole, *(_of_part(part, whole) for part in parts)])
    return carried if len(msgspec.json.encode(carried)) <= LARGEST else CLOSED


def strictest(labels: Sequence[JsonObject]) -> JsonObject:
    """What several carried labels allow together; of none, nothing."""
    if not labels:
        return CLOSED
    found: JsonObject = {
        name: _common([list(map(str, one.get(name, ()))) for one in labels], tree) for name, tree in _LISTS.items()
    }
    found["sensitivity"] = max((str(one.get("sensitivity", _ORDER[-1].value)) for one in labels), key=_rank)
    ends = sorted(str(one["valid_until"]) for one in labels if one.get("valid_until"))
    found |= {"valid_until": ends[0]} if ends else {}
    return found | {
        name: sorted({str(x) for one in labels for x in one.get(name, ())}) for name in ("laws", "origins")
    }


def freer(label: Label | None, source: JsonObject) -> list[Text]:
    """In what a label allows more than what it was made of; nothing where it does not.

    The label of the whole counts: its parts are only stricter, and a part that no use touches restricts nothing.
    """
    if label is None:
        return []
    own = _of_whole(label)
    told = [
        Text(words) for name, words in _WIDER.items() if not _within(own[name], source.get(name, ()), _LISTS[name])
    ]
    if _rank(str(own["sensitivity"])) < _rank(str(source.get("sensitivity", _ORDER[-1].value))):
        told.append(Text(msgid("it is said to be less sensitive")))
    end, bound = own.get("valid_until"), source.get("valid_until")
    if bound and (not end or instant(str(end)) > instant(str(bound))):
        told.append(Text(msgid("it ends later")))
    if not set(map(str, source.get("laws", ()))) <= set(map(str, own["laws"])):
        told.append(Text(msgid("it leaves out a rule pack")))
    return told


_WIDER = {
    "purposes": msgid("it allows more purposes"),
    "regions": msgid("it allows more regions"),
    "kinds": msgid("it allows more kinds of use"),
}


def _rank(name: str) -> int:
    return next((at for at, one in enumerate(_ORDER) if one.value == name), len(_ORDER))


def _within(narrow: Iterable[Json], wide: Iterable[Json], tree: Hierarchy) -> bool:
    listed = list(map(str, wide))
    return all(any(tree.within(str(one), other) for other in listed) for one in narrow)


def _common(lists: Sequence[Sequence[str]], tree: Hierarchy) -> list[Json]:
    """What each of the lists allows: terms of any of them that lie within one of every other."""
    terms = {term for one in lists for term in one}
    shared = {term for term in terms if all(_within([term], one, tree) for one in lists)}
    return [*sorted(term for term in shared if not _covered(term, shared, tree))]


def _covered(term: str, terms: Iterable[str], tree: Hierarchy) -> bool:
    return any(other != term and tree.within(term, other) for other in terms)


def _of_whole(label: Label) -> JsonObject:
    written = _written(label.purposes, label.regions, label.valid_until, label.sensitivity, label.laws)
    return written | {"kinds": list(label.kinds), "origins": [label.origin] if label.origin else []}


def _of_part(part: Portion, whole: JsonObject) -> JsonObject:
    written = _written(part.purposes, part.regions, part.valid_until, part.sensitivity, part.laws)
    return whole | {name: value for name, value in written.items() if value not in (None, [])}


def _written(
    purposes: Sequence[str] | None,
    regions: Sequence[str] | None,
    until: datetime | None,
    sensitivity: Sensitivity | None,
    laws: Sequence[str],
) -> JsonObject:
    written: JsonObject = {"laws": list(laws)}
    written |= {} if purposes is None else {"purposes": sorted({canonical(one) or one for one in purposes})}
    written |= {} if regions is None else {"regions": sorted(set(regions))}
    written |= {} if until is None else {"valid_until": stamp(until)}
    return written | ({} if sensitivity is None else {"sensitivity": sensitivity.value})
