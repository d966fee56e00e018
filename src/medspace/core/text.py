"""Sentences for people, kept apart from their facts so that they can be said in any language.

A msgid is the English sentence with named gaps; `app.language` looks it up in the gettext catalogues.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Fact = str | int | float
STOPS = (".", "。")


def msgid(sentence: str) -> str:
    """Mark a sentence for extraction into the catalogues; it is returned as it is."""
    return sentence


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence with named gaps (`{name}`) and what fills them; a gap may hold another text."""

    msgid: str
    facts: Mapping[str, "Fact | Text"] = field(default_factory=dict)

    def render(self, translate: Callable[[str], str]) -> str:
        """The sentence in the language of `translate`, gaps filled."""
        sentence = translate(self.msgid)
        filled = {
            name: _within(sentence, name, fact.render(translate)) if isinstance(fact, Text) else fact
            for name, fact in self.facts.items()
        }
        return sentence.format(**filled)

    def __str__(self) -> str:
        return self.render(lambda sentence: sentence)


def _within(sentence: str, name: str, inner: str) -> str:
    """An inner sentence gives up its full stop where the outer one sets its own."""
    stopped = any(f"{{{name}}}{stop}" in sentence for stop in STOPS)
    return inner.rstrip("".join(STOPS)) if stopped else inner


def counted(count: int, one: str, many: str) -> Text:
    """A number of things in the form for one or for any other number; `{count}` is the gap for it.

    Both are sentences by themselves, so a language without plural translates both alike.
    """
    return Text(one if count == 1 else many, {"count": count})


def plain(text: str) -> str:
    """One line as it may stand on a screen: what drives a terminal or turns the reading direction becomes a space."""
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)
