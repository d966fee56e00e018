"""The SDK's methods on data permits."""

from collections.abc import Mapping, Sequence
from typing import Any

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class PermitsClient(Client):
    """The SDK's methods on data permits."""

    def apply_for_permit(self, body: str, application: Mapping[str, Any]) -> JsonObject:
        """Apply at an access body (DID).

        An application has `datasets` (each `holder` and `dataset`), `people`, `purposes`, `since`, `until`, `title`,
        `summary`, `safeguards`, and may name an `ethics` approval.
        """
        return self._post("/permits", {"body": body, **application})

    def permits(self, *, side: str = "", state: str = "", most: int = MOST) -> list[JsonObject]:
        """The newest applications; as `applicant` or as access `body`, in a state, if given."""
        return self._pages("permits", most, side=side, state=state)

    def permit(self, case: str) -> JsonObject:
        """One application with its questions, answers and decision."""
        return self._get(path("permits", case))

    def answer_permit(self, case: str, text: str) -> JsonObject:
        """As the applicant, answer the question that is open."""
        return self._post(path("permits", case, "answer"), {"text": text})

    def withdraw_permit(self, case: str) -> JsonObject:
        """As the applicant, take an application back."""
        return self._post(path("permits", case, "withdraw"), {})

    def ask_permit(self, case: str, text: str) -> JsonObject:
        """As the access body, ask the applicant something."""
        return self._post(path("permits", case, "ask"), {"text": text})

    def decide_permit(
        self, case: str, reasons: str, *, granted: bool, less: Mapping[str, Any] | None = None
    ) -> JsonObject:
        """As the access body, grant or refuse, with reasons for the public.

        `less` may narrow what was applied for (`datasets`, `people`, `purposes`, `since`, `until`) and add
        `conditions`, `fees` (1200.00 EUR) and `opt_outs`, the law by which persons who opted out are not left out.
        """
        return self._post(path("permits", case, "decide"), {"granted": granted, "reasons": reasons, **(less or {})})

    def revoke_permit(self, case: str, reason: str) -> JsonObject:
        """As the access body, revoke a permit, with a reason for the public."""
        return self._post(path("permits", case, "revoke"), {"text": reason})

    def permit_register(self, body: str = "") -> list[JsonObject]:
        """The newest decisions of an access body (DID) in public words; of this one, if none is named."""
        return list(self._get("/permits/register", **({"body": body} if body else {}))["decisions"])

    def set_opt_outs(self, dataset: str, column: str, values: Sequence[str]) -> JsonObject:
        """As the data holder, say which rows are of persons who opted out: those with these values in a column."""
        return self._post(path("permits", "opt-outs", dataset), {"column": column, "values": list(values)})

    def opt_outs(self, dataset: str) -> JsonObject:
        """Whether the opt-outs of a dataset were said, in which column, and how many values."""
        return self._get(path("permits", "opt-outs", dataset))
