"""The SDK's methods on the privacy budgets of one's own datasets."""

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class BudgetClient(Client):
    """The SDK's methods on the privacy budgets of one's own datasets."""

    def budgets(self, *, most: int = MOST) -> list[JsonObject]:
        """The privacy budgets of one's own datasets: what is allowed, spent and left, and until when.

        `spent` is an epsilon, never underestimated; `counted` says whether it was computed from the noise itself
        ("pld") or converted from zCDP ("zcdp"), as `spent_zcdp` and the limit are.
        """
        return self._pages("budgets", most)

    def budget(self, dataset: str, *, most: int = MOST) -> JsonObject:
        """The privacy budget of one dataset, with its newest `debits`: by whom, for which task, when, how much."""
        found = self._get(path("budgets", dataset))
        while found["next"] and len(found["debits"]) < most:
            page = self._get(path("budgets", dataset), after=found["next"])
            found |= {"debits": [*found["debits"], *page["debits"]], "next": page["next"]}
        return found | {"debits": found["debits"][:most]}

    def renew_budget(self, dataset: str, *, anyway: bool = False) -> JsonObject:
        """Begin a new period of a budget whose period has ended.

        `anyway`: even if no other party confirms the time.
        """
        return self._post(path("budgets", dataset, "renew"), {"anyway": anyway})
