"""Translates what another connector said in English into the reader's language.

Other connectors send sentences, not msgids. If a sentence is one of this program's, with its placeholders filled, it
is found among the msgids of the catalogue, its placeholders are extracted, and it is rendered again. An unrecognised
sentence stays as it is; nothing is invented.

Several sentences are told one by one, so that one that is not recognised leaves the others alone.

Whoever sends a sentence may have made it to be expensive: many texts within texts, each read again. So a sentence has
a length, and a number of msgids that it is compared with, gaps included; what is left then stays as it was said.
"""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from medspace.app.node.language import CHINESE, DOMAIN
from medspace.connector.reasons import REQUIRED
from medspace.core.text import STOPS, Fact, Text, msgid
from medspace.policy.operands import OPERANDS

LEAST = 8  # letters of its own that a msgid must have: `{reason}` alone would fit everything
KEY = 3  # first characters by which the msgids are found that a sentence may be
KEPT = 512  # sentences that are remembered: a page asks for the same ones again and again
MOST_TOLD = 1_000  # characters of all sentences that are told together
_GAP = re.compile(r"\{(\w+)\}")
# Where one sentence ends and the next begins, which may have the name of its clause before it.
_BETWEEN = re.compile(r"(?<=[.。]) (?=[A-Z]|[a-z/][\w./-]*: [A-Z])")
_CLAUSE = re.compile(r"[a-z/][\w./-]*: (?=[A-Z])")
_TOGETHER = msgid("{first} {rest}")
_UNDER = msgid("{clause}: {told}")
_JOINS = {
    " or ": msgid("{first} or {rest}"),
    " and ": msgid("{first} and {rest}"),
}  # as `policy.operands` joins values


@dataclass(frozen=True, slots=True)
class RetellingBounds:
    """The limits for one sentence: its characters, those of a placeholder, nesting, comparisons per sentence."""

    longest: int = 400
    gap: int = 300
    deepest: int = 1
    share: int = 2


BOUNDS = RetellingBounds()


@dataclass(frozen=True, slots=True)
class Recognised:
    """The meaning of a sentence, None if it is not one of ours; `tried` counts the msgids it was compared with."""

    text: Text | None
    tried: int


def retold(sentence: str, speak: Callable[[str], str]) -> str:
    """The sentence in the language of `speak`, where it is one of this program's; else as it is."""
    longest = max(map(len, _BETWEEN.split(sentence)))
    return sentence if longest > BOUNDS.longest or len(sentence) > MOST_TOLD else _retold(sentence, speak)


@lru_cache(KEPT)
def _retold(sentence: str, speak: Callable[[str], str]) -> str:
    found = None if _speaks_english(speak) else recognised(sentence).text
    return found.render(speak) if found is not None else sentence


def rendered(text: Text, speak: Callable[[str], str]) -> str:
    """A text in the language of `speak`, and what another connector said within it as well."""
    return _reread(text, speak).render(speak)


def _reread(text: Text, speak: Callable[[str], str]) -> Text:
    facts: dict[str, Fact | Text] = {}
    for name, fact in text.facts.items():
        if isinstance(fact, Text):
            facts[name] = _reread(fact, speak)
        elif isinstance(fact, str) and " " in fact and (told := retold(fact, speak)) != fact:  # one word is a name
            facts[name] = Text("{told}", {"told": told})  # as a text it gives up its full stop where it stands within
        else:
            facts[name] = fact
    return Text(text.msgid, facts)


def recognised(sentence: str, bounds: RetellingBounds = BOUNDS) -> Recognised:
    """The msgid that matches most of the sentence literally, with its placeholders filled; within the limits."""
    reading = _RetellingAttempt(bounds)
    return Recognised(reading.sentences(sentence), reading.tried)


def _speaks_english(speak: Callable[[str], str]) -> bool:
    return speak(_TOGETHER) == _TOGETHER


class _RetellingAttempt:
    """The matching of one sentence, and how many msgids it and its placeholders have been compared with."""

    def __init__(self, bounds: RetellingBounds) -> None:
        self._bounds, self._most = bounds, bounds.share * _patterns().count
        self.tried = 0

    def sentences(self, said: str) -> Text | None:
        """One msgid that says all of it, or else what each sentence says; None where none is recognised."""
        whole = self._sentence(said)
        pieces = _BETWEEN.split(said)
        if whole is not None:
            return whole
        texts = [self._of_clause(piece) for piece in pieces]
        if len(pieces) == 1:
            return texts[0]
        told: Fact | Text = texts[-1] or pieces[-1]
        for text, piece in zip(texts[-2::-1], pieces[-2::-1], strict=True):
            told = Text(_TOGETHER, {"first": text or piece, "rest": told})
        return told if isinstance(told, Text) and any(texts) else None

    def _of_clause(self, said: str) -> Text | None:
        """One sentence, with or without the name of its clause before it."""
        clause = _CLAUSE.match(said)
        told = self._sentence(said) or (self._sentence(said[clause.end() :]) if clause else None)
        named = clause is not None and told is not None and told.msgid != _UNDER
        return Text(_UNDER, {"clause": clause[0][:-2], "told": told}) if named and clause and told else told

    def _sentence(self, said: str) -> Text | None:
        return self.text(said, self._bounds.deepest) if len(said) <= self._bounds.longest else None

    def text(self, sentence: str, depth: int) -> Text | None:
        """The best matching msgid; None also if the maximum number of comparisons was reached."""
        known = _patterns()
        if sentence in known.whole:
            return Text(sentence)
        best: tuple[_Pattern, Mapping[str, str]] | None = None
        for pattern in known.near(sentence):  # the most words of their own first
            if self.tried >= self._most or (best is not None and pattern.words < best[0].words):
                break
            self.tried += 1
            gaps = pattern.gaps(sentence, self._bounds.gap)
            if gaps is not None and (best is None or known.meant(gaps) > known.meant(best[1])):
                best = pattern, gaps
        if best is None:
            return None
        if best[0].msgid == REQUIRED:
            asked = best[1]["asked"]
            return Text(REQUIRED, {"asked": self._demand(asked) or self._fact(asked, depth)})
        return Text(best[0].msgid, {name: self._fact(said, depth) for name, said in best[1].items()})

    def _demand(self, said: str) -> Text | None:
        """What terms require, in the few words that they have for it: "by X" alone would fit too much elsewhere."""
        for pattern in _demands():
            self.tried += 1
            gaps = pattern.gaps(said, self._bounds.gap)
            if gaps is not None:
                return Text(pattern.msgid, {name: _values(value) for name, value in gaps.items()})
        return None

    def _fact(self, said: str, depth: int) -> Fact | Text:
        """The value of a placeholder; an inner sentence dropped its full stop where the outer one sets its own."""
        if depth == 0:
            return said
        return self.text(said, depth - 1) or self.text(said + STOPS[0], depth - 1) or said


