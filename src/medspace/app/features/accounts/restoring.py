"""What a restored backup would revive: it is taken back at the first start."""

from datetime import datetime

from medspace.core.store import Transaction
from medspace.core.text import Text, counted, msgid
from medspace.services.accounts.keeping import take_back


def restored(tx: Transaction, did: str, now: datetime, code: str) -> Text:
    """End all sessions and links, and drop all passkeys; what to tell people of it."""
    count = take_back(tx, did, now, code)
    passkeys = counted(count, msgid("{count} passkey"), msgid("{count} passkeys"))
    said = msgid(
        "Removed {passkeys} and ended all sessions of the portal, for the same reason: look at `medspace account "
        "list`, then sign people in again with `medspace account link NAME`."
    )
    return Text(said, {"passkeys": passkeys})
