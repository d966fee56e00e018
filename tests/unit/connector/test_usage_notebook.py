"""What the notebook knows of an asset after a start: questions of rows, in the words of the task."""

from datetime import UTC, datetime

from medspace.adapters.memory import MemoryDatabase
from medspace.adapters.system import SystemRandomness
from medspace.connector.usage.model import QUESTIONS, AdmittedQuestion
from medspace.connector.usage.notebook import Notebook
from medspace.core.sealing import Sealer
from medspace.core.usage import Release, Step

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TIME = "2026-11-01T00:00:00Z"
SAID = Step({"task": "first"}, 0, "moments")
CARRIED = Step({"task": "first"}, 1, "masked")


def opened() -> Notebook:
    return Notebook(Sealer(b"secret of the questions", SystemRandomness()))


def question(notebook: Notebook, name: str, entry: int, step: Step, *, rowless: bool) -> AdmittedQuestion:
    sealed = notebook.sealed(step, name)
    return AdmittedQuestion(
        name, entry, "asset", "agreement", "did:web:user", "use", TIME, step.round, step.name, name, sealed,
        rowless=rowless,
    )  # fmt: skip


async def test_after_a_start_questions_of_rows_are_known_in_the_words_of_the_task():
    database, notebook = MemoryDatabase(), opened()

    def write(tx):
        tx.insert(QUESTIONS, question(notebook, "asked", 1, CARRIED, rowless=False))
        tx.insert(QUESTIONS, question(notebook, "carried", 2, CARRIED, rowless=True))
        for name in ("asked", "carried"):
            release = Release(name, name, "kind", 1, {}, 10, "digest", 3)
            notebook.keep(tx, release, NOW, worded=SAID if name == "asked" else None)

    await database.write(write)
    again = opened()
    await again.open_history(database, "asset")
    assert again.history("asset", NOW) == (SAID,)
