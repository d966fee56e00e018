"""The rulebook of one connector, in the words of a reader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medspace.app.doors.views import Speak, contract
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.policy import templates, words
from medspace.policy.classes import CLASSES, UsageClass
from medspace.policy.consents import CONSENTS, ConsentCode, terms_of
from medspace.policy.laws import Law, laws

NOTE = Text(msgid("This is a legal reading, not legal advice; each rule names its article."))


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What can be said in terms here; `duties` are those that a condition of this connector keeps or checks."""

    duties: frozenset[str]

    def classes(self, speak: Speak) -> list[JsonObject]:
        """The usage policy classes: whether each is enforced, where, or why not; an example, as JSON and in words."""
        return [self._class(one, speak) for one in CLASSES]

    def _class(self, one: UsageClass, speak: Speak) -> JsonObject:
        return {
            "class": one.name,
            "words": Text(one.words).render(speak),
            "enforced": one.enforced(self.duties),
            "place": one.place_words(self.duties).render(speak),
            "duty": one.duty,
            "terms": dict(one.terms),
            "contract": [text.render(speak) for text in one.said],
            "policy": one.document,
        }

    def consents(self, speak: Speak) -> list[JsonObject]:
        """The codes of the Data Use Ontology: the terms that each means, or why it is not enforced."""
        return [_consent(one, speak) for one in CONSENTS.values()]

    def consented(self, codes: Sequence[str], values: Mapping[str, Json], template: str, speak: Speak) -> JsonObject:
        """The terms that codes of consent mean together, and the offer of a template with them.

        Raises:
            ConsentCodeError, ConsentValueError: a code is unknown, not enforced, or needs a value.
            UnknownTemplateError, InvalidTermsError: the template or a value has no meaning.
        """
        terms = terms_of(codes, values)
        policy = templates.build(template, **terms)
        return {"terms": terms, "policy": policy, "contract": contract(policy, speak)}

    def laws(self, speak: Speak) -> JsonObject:
        """The rule packs: each rule with its article, what it demands, and how that is decided."""
        return {"laws": [_law(one, speak) for one in laws().values()], "note": NOTE.render(speak)}


def _consent(one: ConsentCode, speak: Speak) -> JsonObject:
    return {
        "code": one.code,
        "short": one.short,
        "words": Text(one.words).render(speak),
        "enforced": one.enforced,
        "terms": dict(one.terms),
        "needs": one.needs,
        "why": Text(one.why).render(speak) if one.why else "",
    }


def _law(one: Law, speak: Speak) -> JsonObject:
    rules = [
        {
            "article": rule.article,
            "words": Text(rule.words).render(speak),
            "decided": words.phrase(rule.constraint).render(speak),
        }
        for rule in one.rules
    ]
    return {"law": one.name, "words": Text(one.words).render(speak), "rules": rules}
