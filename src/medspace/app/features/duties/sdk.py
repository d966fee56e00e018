"""The SDK's methods on duties after uses."""

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import JsonObject
from medspace.core.paths import path


class DutiesClient(Client):
    """The SDK's methods on duties after uses."""

    def duties(self, *, role: str = "", state: str = "", agreement: str = "", most: int = MOST) -> list[JsonObject]:
        """The newest duties; only those that one is owed (`provider`) or owes (`consumer`), in a state, if given.

        States are `open`, `kept`, `broken` (overdue), `late` and `waived`.
        """
        return self._pages("duties", most, role=role, state=state, agreement=agreement)

    def duty(self, duty: str) -> JsonObject:
        """One duty, with the proof that its holder was given: an entry of the user's log, and its path."""
        return self._get(path("duties", duty))

    def fulfil_duty(self, duty: str) -> JsonObject:
        """As the user, do now what the connector would do by itself later: delete, report, name the source."""
        return self._post(path("duties", duty, "fulfil"), {})

    def waive_duty(self, duty: str) -> JsonObject:
        """As the holder, give up what is owed, for good; uses under the agreement are admitted again."""
        return self._post(path("duties", duty, "waive"), {})

    def duty_logs(self, *, most: int = MOST) -> list[JsonObject]:
        """The logs of users that proved duties here, as they were seen last; `forked` if one signed two histories.

        `checkpoints` are what its owner signed: two of one size with different roots prove it to anybody.
        """
        return self._pages("logs", most, "/duties/logs")

    def forget_log(self, user: str) -> JsonObject:
        """The owner begins anew with the next log that this user shows, such as after it restored a backup."""
        return self._post(path("duties", "logs", user, "forget"), {})

    def clock(self) -> JsonObject:
        """The time here, the latest that was ever seen, and whether the clock is behind it (`set_back`)."""
        return self._get(path("duties", "clock"))

    def reset_clock(self) -> JsonObject:
        """The owner says that the clock had been wrong: what it says now counts. The log keeps that."""
        return self._post(path("duties", "clock"), {})
