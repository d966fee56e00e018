"""The pages of policies: what any ODRL policy means for one request, and what clashes in the terms of an offer."""

from typing import Any

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.features.terms import policy_examples
from medspace.app.features.terms.report_lines import lines
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.policy.evaluation import documents
from medspace.policy.jsonld import malformed

LARGEST_FORM = 1 << 20  # bytes
LONGEST_TIME = 64  # characters
DOCUMENTS = ("policy", "request", "state")


async def policies(visit: PortalVisit) -> Response:
    """Try out a policy; with `example` the forms are filled in."""
    return visit.page("terms/policies.html", **_facts(policy_examples.FILLED.get(visit.query("example"), {})))


def _facts(typed: JsonObject) -> dict[str, Any]:
    fields = {name: typed.get(name, "") for name in (*DOCUMENTS, "at", "terms")}
    return {"typed": fields, "reports": None, "turtle": "", "clashes": None}


async def evaluate(visit: PortalVisit) -> Response:
    """A report on each thing that is requested: the verdict, each rule, each premise with the values compared."""
    typed = {name: visit.field(name) for name in (*DOCUMENTS, "at")}
    facts = _facts(typed)
    try:
        asked: JsonObject = {name: _document(typed[name]) for name in DOCUMENTS if typed[name] or name != "state"}
        found = await visit.post("/policy/evaluate", asked | {"at": typed["at"][:LONGEST_TIME]})
    except InquiryError as error:
        return visit.refused("terms/policies.html", error, **facts)
    except InvalidInputError as error:
        return visit.invalid("terms/policies.html", error, **facts)
    reports = [{"permitted": one["verdict"] == "permit", "lines": list(lines(one))} for one in found["reports"]]
    return visit.page("terms/policies.html", **facts | {"reports": reports, "turtle": str(found["turtle"])})


async def check(visit: PortalVisit) -> Response:
    """What clashes in the terms of an offer, with the fewest clauses that make it so."""
    facts = _facts({"terms": visit.field("terms")})
    try:
        terms = _document(visit.field("terms"))
        if not isinstance(terms, dict):
            raise malformed("", Text(msgid("it is not one JSON object")))
        found = await visit.post("/policy/check", {"policy": terms})
    except InquiryError as error:
        return visit.refused("terms/policies.html", error, **facts)
    except InvalidInputError as error:
        return visit.invalid("terms/policies.html", error, **facts)
    return visit.page("terms/policies.html", **facts | {"clashes": found["clashes"]})


def _document(text: str) -> Json:
    """JSON-LD where the text begins as JSON does; anything else is Turtle, and is read by the route.

    Raises:
        InvalidPolicyError: it is neither.
    """
    return documents.decode(text) if text.startswith(("{", "[")) or not text else text
