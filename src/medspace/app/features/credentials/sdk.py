"""The SDK's methods on credentials."""

from collections.abc import Mapping

from medspace.app.doors.sdk import Client
from medspace.core.canonical import Json, JsonObject
from medspace.core.paths import path


class CredentialsClient(Client):
    """The SDK's methods on credentials."""

    def credentials(self) -> JsonObject:
        """What is `held`, what was asked for (`requests`), offered (`offers`) and, as an issuer, `issued`."""
        return self._get("credentials")

    def request_credential(self, issuer: str, credential: str) -> JsonObject:
        """Ask an issuer (by its DID) for a credential, by its type; it is delivered once the issuer has decided."""
        return self._post("credentials/requests", {"issuer": issuer, "credential": credential})

    def waiting_credentials(self) -> list[JsonObject]:
        """As an issuer: the requests on which a person has to decide, and the claims to be `stated` for each."""
        return list(self._get("credentials/waiting")["requests"])

    def grant_credential(self, request: str, *, claims: Mapping[str, Json] | None = None) -> JsonObject:
        """As an issuer: issue what a request asks for, with the `claims` that the configuration leaves open."""
        return self._post(path("credentials", "waiting", request, "grant"), {"claims": dict(claims or {})})

    def refuse_credential(self, request: str, reason: str) -> JsonObject:
        """As an issuer: refuse a request; its holder is told the reason."""
        return self._post(path("credentials", "waiting", request, "refuse"), {"reason": reason})

    def present_credential(self, credential_type: str, to: str) -> JsonObject:
        """A signed `presentation` of one's newest credential of a type, which only the DID `to` can use."""
        return self._post("credentials/presentations", {"type": credential_type, "to": to})

    def revoke_credential(self, credential: str) -> JsonObject:
        """As the issuer, take a credential back, for good, by its id."""
        return self._post("credentials/revocations", {"credential": credential})
