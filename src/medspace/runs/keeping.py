"""What is kept of runs: which use belongs to which, their models, and what is deleted where a contract demands it."""

from collections.abc import Iterator
from uuid import NAMESPACE_URL, uuid5

from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.runs.errors import ModelUnknownError, NoModelError
from medspace.runs.model import CHECKPOINTS, MODELS, RUNS, Model, Run


def use_of(run: str, agreement: str, kind: str) -> str:
    """The pid of the use of a run, which the run determines: a coordinator killed after asking finds it again."""
    return uuid5(NAMESPACE_URL, f"{run}\n{agreement}\n{kind}").urn


def runs_of(tx: Transaction, agreement: str, kind: str, use: str) -> Iterator[Run]:
    """The run that a use belongs to; none where it was begun otherwise."""
    for run in each(tx, RUNS, {}):
        if run.kind == kind and use_of(run.id, agreement, kind) == use:
            yield run


def forget_model(tx: Transaction, run: Run) -> str:
    """Delete what a run has made: its model, and where its computation stands. Returns the digest of the model.

    What stays is who was asked what, as digests, which the log has as well. "" where there is no model.
    """
    state = tx.get(CHECKPOINTS, run.id)
    if state is not None:
        tx.delete(CHECKPOINTS, state)
    made = tx.get(MODELS, run.model) if run.model else None
    if made is None:
        return ""
    tx.delete(MODELS, made)
    return made.digest


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
