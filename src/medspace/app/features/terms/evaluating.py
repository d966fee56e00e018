"""Evaluating any ODRL policy against a request and a state of the world; nothing of this connector takes part."""

from collections.abc import Sequence
from pathlib import Path

from medspace.adapters.rdf import read_turtle
from medspace.app.features.terms.trying import instant_of
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.policy.evaluation import documents, reports
from medspace.policy.evaluation.deciding import PolicyReport
from medspace.policy.evaluation.service import evaluated

TURTLE = frozenset({".ttl", ".turtle", ".n3", ".nt"})


class PolicyFileError(InvalidInputError):
    """A file to evaluate cannot be opened."""

    code = "policy.file"
    sentence = msgid("{file} cannot be read.")
    next_step = msgid("Name a file that is there and that you may read.")


def of_file(file: Path) -> Json:
    """The document in a file: Turtle by the end of its name, otherwise JSON-LD.

    Raises:
        PolicyFileError: it is not there, or not to be read.
        MissingExtraError: it is Turtle, and rdflib is not installed.
        InvalidInputError: it is neither JSON nor Turtle, or too large.
    """
    try:
        content = file.read_bytes()
        return read_turtle(content.decode()) if file.suffix.lower() in TURTLE else documents.decode(content)
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(file=str(file)) from error


def evaluate(policy: Json, request: Json, state: Json = None, at: str = "") -> tuple[PolicyReport, ...]:
    """A report for each thing that is requested. Documents that are texts are Turtle, others decoded JSON-LD.

    Raises:
        InstantError: `at` is no instant with its zone.
        MissingExtraError: one is Turtle, and rdflib is not installed.
        InvalidInputError: one cannot be read; its code says why.
    """
    read = [read_turtle(one) if isinstance(one, str) else one for one in (policy, request, state)]
    return evaluated(read[0], read[1], read[2], instant_of(at) if at else None)


def told(found: Sequence[PolicyReport]) -> JsonObject:
    """Reports as the API answers them: whether all is permitted, each report, and all of them in Turtle."""
    return {
        "permitted": all(one.permitted for one in found),
        "reports": [reports.as_json(one) for one in found],
        "turtle": reports.as_turtle(*found),
    }
