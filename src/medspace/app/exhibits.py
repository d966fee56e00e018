"""What is shown to an auditor beside the log, opened: questions, records of masked runs, models."""

from medspace.app import views
from medspace.app.desk import Desk
from medspace.core.canonical import JsonObject


async def questions(desk: Desk, use: str, asset: str) -> JsonObject:
    """The questions that were asked of our datasets, as an auditor is shown them beside the log."""
    shown = await desk.usage.notebook.exported(desk.database, use=use, asset=asset)
    return {"format": "medspace-questions-1", "origin": desk.config.did, "questions": shown}


async def records(desk: Desk, run: str) -> JsonObject:
    """What we recorded of a masked run: sums over all of its sites, for an auditor that we let look.

    Raises:
        RecordsMissingError: nothing is kept of that run.
    """
    task, shown = await desk.database.read(lambda tx: desk.usage.notebook.recorded(tx, run))
    said = {"format": "medspace-records-1", "origin": desk.config.did, "run": run}
    return {**said, "task": task, "records": shown}


async def model(desk: Desk, model: str) -> JsonObject:
    """A model with what its sites signed and the manifest of its run.

    Raises:
        NoModelError, ModelUnknownError: there is none.
    """
    return views.exported_model(await desk.kept_model(model), desk.config.did)
