"""Columns that told the outcome of a use of one's own data, in words for the holder: nobody else is shown them.

The sentences say no numbers. What they rest on is sealed with the use (`connector.usage.telling`).
"""

from collections.abc import Iterator, Sequence

from medspace.app.node.checks import HealthCheck
from medspace.connector.usage import telling
from medspace.core.canonical import JsonObject
from medspace.core.sealing import Sealer
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import HolderNoteKind

MOST_STEPS = 200  # records that are looked through, of a dataset
MOST_SAID = 5  # in the doctor's report
_WORDS = {
    HolderNoteKind.TELLS: msgid("The column {column} alone tells the outcome of nearly all of your patients."),
    HolderNoteKind.GAPS: msgid(
        "Whether the column {column} has a value tells the outcome of nearly all of your patients."
    ),
}
ADVICE = msgid(
    "Tell whoever stated the task: such a column was mostly written down after the outcome, or because of it, and a "
    "model with it is of no use for new patients."
)


def leaks(tx: Transaction, sealer: Sealer, dataset: str) -> dict[str, list[Text]]:
    """What was found in the latest steps on a dataset, by use.

    Raises:
        ValueError: it was sealed with another secret.
    """
    found: dict[str, dict[str, Text]] = {}
    for one in telling.newest(tx, sealer, dataset, MOST_STEPS):
        for note in one.said.notes:
            if note.told in _WORDS:
                own = found.setdefault(one.use, {})
                own[note.about] = Text(_WORDS[note.told], {"column": note.about})
    return {use: list(said.values()) for use, said in found.items()}


def leak_checks(uses: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """The doctor's report on the latest uses with such columns; it is never an error."""
    said = [(one, sentence) for one in uses for sentence in one["warnings"]]
    for one, sentence in said[:MOST_SAID]:
        facts = {"dataset": one["dataset"], "day": one["since"][:10], "sentence": sentence}
        found = Text(msgid("In the use of {dataset} since {day}: {sentence}"), facts)
        yield HealthCheck(msgid("uses"), ok=True, found=found, next_step=Text(ADVICE))
