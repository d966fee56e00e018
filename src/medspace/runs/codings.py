"""Do the sites' published dictionaries fit the task, and one another? Checked before any site is asked for anything.

This finds what no single site would notice: a column in other units, a code with another meaning, a list of
codes that the task does not name. What only may differ is said (`remarks`): a unit that one site states and another
does not. Dictionaries of others are untrusted text: read with bounds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from math import inf, isfinite

import msgspec

from medspace.core import units
from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid, plain
from medspace.runs.errors import CodingDiffersError, UnitsDifferError
from medspace.runs.ports import Need

LONGEST_WORD = 60  # characters of an outside text that are shown
MOST_WORDS = 5  # codes that are named one by one
MOST_COLUMNS = 10_000
FARTHEST = 1e12  # from 0; no measurement is farther
MOST_CODES = 10_000  # of one column
MOST_NEAR = 500  # columns searched for a similar name
LONGEST_NAME = 128  # characters of a name that may be meant
OTHER_SCALE = 5  # times as wide: the ranges of one measure differ less, those of two units mostly more
DATE = "date"
UNKNOWN_COLUMN, UNKNOWN_LEVEL = "learning.column_unknown", "learning.level_unknown"
CODES = frozenset({UNKNOWN_COLUMN, UNKNOWN_LEVEL})


class Described(msgspec.Struct, frozen=True):
    """A column as a site publishes it (`core.dictionary.describe`); bounds are texts.

    `others` says that it has codes besides those listed.
    """

    name: str
    type: str = ""
    unit: str = ""
    system: str = ""
    codes: dict[str, str] = {}
    minimum: str | None = None
    maximum: str | None = None
    missing: list[str] = []
    others: bool = False

    @property
    def coded(self) -> bool:
        """Whether it holds codes and nothing that counts as a number."""
        return self.type == "code"

    @property
    def only_numbers(self) -> bool:
        """Whether it holds numbers and nothing that counts as a code."""
        return self.type in ("number", "integer")


class _Dictionary(msgspec.Struct, frozen=True):
    columns: list[Described]
    person: str | None = None


Columns = Mapping[str, Described]
Problem = tuple[str, Text]  # code and reason


def check(site: str, needs: Sequence[Need], dictionary: JsonObject) -> Columns:
    """The columns that a site publishes, by their names, once they fit the task.

    Raises:
        CodingDiffersError: it is not a valid dictionary, or a column is not what the task expects.
    """
    columns = read(site, dictionary)
    for code, reason in filter(None, (_alone(need, columns) for need in needs)):
        raise CodingDiffersError(site=site, reason=reason, refusal=code)
    return columns


def read(site: str, dictionary: JsonObject) -> Columns:
    """The columns of a published dictionary by their names, without that of the pseudonyms.

    Raises:
        CodingDiffersError: it is not a valid dictionary, or too large.
    """
    try:
        published = msgspec.convert(dictionary, _Dictionary)
    except msgspec.ValidationError:
        raise CodingDiffersError(site=site, reason=Text(msgid("its published dictionary cannot be read"))) from None
    columns = published.columns
    if len(columns) > MOST_COLUMNS or any(max(len(one.codes), len(one.missing)) > MOST_CODES for one in columns):
        raise CodingDiffersError(site=site, reason=Text(msgid("its published dictionary is too large")))
    return {column.name: column for column in columns if column.name != published.person}


def spans(columns: Columns) -> dict[str, tuple[float, float]]:
    """The ranges of a site's columns; only those with plausible bounds on both sides."""
    found = {name: (0.0, 1.0) if column.type == "flag" else _range(column) for name, column in columns.items()}
    return {
        name: ends for name, ends in found.items() if isfinite(ends[0]) and isfinite(ends[1]) and ends[0] < ends[1]
    }


def compare(needs: Sequence[Need], published: Mapping[str, Columns]) -> dict[str, CodingDiffersError]:
    """What differs between sites, by site; sites that are not in the answer fit.

    `published` holds the checked columns of the sites that publish a dictionary, in the order of the run: where two
    differ, the one that comes later is named, with the one that it differs from.
    """
    fitting: dict[str, Columns] = {}
    found: dict[str, CodingDiffersError] = {}
    for site, columns in published.items():
        problems = (_among(need, columns[need.column], fitting) for need in needs)
        problem = next(filter(None, problems), None)
        if problem is None:
            fitting[site] = columns
        else:
            raised = UnitsDifferError if problem[0] == UnitsDifferError.code else CodingDiffersError
            found[site] = raised(site=site, reason=problem[1], refusal=problem[0])
    return found


