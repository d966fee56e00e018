"""The door of wallets: OpenID4VCI, OpenID4VP, the status list and the page, on an origin of their own.

Security model: nobody has a session, and no cookie is set or read, so pages of other origins may call (CORS): a
wallet holds cards of several hospitals. Every route answers at the host of `wallets.url` only; at the address of the
connector there is nothing of it but `POST /wallet/commitments`, and that at the authority alone. What a wallet does
is signed by the patient's key; sizes are bounded, and the listener bounds how often an address may call.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from medspace.app.doors.bodies import json_response, problem_of, read_body, request_language, retry_after, status_of
from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, msgid

if TYPE_CHECKING:
    from medspace.app.features.wallets.page import WalletPage
    from medspace.app.features.wallets.service import Wallets

LARGEST_BODY = 128 * 1024
OPEN = {  # to pages of all origins: nothing here depends on who asks
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "authorization, content-type, accept-language",
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Max-Age": "600",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_OAUTH = {  # RFC 6749 5.2, OpenID4VCI 1.0 8.3.1: what programs of others know these by
    "wallet.offer": "invalid_grant",
    "wallet.pin": "invalid_grant",
    "wallet.token": "invalid_token",
    "wallet.proof": "invalid_proof",
}
Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class WalletDoor:
    """The routes for wallets of a connector."""

    node: Node

    @cached_property
    def wallets(self) -> "Wallets":
        """The service; a connector to which no wallet comes does without."""
        from medspace.app.features.wallets import service  # noqa: PLC0415 - as above

        return service.wallets_of(self.node)

    @cached_property
    def page(self) -> "WalletPage":
        """The files of the page, read on first use."""
        from medspace.app.features.wallets.page import WalletPage  # noqa: PLC0415 - as above

        return WalletPage(self.node.config.wallets.origin)

    def routes(self) -> list[Route]:
        """The routes of the public listener."""
        own = self._own() if self.node.config.wallets.url else []
        if not self.node.config.is_authority:
            return own
        return [*own, Route("/wallet/commitments", _open(self._commit), methods=["POST", "OPTIONS"])]

    def _own(self) -> list[Route]:
        asked: list[tuple[str, str, Answer]] = [
            ("GET", "/.well-known/openid-credential-issuer", self._issuer),
            ("GET", "/.well-known/oauth-authorization-server", self._authorisation),
            ("GET", "/.well-known/jwt-vc-issuer", self._keys),
            ("POST", "/oid4vci/token", self._token),
            ("POST", "/oid4vci/nonce", self._nonce),
            ("POST", "/oid4vci/credential", self._credential),
            ("GET", "/oid4vci/status/1", self._status),
            ("POST", "/oid4vp/requests", self._request),
            ("POST", "/oid4vp/responses", self._response),
            ("GET", "/wallet/about", self._about),
            ("POST", "/wallet/recover", self._recover),
        ]
        routes = [Route(path, self._here(_open(answer)), methods=[verb, "OPTIONS"]) for verb, path, answer in asked]
        return [
            *routes,
            Route("/", self._here(self._file), methods=["GET"]),
            Route("/wallet-page/{name}", self._here(self._file), methods=["GET"]),
            Route("/wallet-worker.js", self._here(self._file), methods=["GET"]),
        ]

    def _here(self, answer: Answer) -> Answer:
        """Only at the host of wallets."""
        host = self.node.config.wallets.host

        async def answered(request: Request) -> Response:
            if request.headers.get("host", "").lower() != host:
                return Response(status_code=404)
            return await answer(request)

        return answered

    async def _file(self, request: Request) -> Response:
        return self.page.answer(request)

    # --- OpenID4VCI ------------------------------------------------------------------------------------------

    async def _issuer(self, _: Request) -> Response:
        from medspace.services.wallets import issuing  # noqa: PLC0415 - as above

        return json_response(issuing.metadata(self.node.config.wallets.origin))

    async def _authorisation(self, _: Request) -> Response:
        from medspace.services.wallets import issuing  # noqa: PLC0415 - as above

        return json_response(issuing.authorisation_metadata(self.node.config.wallets.origin))

    async def _keys(self, _: Request) -> Response:
        from medspace.services.wallets import issuing  # noqa: PLC0415 - as above

        return json_response(issuing.issuer_metadata(self.wallets.issuer))

    async def _token(self, request: Request) -> Response:
        from medspace.services.wallets import issuing  # noqa: PLC0415 - as above

        said = await _form(request)
        if said.get("grant_type") != issuing.GRANT:
            return json_response({"error": "unsupported_grant_type"}, 400)
        token = await self.wallets.redeem(said.get("pre-authorized_code", ""), said.get("tx_code", ""))
        seconds = int(issuing.CODED.total_seconds())
        return json_response({"access_token": token, "token_type": "Bearer", "expires_in": seconds})

    async def _nonce(self, _: Request) -> Response:
        return json_response({"c_nonce": self.wallets.nonce()})

    async def _credential(self, request: Request) -> Response:
        from medspace.services.wallets import issuing  # noqa: PLC0415 - as above

        proof, recovery = issuing.read_card_wish(await _json(request))
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        text = await self.wallets.card(token if kind.lower() == "bearer" else "", proof, recovery)
        return json_response({"credentials": [{"credential": text}]})

    async def _status(self, _: Request) -> Response:
        return Response(await self.wallets.status_list(), media_type="application/statuslist+jwt")

    async def _recover(self, request: Request) -> Response:
        from medspace.services.wallets.recovering import read_recovery  # noqa: PLC0415 - as above

        text = await self.wallets.recover(*read_recovery(await _json(request)))
        return json_response({"credentials": [{"credential": text}]})

    # --- OpenID4VP -------------------------------------------------------------------------------------------

    async def _request(self, request: Request) -> Response:
        return json_response(self.wallets.request(await _json(request)))

    async def _response(self, request: Request) -> Response:
        return json_response({"outcome": await self.wallets.hear(await _form(request))})

    async def _about(self, _: Request) -> Response:
        return json_response(await self.wallets.about())

    async def _commit(self, request: Request) -> Response:
        said = await _json(request)
        return json_response({"statement": await self.wallets.commit(said.get("commitment"))})


def _open(answer: Answer) -> Answer:
    """With the headers for pages of all origins, and refusals in the words of both protocols."""

    async def answered(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=OPEN)
        try:
            response = await answer(request)
        except MedspaceError as error:
            response = _problem(error, request_language(request))
        response.headers.update(OPEN)
        return response

    return answered


def _problem(error: MedspaceError, language: str) -> Response:
    told = problem_of(error, language)
    name = _OAUTH.get(error.code, "invalid_request")
    said = {"error": name, "error_description": told["sentence"], **told}
    return json_response(said, _status(error, name), retry_after(error))


def _status(error: MedspaceError, name: str) -> int:
    if name != "invalid_request":
        return 401 if name == "invalid_token" else 400
    found = status_of(error)
    return 400 if found == 500 and error.exit_code == 5 else found  # noqa: PLR2004 - a proof that does not hold


async def _json(request: Request) -> JsonObject:
    from medspace.services.wallets.errors import WalletMessageError  # noqa: PLC0415 - as above

    try:
        return read_json(await read_body(request, LARGEST_BODY), JsonObject)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise WalletMessageError(reason=Text(msgid("it is not what a wallet sends"))) from None


async def _form(request: Request) -> dict[str, str]:
    from medspace.services.wallets.errors import WalletMessageError  # noqa: PLC0415 - as above

    try:
        said = parse_qs((await read_body(request, LARGEST_BODY)).decode("ascii"), max_num_fields=16)
    except ValueError:
        raise WalletMessageError(reason=Text(msgid("it is not what a wallet sends"))) from None
    return {name: values[0] for name, values in said.items() if len(values) == 1}
