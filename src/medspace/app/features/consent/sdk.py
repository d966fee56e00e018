"""The SDK's methods on consents."""

from collections.abc import Mapping, Sequence
from typing import Any

from medspace.app.doors.sdk import Client
from medspace.core.canonical import Json, JsonObject
from medspace.core.paths import path


class ConsentClient(Client):
    """The SDK's methods on consents of patients, as the data holder."""

    def record_consents(self, documents: Sequence[Mapping[str, Any]]) -> JsonObject:
        """Record FHIR Consents (release 4 or 5); how many were `new`, the `same` or `old`, and how many uses ended.

        Raises:
            SpaceError: one is no consent (`consent.document`), or its version is taken (`consent.version`).
        """
        return self._post("/consent/record", {"documents": list(documents)})

    def withdraw_consent(self, patient: str, consent: str = "") -> JsonObject:
        """Record that a patient withdraws a consent, or all of hers; how many uses that ended."""
        return self._post("/consent/withdraw", {"patient": patient, "consent": consent})

    def describe_patients(self, patients: Sequence[Mapping[str, str]]) -> JsonObject:
        """Record of each `patient` the day of her majority (`adult`), or that of her death (`died`)."""
        return self._post("/consent/patients", {"patients": list(patients)})

    def explain_consent(self, patient: str, *, user: str = "", purpose: str = "") -> JsonObject:
        """What a patient allows, to a user (DID) and for a purpose if they are named, and by which provision."""
        return self._get(path("consent", "patients", patient), user=user, purpose=purpose)

    def undecided_patients(self, dataset: str, purpose: str, *, user: str = "") -> list[str]:
        """The patients whose consents leave open whether a purpose reaches them: a person has to decide."""
        return list(self._get(path("consent", "undecided", dataset), purpose=purpose, user=user)["patients"])

    def decide_consent(self, patient: str, dataset: str, purpose: str, *, allowed: bool, reason: str) -> JsonObject:
        """Record what a person decided on a patient, until she says something new; it never overrides a denial."""
        said = {"patient": patient, "dataset": dataset, "purpose": purpose, "allowed": allowed, "reason": reason}
        return self._post("/consent/decisions", said)

    def consent_receipt(self, patient: str) -> JsonObject:
        """What a patient keeps: her salt, and the numbers of her consents. It is a secret of hers."""
        return self._get(path("consent", "receipts", patient))

    def consent_proof(self, use: str, patient: str) -> JsonObject:
        """The file that proves that a use states that it counts a patient, or that it does not; it names nobody."""
        return self._get("/consent/proof", use=use, patient=patient)

    def uses_of_patient(self, patient: str) -> list[JsonObject]:
        """The uses that state that they count a patient: whose, what for, what left, what the contract `asks`."""
        return list(self._get(path("consent", "uses", patient))["uses"])

    def consent_datasets(self) -> list[JsonObject]:
        """The datasets under consent: edition, terms, and how many patients each purpose reaches."""
        return list(self._get("/consent/datasets")["datasets"])

    def put_consent_terms(self, dataset: str, column: str, **more: Json) -> JsonObject:
        """Say which column of a dataset names the patients, and what else its use under consent needs.

        `more` may have `whole` and `columns` (codes of the data), `since`, `until`, `names`, `after_death`.
        """
        return self._post(path("consent", "datasets", dataset), {"column": column, **more})

    def renew_consent_edition(self, dataset: str) -> JsonObject:
        """Begin the next edition of a dataset, if enough patients have said something new."""
        return self._post(path("consent", "renew", dataset), {})

    def replay_consent(self) -> JsonObject:
        """Every admission in the log against the consents of its moment; those `outside` consent are listed."""
        return self._get("/consent/replay")
