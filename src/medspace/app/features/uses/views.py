"""Transfers as JSON, for people and programs."""

from collections.abc import Mapping, Sequence

from medspace.app.doors.views import Speak, problem, trouble, version_of
from medspace.connector.model import Role, Transfer
from medspace.connector.transfer.messages import TRANSFER
from medspace.connector.usage.model import Job
from medspace.core.canonical import JsonObject
from medspace.core.text import Text


def transfer(record: Transfer, speak: Speak) -> JsonObject:
    """A transfer process; the token of its address is not shown."""
    address = record.data_address or {}
    return {
        "id": record.id,
        "role": record.role.value,
        "state": record.state.value,
        "counterparty": record.counterparty,
        "agreement": record.agreement,
        "dataset": record.dataset,
        "format": record.format,
        "endpoint": address.get("endpoint"),
        "asked_by": record.asked_by,
        "moved_by": record.moved_by,
        "problem": problem(record.failure, speak),
        "trouble": trouble(record.trouble, speak),
        "version": version_of(record),
    }


def use(
    record: Transfer, job: Job | None, names: Mapping[str, str], speak: Speak, warnings: Sequence[Text] = ()
) -> JsonObject:
    """A use for people: whose it is, on what, since when, how it stands, how many steps of it were admitted.

    `owner` makes the next move: "us", "peer", "either" or "nobody". `steps` is None of one's own uses, whose steps
    the holder counts. `held` says that only the holder can resume it. `warnings` are for the holder (`leaking`).
    """
    return {
        "id": record.id,
        "role": record.role.value,
        "counterparty": record.counterparty,
        "counterparty_name": names.get(record.counterparty, ""),
        "dataset": record.dataset,
        "agreement": record.agreement,
        "format": record.format,
        "state": record.state.value,
        "owner": TRANSFER.awaits(record),
        "since": record.created,
        "changed": record.updated,
        "steps": job.steps if job is not None else (0 if record.role is Role.PROVIDER else None),
        "held": job is not None and job.held and not job.over,
        "suspended_by": _who(record),
        "problem": problem(record.failure, speak),
        "warnings": [one.render(speak) for one in warnings],
    }


def _who(record: Transfer) -> str | None:
    """Which of the two sides has suspended it."""
    if record.suspended_by is None:
        return None
    return "us" if record.suspended_by is record.role else "them"
