"""The codes of the Data Use Ontology as clauses of terms: what each of them says here, or why it is not enforced."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medspace.core.text import Text, msgid
from medspace.policy.data import table
from medspace.policy.errors import ConsentCodeError, ConsentValueError
from medspace.policy.purposes import DISEASE


@dataclass(frozen=True, slots=True)
class ConsentCode:
    """One code: the terms that it means, the term whose value it needs, or why it has none."""

    code: str
    short: str
    words: str
    terms: Mapping[str, Any]
    needs: str
    why: str

    @property
    def enforced(self) -> bool:
        """Whether terms here can say it."""
        return not self.why


CONSENTS: Mapping[str, ConsentCode] = {
    one["code"]: ConsentCode(
        one["code"], one["short"], one["words"], one.get("terms", {}), one.get("needs", ""), one.get("why", "")
    )
    for one in table("consents")
}


def find(name: str) -> ConsentCode:
    """The code of that name: DUO:0000006, DUO_0000006, its IRI, or its short name.

    Raises:
        ConsentCodeError: there is none.
    """
    plain = name.rpartition("/")[2].replace("DUO_", "DUO:")
    for one in CONSENTS.values():
        if plain == one.code or (one.short and name == one.short):
            return one
    raise ConsentCodeError(code=name[:64])


def terms_of(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The terms that several codes mean together, for `templates.build`; lists under one name are joined.

    `values` has what codes leave open, such as the `regions` of a geographical restriction.

    Raises:
        ConsentCodeError: a code is unknown.
        ConsentValueError: a code is not enforced here, or its value is missing.
    """
    found: dict[str, Any] = {}
    for one in map(find, names):
        if one.why:
            raise ConsentValueError(code=one.code, reason=Text(one.why))
        if one.needs and not _stated(values.get(one.needs)):
            raise ConsentValueError(code=one.code, reason=Text(msgid("it needs {term}"), {"term": one.needs}))
        said = dict(one.terms) | (_needed(one.needs, values[one.needs]) if one.needs else {})
        for term, value in said.items():
            both = isinstance(value, list) and isinstance(found.get(term), list)
            found[term] = sorted({*found[term], *value}) if both else value
    return found


def _needed(term: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - of the type that the term has
    """A value that was given for a code; a disease is part of the purpose."""
    return {"purposes": [f"{DISEASE}/{value}"]} if term == "disease" else {term: value}


def _stated(value: object) -> bool:
    """Whether something that terms could hold was given: a text, or several."""
    listed = value if isinstance(value, list | tuple) else [value]
    return bool(listed) and all(isinstance(one, str) and one for one in listed)