def remarks(needs: Sequence[Need], published: Mapping[str, Columns]) -> tuple[Text, ...]:
    """What may differ between these sites, as far as what they publish tells; for a person to look at.

    `published` holds the checked columns of sites that fit one another (`compare`).
    """
    found: list[Text] = []
    for need in needs:
        described = {site: columns[need.column] for site, columns in published.items()}
        found += _of_codes(need, described) if need.coded else _of_numbers(need, described)
    return tuple(found)


# --- one site against the task ----------------------------------------------------------------------------------


def _alone(need: Need, columns: Columns) -> Problem | None:
    column = columns.get(need.column)
    if column is None:
        return UNKNOWN_COLUMN, _no_column(need.column, columns)
    said = {"column": need.column}
    if not need.coded:
        reason = Text(msgid("the column {column} holds codes, and the task takes it for numbers"), said)
        return (UNKNOWN_COLUMN, reason) if column.coded else None
    if column.only_numbers:
        return UNKNOWN_COLUMN, Text(msgid("the column {column} holds numbers, and the task takes it for codes"), said)
    return _codes(need, column)


def _no_column(name: str, columns: Columns) -> Text:
    near = get_close_matches(name, [one for one in islice(columns, MOST_NEAR) if len(one) <= LONGEST_NAME], n=1)
    if near:
        return Text(
            msgid("there is no column {column}, but there is {near}"), {"column": name, "near": _word(near[0])}
        )
    return Text(msgid("there is no column {column}"), {"column": name})


def _codes(need: Need, column: Described) -> Problem | None:
    missing, levels = set(column.missing), set(need.levels)
    listed = [code for code in column.codes if code not in missing]
    if not listed:
        return None
    unnamed = [code for code in listed if code not in levels]
    said: dict[str, Fact | Text] = {"column": need.column, "levels": _words(need.levels)}
    if len(unnamed) == len(listed) and not column.others:
        sentence = msgid(
            "the column {column} has the codes {codes}, and none of those that the task names ({levels})"
        )
        return UNKNOWN_LEVEL, Text(sentence, said | {"codes": _words(listed)})
    if unnamed and need.whole:
        sentence = msgid("the column {column} has the codes {codes}, which the task does not name among its levels")
        return UNKNOWN_LEVEL, Text(sentence, said | {"codes": _words(unnamed)})
    return None


# --- one site against those before it ---------------------------------------------------------------------------


def _among(need: Need, mine: Described, fitting: Mapping[str, Columns]) -> Problem | None:
    for other, columns in fitting.items():
        for differs in (_kinds, _units, _systems, _meanings, _ranges):
            facts = differs(mine, columns[need.column])
            if facts is not None:
                said: dict[str, Fact | Text] = {"column": need.column, "other": other, **facts}
                raised = UnitsDifferError if differs is _units else CodingDiffersError
                return raised.code, Text(_SENTENCES[differs], said)
    return None


def _kinds(mine: Described, theirs: Described) -> dict[str, Fact] | None:
    """Dates are counted in days, so that they fit no other numbers."""
    if (mine.type == DATE) is (theirs.type == DATE):
        return None
    return {"here": _word(mine.type), "there": _word(theirs.type)}


def _units(mine: Described, theirs: Described) -> dict[str, Fact] | None:
    if not mine.unit or not theirs.unit or units.same(mine.unit, theirs.unit):
        return None
    return {"here": _word(mine.unit), "there": _word(theirs.unit)}


def _systems(mine: Described, theirs: Described) -> dict[str, Fact] | None:
    if not mine.system or not theirs.system or _place(mine.system) == _place(theirs.system):
        return None
    return {"here": _word(mine.system), "there": _word(theirs.system)}


def _meanings(mine: Described, theirs: Described) -> dict[str, Fact] | None:
    for code, meaning in mine.codes.items():
        said = theirs.codes.get(code, "")
        if meaning and said and _plainly(meaning) != _plainly(said):
            return {"code": _word(code), "here": _word(meaning), "there": _word(said)}
    return None


