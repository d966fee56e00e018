"""The SDK's methods on issuers and credentials."""

from collections.abc import Mapping, Sequence

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import Json, JsonObject
from medspace.core.paths import path


class IssuersClient(Client):
    """The SDK's methods on issuers and credentials."""

    def issuers(self) -> JsonObject:
        """Who is believed for which credentials, as the authority signed it, and whom one leaves out."""
        return self._get("/issuers")

    def believe(
        self, type_: str, issuers: Sequence[str], *, claims: Sequence[str] | None = None, where: str = ""
    ) -> JsonObject:
        """As the authority: believe these issuers for a type of credentials and nobody else; none: nobody.

        `claims` are those that count, None all; `where` is the address at which people obtain such a credential.
        """
        said = {"type": type_, "issuers": list(issuers), "claims": None if claims is None else list(claims)}
        return self._post("/issuers", {**said, "where": where})

    def narrow_issuers(self, type_: str, issuers: Sequence[str] | None) -> JsonObject:
        """Believe only these of the issuers whom the authority believes for a type; None: all of them again."""
        return self._post("/issuers/narrow", {"type": type_, "issuers": None if issuers is None else list(issuers)})

    def refresh_issuers(self) -> JsonObject:
        """Fetch from the authority who is believed, now."""
        return self._post("/issuers/refresh", {})

    def received_credentials(self, *, subject: str = "", most: int = MOST) -> list[JsonObject]:
        """The newest credentials that others have proved here, or one participant has."""
        return self._pages("credentials", most, "/issuers/received", subject=subject)

    def issued_credentials(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest credentials that were issued here, each with who is `waiting` to be sent it."""
        return self._pages("credentials", most, "/issuers/issued")

    def issue_credential(
        self,
        subject: str,
        types: Sequence[str],
        until: str,
        *,
        claims: Mapping[str, Json] | None = None,
        since: str = "",
        receivers: Sequence[str] = (),
    ) -> JsonObject:
        """Sign a credential about a participant; it is sent to it and to the receivers (DIDs) at once."""
        said = {"subject": subject, "types": list(types), "claims": dict(claims or {}), "since": since}
        return self._post("/issuers/issued", {**said, "until": until, "receivers": list(receivers)})

    def revoke_issued(self, credential: str) -> JsonObject:
        """Revoke a credential that was issued here; what runs with it elsewhere ends as soon as the news arrives."""
        return self._post(path("issuers", "issued", credential, "revoke"), {})
