"""The SDK's methods on wallets of patients, for the data office of a hospital."""

from collections.abc import Mapping
from typing import Any

from medspace.app.doors.sdk import Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class WalletsClient(Client):
    """The SDK's methods on wallets."""

    def invite_patient(self, patient: str) -> JsonObject:
        """Invite a patient; told once: `link` for a wallet, `page` with the link in it, and the `pin` beside them."""
        return self._post("/wallets/invitations", {"patient": patient})

    def wallet_patients(self) -> list[JsonObject]:
        """Patients with a wallet: how many keys stand for each, and how many consents count."""
        return list(self._get("/wallets")["patients"])

    def retire_wallets(self, patient: str) -> JsonObject:
        """Have no key stand for a patient any more; how many did."""
        return self._post("/wallets/retired", {"patient": patient})

    def publish_consent_form(self, form: str, content: Mapping[str, Any]) -> JsonObject:
        """Publish a form that patients are asked for: `purpose`, `words` (en, zh: title, what, who), `provision`."""
        return self._post(path("wallets", "forms", form), dict(content))

    def consent_forms(self) -> list[JsonObject]:
        """All forms, those that are not offered any more included."""
        return list(self._get("/wallets/forms")["forms"])
