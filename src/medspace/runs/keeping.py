"""Models that are kept, found by their identity or by that of the run that made them."""

from medspace.core.store import Transaction
from medspace.runs.errors import ModelUnknownError, NoModelError
from medspace.runs.model import MODELS, RUNS, Model


def kept_model(tx: Transaction, model: str) -> Model:
    """A model by its identity, or by that of the run that made it.

    Raises:
        NoModelError: the run has none (yet).
        ModelUnknownError: there is no such model, and no such run.
    """
    run = tx.get(RUNS, model)
    record = tx.get(MODELS, model if run is None else run.model or "")
    if record is None:
        raise ModelUnknownError(model=model) if run is None else NoModelError(run=model, state=run.state)
    return record
