"""The SDK's methods on uses: those that one asks for, and the steps of others on one's own datasets."""

from collections.abc import Sequence

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import JsonObject
from medspace.core.errors import WaitingError
from medspace.core.paths import path


class UsesClient(Client):
    """The SDK's methods on uses: those that one requests, and the steps of others on one's own datasets."""

    def steps(self, state: str = "", *, most: int = MOST) -> list[JsonObject]:
        """The newest admitted steps; only those in one state, such as `held`, if given."""
        return self._pages("steps", most, state=state)

    def step(self, step: str) -> JsonObject:
        """One step: what was asked, its state, and the output that awaits review."""
        return self._get(path("steps", step))

    def check(self, step: str, *, approve: bool, comment: str = "") -> JsonObject:
        """As the person whom an output waits for: let it go, or keep it back; why, for one's own people."""
        return self._post(path("steps", step, "check"), {"approve": approve, "comment": comment})

    def change_output(self, step: str, *, leave_out: Sequence[str], comment: str = "") -> JsonObject:
        """As the person whom an output waits for: have it made anew without parts that the step names as `optional`.

        It goes on waiting; who has let it go before has to look again.

        Raises:
            SpaceError: its engine cannot make it without them (`step.unchangeable`), or you asked for it.
        """
        return self._post(path("steps", step, "change"), {"leave_out": list(leave_out), "comment": comment})

    def request(
        self, agreement: str, kind: str, *, address: JsonObject | None = None, wait: float = 30.0
    ) -> JsonObject:
        """Request a use under an agreement (a DSP transfer), such as `HttpData-PULL` for a download.

        Raises:
            SpaceError: the holder refused; the problem has `clause`.
        """
        started = self._post("/transfers", {"agreement": agreement, "format": kind, "address": address})
        return self._wait(
            path("transfers", str(started["id"])), wait, WaitingError(whom=str(started.get("counterparty", "")))
        )

    def transfers(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest transfer processes; up to `most`."""
        return self._pages("transfers", most)

    def steer(self, transfer: str, verb: str, *, reason: str = "") -> JsonObject:
        """Suspend, resume, complete or terminate a transfer process: `suspend`, `resume`, `complete`, `terminate`."""
        return self._post(path("transfers", transfer, verb), {"reason": reason})

    def uses(self, *, role: str = "", state: str = "", agreement: str = "", most: int = MOST) -> list[JsonObject]:
        """The newest uses: others' uses of one's own data (`role` is `provider`), and one's own (`consumer`)."""
        return self._pages("uses", most, role=role, state=state, agreement=agreement)

    def use(self, use: str) -> JsonObject:
        """One use: whose it is, on what, since when, its state, how many of its steps were admitted."""
        return self._get(path("uses", use))

    def suspend_use(self, use: str, *, reason: str = "") -> JsonObject:
        """Suspend a use: no step of it is admitted until it is resumed. The other side is told why."""
        return self._post(path("uses", use, "suspend"), {"reason": reason})

    def resume_use(self, use: str) -> JsonObject:
        """Resume a suspended use; only the holder can resume what the holder suspended."""
        return self._post(path("uses", use, "resume"), {"reason": ""})

    def end_use(self, use: str, *, reason: str = "") -> JsonObject:
        """End a use for good: no step of it is admitted any more. The other side is told why."""
        return self._post(path("uses", use, "end"), {"reason": reason})

    def ending_agreement(self, agreement: str) -> JsonObject:
        """What ending an agreement would end: its open `uses`. Nothing is ended."""
        return self._get(path("agreements", agreement, "end"))

    def end_agreement(self, agreement: str, *, reason: str = "", cause: str = "") -> JsonObject:
        """End an agreement for good, as its holder or its user. Nothing is admitted under it; its uses are ended.

        Both sides keep the reason, and the cause: `terms-broken`, `duty-not-kept`, `law`, `consent`, `data`,
        `no-need` or `agreed`.

        Raises:
            SpaceError: there is no such agreement or cause.
        """
        return self._post(path("agreements", agreement, "end"), {"reason": reason, "cause": cause})
