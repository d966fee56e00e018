"""What the log says of accounts: pseudonyms and digests only.

`by` is who acted, `of` whom it is about; a link and a session of somebody's own have them in one, as has an account
that the hospital's login made or changed. `code` says why something ended that nobody ended.
"""

from medspace.core.text import msgid
from medspace.ledger.kinds import EntryKind, kind

KINDS: tuple[EntryKind, ...] = (
    kind("account.made", "account:actor roles:tokens by:actor", says=msgid("An account was made")),
    kind("account.changed", "account:actor roles:tokens by:actor", says=msgid("An account was changed")),
    kind("account.closed", "account:actor", "by:actor code", says=msgid("An account was closed")),
    kind("link.made", "of:actor expires:time by:actor", says=msgid("A link to sign in was made")),
    kind("session.opened", "session:digest how expires:time by:actor", says=msgid("Somebody signed in")),
    kind("session.closed", "session:digest of:actor", "by:actor code", says=msgid("Somebody was signed out")),
    kind("passkey.added", "passkey:digest by:actor", says=msgid("A passkey was added")),
    kind("passkey.removed", "passkey:digest of:actor", "by:actor code", says=msgid("A passkey was removed")),
)
