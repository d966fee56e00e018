"""What a restored backup would revive: accounts that were closed since, which the login would open by itself."""

from datetime import datetime

from medspace.core.store import Transaction
from medspace.core.text import Text, counted, msgid
from medspace.services.accounts.logins import close_all


def restored(tx: Transaction, did: str, now: datetime, code: str) -> Text:
    """Close the accounts of the login; what to tell people of it."""
    count = close_all(tx, did, now, code)
    accounts = counted(count, msgid("{count} account"), msgid("{count} accounts"))
    said = msgid(
        "Closed {accounts} of the hospital's login, for the same reason: open those that still count with `medspace "
        "account new NAME --role ROLE`, with the names of `medspace account list`."
    )
    return Text(said, {"accounts": accounts})
