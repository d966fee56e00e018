"""The Link header (RFC 8288), read as its grammar has it: relations are words of a list, not parts of a text."""

import re
from collections.abc import Iterator

LONGEST_TARGET = 2048
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - RFC 9110 5.6.2, not a secret
_LINK = re.compile(r"[ \t,]*<(?P<target>[^<>]*)>")
_PARAMETER = re.compile(
    rf'[ \t]*;[ \t]*(?:(?P<name>{_TOKEN})[ \t]*(?:=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_TOKEN}))?)?)?'
)
_END = re.compile(r"[ \t]*(,|$)")


def link_target(header: str, relation: str) -> str | None:
    """The target of the first link of a relation, None where there is none; what cannot be read ends the header.

    A link whose context is another page (`anchor`) is none of this page.
    """
    for target, parameters in _links(header):
        words = parameters.get("rel", "").lower().split()
        if relation in words and "anchor" not in parameters and len(target) <= LONGEST_TARGET:
            return target
    return None


def _links(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    at = 0
    while link := _LINK.match(header, at):
        at, parameters = link.end(), dict[str, str]()
        while found := _PARAMETER.match(header, at):
            at = found.end()
            value = found["plain"] or re.sub(r"\\(.)", r"\1", found["quoted"] or "")
            parameters.setdefault((found["name"] or "").lower(), value)  # only the first `rel` counts (3.3)
        yield link["target"], parameters
        if not _END.match(header, at):
            return
