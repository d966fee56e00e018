"""At start: if the log falls short of its anchors, the database was restored from a backup, and debits are missing.

So is everything else that was done since, including revoked tokens, narrowed labels and ended agreements. It is
unknown which; so all tokens are revoked, and every label is closed until a person confirms it.
"""

from collections.abc import Callable

from medspace.app.compose.base import Base
from medspace.app.node import backups as record
from medspace.connector.usage import accounts, budgets, labelling
from medspace.connector.usage.model import ACCOUNTS, Debit, PrivacyAccount
from medspace.connector.usage.terminations import Terminations
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.core.text import Text, counted, msgid
from medspace.services.tokens.service import Tokens

RESTORED = "connector.restored"  # why tokens are revoked


async def freeze_if_restored(base: Base, terminations: Terminations, announce: Callable[[Text], None]) -> None:
    """If a backup was restored, count all privacy budgets as spent, and end the uses that depend on them.

    If the connector is marked as restored, also revoke all tokens and close all labels.
    """
    lacking = await base.anchoring().lacking()
    if lacking is not None:
        mark = digest([lacking.size, lacking.root.hex()])
        await base.database.write(lambda tx: accounts.freeze(tx, base.local, mark, lacking.size))
        base.log.error("budget.frozen", code=accounts.RESTORED, entries=lacking.size)
    backup = record.restored(base.config)
    if backup is not None:  # whatever the anchors say: what was done since the backup is in no log
        await base.database.write(lambda tx: accounts.freeze(tx, base.local, backup.mark, backup.entries))
        base.log.error("connector.restored", code=accounts.RESTORED, entries=backup.entries)
        await _take_back(base, announce)
        record.gone_by(base.config)
    for debit, account in await base.database.read(_frozen):
        terminations.ask(debit.id, budgets.unfrozen(account))


async def _take_back(base: Base, announce: Callable[[Text], None]) -> None:
    """Revoke all tokens, close all labels, and let features take back what is theirs.

    A start that is killed does it again: then there is nothing left to take back.
    """
    tokens = Tokens(base.config.did, base.database, base.clock, base.randomness)

    now = base.clock.now()
    features = [one.restored for one in base.parts.features if one.restored is not None]

    def work(tx: Transaction) -> tuple[int, list[str], list[Text]]:
        told = [take_back(tx, base.config.did, now, RESTORED) for take_back in features]
        return len(tokens.revoke_all(tx, RESTORED)), labelling.close_all(tx, base.local), told

    revoked, closed, told = await base.database.write(work)
    base.log.error("tokens.revoked", code=RESTORED, count=revoked)
    for asset in closed:
        base.log.error("label.closed", code=RESTORED, asset=asset)
    announce(Text(_TAKEN_BACK, {"tokens": counted(revoked, msgid("{count} token"), msgid("{count} tokens"))}))
    for said in told:
        announce(said)
    for asset in closed:
        announce(Text(_CLOSED, {"dataset": asset}))
    if closed:
        announce(Text(_ENDED))


def _frozen(tx: Transaction) -> list[tuple[Debit, PrivacyAccount]]:
    found = ((debit, tx.get(ACCOUNTS, debit.asset)) for debit in accounts.frozen_uses(tx))
    return [(debit, account) for debit, account in found if account is not None]


_TAKEN_BACK = msgid("A backup was restored: revoked {tokens}, since nobody can tell which were revoked after it.")
_CLOSED = msgid(
    "{dataset} is not used until a person confirms its label (`medspace label {dataset} --as-configured`) or sets "
    "another."
)
_ENDED = msgid(
    "Before that, end again the agreements that ended since the backup: `medspace agreement end ID`. They cannot be "
    "listed: what was done since is in no log here."
)
