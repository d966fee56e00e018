"""The SDK's methods for proof: who used what, from signed logs."""

from medspace.app.doors.sdk import MOST, Client
from medspace.app.node.lists import LARGEST_PAGE
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class AuditClient(Client):
    """The SDK's methods for proof: who used what, from signed logs."""

    def audit_bundle(self) -> JsonObject:
        """This connector's whole signed log, which anyone can verify offline."""
        return self._get("/audit/bundle")

    def checkpoints(self, *, most: int = MOST) -> list[JsonObject]:
        """Signed checkpoints of the log, newest first, with the receipts of the anchors that keep them."""
        return self._pages("checkpoints", most, "/audit/checkpoints")

    def audit_questions(self, *, use: str = "", dataset: str = "") -> JsonObject:
        """The questions that one's own datasets were asked, for an auditor: those of one use, or all."""
        return self._get("/audit/questions", use=use, dataset=dataset)

    def audit_records(self, run: str) -> JsonObject:
        """This connector's records of a masked run, for an auditor: sums over all of its sites."""
        return self._get(path("audit", "records", run))

    def audit_model(self, model: str) -> JsonObject:
        """A model, by its id or that of its run, for an auditor, with what its sites signed."""
        return self._get(path("audit", "models", model))

    def near_repeats(self, dataset: str = "", *, most: int = MOST) -> list[JsonObject]:
        """Tasks that differ in one respect only from one that one's own datasets answered before, with both."""
        return self._pages("near_repeats", most, "/audit/near-repeats", dataset=dataset)

    def audit_entries(self, *, before: int | None = None, limit: int = MOST, **wishes: str) -> JsonObject:
        """The newest entries of one's own log, from before an index: `{entries, size, next}`.

        `wishes` are `kind`, `dataset`, `party`, `actor`, `since` and `until`, as in the portal.
        """
        asked = {name: value for name, value in wishes.items() if value}
        return self._get(
            "/audit/search", limit=min(limit, LARGEST_PAGE), **asked, **({} if before is None else {"before": before})
        )

    def audit_entry(self, index: int) -> JsonObject:
        """The proof of one entry of one's own log, to be verified offline by anyone."""
        return self._get(path("audit", "proofs", str(index)))

    def audit_uses(self, dataset: str = "", *, user: str = "") -> list[JsonObject]:
        """Who used one's own datasets, or one of them: under which agreement, for what, when, what left.

        `user` is the DID of the one participant whose uses are wanted.
        """
        return list(self._get("/audit/uses", dataset=dataset, user=user)["uses"])

    def audit_users(self, dataset: str = "") -> list[JsonObject]:
        """The participants that used one's own datasets, or one of them: uses, agreements, questions, what left."""
        return list(self._get("/audit/uses", dataset=dataset)["users"])

    def audit_lineage(self, run: str) -> JsonObject:
        """Where the model of a run that was led here came from, as one's own log tells it."""
        return self._get(path("audit", "lineage", run))
