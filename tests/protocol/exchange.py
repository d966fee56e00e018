"""Requests to the system under test, judged as the official kit judges them."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.protocol import schemas, wire

TRIES = (0.2, 0.4)  # pauses before the second and the third try of a message that met a 4xx


class CaseFailedError(AssertionError):
    """The system under test did not do what the case demands."""


@dataclass(frozen=True)
class Target:
    """Where the system under test is reached. `wait` is how long a message or a state may take, in seconds."""

    root: str
    base: str
    negotiation_trigger: str
    transfer_trigger: str
    authorization: str | None = None
    wait: float = 15.0

    @classmethod
    def at(cls, root: str, wait: float = 15.0) -> "Target":
        """The addresses that `python -m tests.protocol.sut` promises."""
        root = root.rstrip("/")
        triggers = f"{root}/tck/{{}}/requests"
        return cls(
            root, f"{root}/dsp/2025-1", triggers.format("negotiations"), triggers.format("transfers"), wait=wait
        )


def demand(condition: object, fault: str) -> None:
    """Fail the case unless the condition holds."""
    if not condition:
        raise CaseFailedError(fault)


class Wire:
    """Requests to the system under test, judged as the official kit judges them."""

    def __init__(self, target: Target, client: httpx.Client) -> None:
        self.target = target
        self.client = client

    def post(self, url: str, message: wire.Message) -> httpx.Response:
        """Send what must succeed."""
        answer = self._once(url, message)
        for pause in TRIES:
            if not 400 <= answer.status_code < 500 or answer.status_code == 404:
                break
            time.sleep(pause)
            answer = self._once(url, message)
        demand(answer.is_success, f"POST {url} {message.get('@type')}: {answer.status_code} {answer.text[:300]}")
        return answer

    def post_rejected(self, url: str, message: wire.Message) -> None:
        """Send what must be rejected."""
        answer = self._once(url, message)
        rejected = 400 <= answer.status_code < 500 and answer.status_code != 404
        demand(rejected, f"POST {url} {message.get('@type')}: not rejected but {answer.status_code}")

    def get(self, url: str, *, error: bool = False) -> Any:
        """Fetch a JSON-LD document that its schema accepts; with `error` any status will do."""
        answer = self.client.get(url, headers=self._headers())
        demand(error or answer.is_success, f"GET {url}: {answer.status_code} {answer.text[:300]}")
        return checked(answer)

    def _once(self, url: str, message: wire.Message) -> httpx.Response:
        return self.client.post(url, json=message, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {} if self.target.authorization is None else {"authorization": self.target.authorization}


def checked(answer: httpx.Response) -> Any:
    """The body of an answer, which must be JSON-LD of a type that its schema accepts."""
    try:
        body = answer.json()
    except ValueError as error:
        raise CaseFailedError(f"{answer.url}: no JSON in {answer.text[:300]!r}") from error
    faults = schemas.faults(body)
    demand(not faults, f"{answer.url}: {faults} in {body}")
    return body
