"""What is shown of masked runs beside the logs: records that holders let an auditor see, models with signatures."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from medspace.app.exported import contents
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.learning.glm.masked import MaskedGlms
from medspace.ledger import audit, bundle, lineage
from medspace.runs.masked import proof, replay
from medspace.runs.masked.ports import Summed
from medspace.trust.errors import MembersListError
from medspace.trust.members import read_members
from medspace.trust.model import Member, Members


def beside_logs(
    bundles: Sequence[bundle.Bundle], key: bytes, records_files: Sequence[Path], model_files: Sequence[Path]
) -> list[audit.Beside]:
    """The checks of records and models against what the proven logs say.

    Raises:
        BundleFileError: a file cannot be read.
        RecordsMalformedError, ModelFileError: a file holds something else.
    """
    records, models, member = read_records(records_files), read_models(model_files), member_of(bundles, key)
    outcomes = {model.run: model.opened.outcome.get("model", {}) for model in models if model.opened}
    return [
        lambda logs: replay.check(records, summed, logs, outcomes),
        lambda logs: proof.check(models, summed, member, logs),
    ]


def questions_of(model_files: Sequence[Path]) -> Mapping[str, Sequence[lineage.Opened]]:
    """What the sites signed of each question, by run; unproven.

    Raises:
        BundleFileError, ModelFileError: as `beside_logs`.
    """
    return {model.run: _questions(model) for model in read_models(model_files)}


def read_records(files: Sequence[Path]) -> list[replay.Records]:
    """The records of masked runs that holders show in files.

    Raises:
        BundleFileError: a file cannot be read.
        RecordsMalformedError: a file holds something else.
    """
    return [replay.read(content) for content in contents(files, replay.LARGEST_FILE)]


def read_models(files: Sequence[Path]) -> list[proof.ModelFile]:
    """The models that files hold.

    Raises:
        BundleFileError: a file cannot be read.
        ModelFileError: a file holds something else.
    """
    return [proof.read(content) for content in contents(files, proof.LARGEST_FILE)]


def summed(task: JsonObject) -> Summed | None:
    """A task of masked runs as its sites follow it; None of one that is not known here."""
    kind = next((one for one in (MaskedGlms(),) if one.name == task.get("task")), None)
    try:
        return None if kind is None else kind.summed(task)
    except InvalidInputError:
        return None


def member_of(bundles: Sequence[bundle.Bundle], key: bytes) -> Callable[[str], Member | None]:
    """Members with all their keys, from the lists in bundles that the authority signed: the newest that has one."""
    lists: dict[str, Members] = {}
    for text in {one.members for one in bundles}:
        with suppress(MembersListError):
            lists[text] = read_members(text, key)
    newest = sorted(lists.values(), key=lambda listed: listed.issued, reverse=True)

    def member(did: str) -> Member | None:
        return next((found for found in (listed.find(did) for listed in newest) if found is not None), None)

    return member


def _questions(model: proof.ModelFile) -> list[lineage.Opened]:
    """What the sites signed of each question of a model's run."""
    try:
        said = model.opened.said if model.opened else None
    except msgspec.ValidationError:
        said = None
    if said is None:
        return []
    return [lineage.Opened(*one) for one in zip(said.objectives, map(tuple, said.took), strict=False)]