def _values(said: str) -> Fact | Text:
    """One value of a demand, or several."""
    if said in _patterns().whole:
        return Text(said)
    for word, joined in _JOINS.items():
        first, _, rest = said.partition(word)
        if rest:
            return Text(joined, {"first": _values(first), "rest": _values(rest)})
    return said


class _Pattern:
    """A msgid with placeholders, split into its literal parts; `anchor` is the longest of them."""

    __slots__ = ("anchor", "msgid", "names", "parts", "words")

    def __init__(self, msgid: str) -> None:
        self.msgid = msgid
        pieces = _GAP.split(msgid)
        self.parts, self.names = pieces[::2], pieces[1::2]
        self.anchor = max(self.parts, key=len)
        self.words = sum(sum(one.isalpha() for one in part) for part in self.parts)  # how many letters are its own

    def gaps(self, sentence: str, longest: int) -> dict[str, str] | None:
        """The placeholders' values in this sentence; None if it does not match. One pass, without backtracking."""
        first, *between = self.parts
        if not sentence.startswith(first) or not sentence.endswith(self.parts[-1]) or self.anchor not in sentence:
            return None
        at, found = len(first), dict[str, str]()
        for place, (name, part) in enumerate(zip(self.names, between, strict=True)):
            last = place == len(self.names) - 1
            end = len(sentence) - len(part) if last else sentence.find(part, at + 1, at + longest + len(part))
            filled = sentence[at:end]
            if not at < end <= at + longest or found.setdefault(name, filled) != filled or _BETWEEN.search(filled):
                return None
            at = end + len(part)
        return found


class _Known:
    """The msgids that can be recognised: those without placeholders, and patterns by their beginning."""

    def __init__(self, msgids: Sequence[str]) -> None:
        made = [one for one in map(_Pattern, msgids) if one.words >= LEAST]
        self.count = len(made)
        self.whole = {one.msgid: None for one in made if not one.names}
        self._near = _by_beginning([one for one in made if one.names])

    def meant(self, gaps: Mapping[str, str]) -> tuple[int, int]:
        """How many of what fills the gaps are texts that are known, and how few are not."""
        known = sum(said in self.whole for said in gaps.values())
        return known, known - len(gaps)

    def near(self, sentence: str) -> Sequence[_Pattern]:
        """The patterns that may match a sentence with this beginning, those with the most literal text first."""
        return self._near.get(sentence[:KEY], self._near[""])


def _by_beginning(patterns: Sequence[_Pattern]) -> Mapping[str, Sequence[_Pattern]]:
    """The patterns by first characters.

    One that begins with a placeholder, or nearly, is listed under each, and "".
    """
    ordered = sorted(patterns, key=lambda one: -one.words)
    keys = {one.parts[0][:KEY] for one in ordered if len(one.parts[0]) >= KEY} | {""}
    return {key: [one for one in ordered if len(one.parts[0]) < KEY or one.parts[0][:KEY] == key] for key in keys}


@cache
def _demands() -> Sequence[_Pattern]:
    """What terms may require, those with the most words of their own first."""
    phrases = {phrase for row in OPERANDS.values() for phrase in row.phrases.values()}
    return sorted(map(_Pattern, sorted(phrases)), key=lambda one: -one.words)


@cache
def _patterns() -> _Known:
    return _Known(_msgids())


def _msgids() -> list[str]:
    """The msgids of the compiled catalogue (GNU gettext manual, "The Format of GNU MO Files")."""
    catalogue = files("medspace.app") / "locale" / CHINESE / "LC_MESSAGES" / f"{DOMAIN}.mo"
    try:
        content = catalogue.read_bytes()
    except FileNotFoundError:  # a source tree whose catalogues have not been compiled yet
        return []
    count, table = struct.unpack_from("<8xII", content)
    places = (struct.unpack_from("<II", content, table + 8 * at) for at in range(count))
    return [content[start : start + size].decode() for size, start in places if size]
