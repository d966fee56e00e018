"""What the parser of the command line objects to, as sentences that can be said in any language.

The parser has no catalogue of its own: its English sentences are told apart by their form, and what fills their gaps
is kept.
"""

import re
from collections.abc import Mapping
from functools import cache
from string import Formatter

from medspace.core.text import Fact, Text, msgid

# What the parser says, and the sentence for it. The first whose form fits is taken, so what says more comes first.
_SENTENCES: Mapping[str, str] = {
    **{
        one: one
        for one in (
            msgid("No such command {name}. Did you mean {others}?"),
            msgid("No such command {name}."),
            msgid("Missing command."),
            msgid("No such option: {option} (Possible options: {others})"),
            msgid("No such option: {option}"),
            msgid("Missing argument {name}."),
            msgid("Missing option {name}."),
            msgid("Option {option} requires an argument."),
            msgid("Option {option} does not take a value."),
            msgid("Got unexpected extra argument(s) ({arguments})"),
            msgid("Invalid value for {name}: {reason}"),
            msgid("Invalid value: {reason}"),
        )
    },
    "Input should be a valid number, unable to parse string as a number": msgid("it is not a number"),
    "Input should be a valid integer, unable to parse string as an integer": msgid("it is not a whole number"),
    "Input should be greater than or equal to {bound}": msgid("it is less than {bound}"),
    "Input should be less than or equal to {bound}": msgid("it is more than {bound}"),
}


def objection(said: str) -> Text:
    """What the parser said; a sentence that is not known stays as it is."""
    for form, sentence in _SENTENCES.items():
        found = _form(form).fullmatch(said)
        if found:
            facts: dict[str, Fact | Text] = {name: _fact(name, value) for name, value in found.groupdict().items()}
            return Text(sentence, facts)
    return Text("{said}", {"said": said})


def _fact(name: str, value: str) -> Fact | Text:
    return objection(value) if name == "reason" else value


@cache
def _form(sentence: str) -> re.Pattern[str]:
    parts = [(re.escape(text), name) for text, name, _, _ in Formatter().parse(sentence)]
    return re.compile("".join(text + (f"(?P<{name}>.+)" if name else "") for text, name in parts), re.DOTALL)
