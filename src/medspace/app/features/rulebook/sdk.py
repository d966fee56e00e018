"""The SDK's methods on the rulebook."""

from collections.abc import Iterable

from medspace.app.doors.sdk import Client
from medspace.core.canonical import Json, JsonObject


class RulebookClient(Client):
    """The SDK's methods on what terms can say, and what holds."""

    def usage_classes(self) -> list[JsonObject]:
        """The 21 usage policy classes: `enforced` or not, `place` or why not, an example in words and as `policy`."""
        return list(self._get("/rulebook/classes")["classes"])

    def consent_codes(self) -> list[JsonObject]:
        """The codes of the Data Use Ontology: the `terms` of each, what it `needs`, or `why` it is not enforced."""
        return list(self._get("/rulebook/consents")["consents"])

    def consent_terms(self, codes: Iterable[str], *, template: str = "train-only", **values: Json) -> JsonObject:
        """The `terms` that codes of consent mean together, with an offer (`policy`) and its `contract` in words.

        `values` has what a code leaves open: `regions`, `recipients`, `purposes`, `elapsed`.

        Raises:
            SpaceError: a code is unknown (`consent.unknown`) or cannot be part of terms (`consent.not_enforced`).
        """
        return self._post("/rulebook/consents", {"codes": list(codes), "values": values, "template": template})

    def rule_packs(self) -> list[JsonObject]:
        """The rule packs that a label may name: each rule with its article. A legal reading, not legal advice."""
        return list(self._get("/rulebook/laws")["laws"])