def _ranges(mine: Described, theirs: Described) -> dict[str, Fact] | None:
    (low, high), (other_low, other_high) = _range(mine), _range(theirs)
    if low <= other_high and other_low <= high:
        return None
    return {"here": _shown_range((low, high)), "there": _shown_range((other_low, other_high))}


_Differs = Callable[[Described, Described], dict[str, Fact] | None]
_SENTENCES: Mapping[_Differs, str] = {
    _kinds: msgid("the column {column} is of the type {here}, but of the type {there} at {other}"),
    _systems: msgid("the column {column} is described by {here}, but by {there} at {other}"),
    _units: msgid("the column {column} is in {here}, but in {there} at {other}"),
    _meanings: msgid('the code {code} of the column {column} means "{here}", but "{there}" at {other}'),
    _ranges: msgid("the column {column} lies within {here}, but within {there} at {other}"),
}


# --- what only may differ -------------------------------------------------------------------------------------------


def _of_numbers(need: Need, described: Mapping[str, Described]) -> Iterator[Text]:
    stated = {site: column.unit for site, column in described.items() if column.unit}
    silent = [site for site in described if site not in stated]
    said: dict[str, Fact | Text] = {"column": need.column, "units": _words(sorted(set(stated.values())))}
    if stated and silent:
        sentence = msgid(
            "The column {column} is in {units} at {sites}, and no unit is stated at {silent}: ask for it before you "
            "train, or train without them."
        )
        yield Text(sentence, said | {"sites": _words(list(stated)), "silent": _words(silent)})
    if len(set(stated.values())) > 1:
        yield Text(msgid("The units of the column {column} are read as one: {units}."), said)
    if silent:
        yield from _of_scales(need, described)


def _of_scales(need: Need, described: Mapping[str, Described]) -> Iterator[Text]:
    """Ranges of very different width, where units do not tell why."""
    ends = {site: _range(column) for site, column in described.items()}
    widths = {site: high - low for site, (low, high) in ends.items() if isfinite(high - low) and high > low}
    if len(widths) < 2:  # noqa: PLR2004 - two can differ
        return
    narrow, wide = min(widths, key=widths.__getitem__), max(widths, key=widths.__getitem__)
    if widths[wide] >= OTHER_SCALE * widths[narrow]:
        facts: dict[str, Fact | Text] = {"column": need.column, "narrow": narrow, "wide": wide}
        facts |= {"here": _shown_range(ends[narrow]), "there": _shown_range(ends[wide])}
        sentence = msgid(
            "The column {column} lies within {here} at {narrow} and within {there} at {wide}, and not all state the "
            "unit: it may be another one."
        )
        yield Text(sentence, facts)


def _of_codes(need: Need, described: Mapping[str, Described]) -> Iterator[Text]:
    """Codes that mean something at one site, and nobody knows what at another."""
    explained = [site for site, column in described.items() if any(column.codes.get(code) for code in need.levels)]
    silent = [site for site in described if site not in explained]
    if explained and silent:
        facts: dict[str, Fact | Text] = {
            "column": need.column,
            "sites": _words(explained),
            "silent": _words(silent),
        }
        sentence = msgid(
            "What the codes of the column {column} mean is stated at {sites}, and not at {silent}: ask for it before "
            "you train, or train without them."
        )
        yield Text(sentence, facts)


def _range(column: Described) -> tuple[float, float]:
    return _bound(column.minimum, -inf), _bound(column.maximum, inf)


def _bound(text: str | None, otherwise: float) -> float:
    try:
        value = float(text) if text is not None else otherwise
    except ValueError:  # a date: ranges of dates say nothing about units
        return otherwise
    return value if isfinite(value) else otherwise


def _shown_range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g} - {ends[1]:g}"


# --- outside words ----------------------------------------------------------------------------------------------


def _plainly(text: str) -> str:
    return " ".join(text.casefold().split())


def _place(uri: str) -> str:
    """What a URI of a coding system names, however it is reached."""
    return uri.removeprefix("https://").removeprefix("http://").rstrip("/")


def _word(text: str) -> str:
    return plain(text)[:LONGEST_WORD]


def _words(texts: Sequence[str]) -> str:
    return ", ".join(_shown(texts))


def _shown(texts: Sequence[str]) -> Iterator[str]:
    yield from (_word(text) for text in texts[:MOST_WORDS])
    if len(texts) > MOST_WORDS:
        yield f"+{len(texts) - MOST_WORDS}"
