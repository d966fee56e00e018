"""Evidence on masked runs beside the logs: records that holders show an auditor, and models with signatures."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from medspace.app.features.audit.exported import contents
from medspace.learning.kinds import summed
from medspace.ledger import audit, bundle, lineage
from medspace.runs.masked import proof, replay
from medspace.trust.errors import MembersListError
from medspace.trust.members import read_members
from medspace.trust.model import Member, MemberList


def beside_logs(
    bundles: Sequence[bundle.Bundle], key: bytes, records_files: Sequence[Path], model_files: Sequence[Path]
) -> list[audit.Beside]:
    """The checks of records and models against the proven logs.

    Raises:
        BundleFileError: a file cannot be read.
        RecordsMalformedError, ModelFileError: a file contains something else.
    """
    records, models, member = read_records(records_files), read_models(model_files), member_of(bundles, key)
    outcomes = {model.run: model.opened.outcome.get("model", {}) for model in models if model.opened}
    return [
        lambda logs: replay.check(records, summed, logs, outcomes),
        lambda logs: proof.check(models, summed, member, logs),
    ]


def questions_of(model_files: Sequence[Path]) -> Mapping[str, Sequence[lineage.SignedQuestion]]:
    """What the sites signed on each question, by run; not verified.

    Raises:
        BundleFileError, ModelFileError: as `beside_logs`.
    """
    return {model.run: _questions(model) for model in read_models(model_files)}


def read_records(files: Sequence[Path]) -> list[replay.Records]:
    """Read the records of masked runs that holders show in files.

    Raises:
        BundleFileError: a file cannot be read.
        RecordsMalformedError: a file contains something else.
    """
    return [replay.read(content) for content in contents(files, replay.LARGEST_FILE)]


def read_models(files: Sequence[Path]) -> list[proof.ModelFile]:
    """Read the models in files.

    Raises:
        BundleFileError: a file cannot be read.
        ModelFileError: a file contains something else.
    """
    return [proof.read(content) for content in contents(files, proof.LARGEST_FILE)]


def member_of(bundles: Sequence[bundle.Bundle], key: bytes) -> Callable[[str], Member | None]:
    """Members with all their keys, each from the newest list in the bundles that has it and the authority signed."""
    lists: dict[str, MemberList] = {}
    for text in {one.members for one in bundles}:
        with suppress(MembersListError):
            lists[text] = read_members(text, key)
    newest = sorted(lists.values(), key=lambda listed: listed.issued, reverse=True)

    def member(did: str) -> Member | None:
        return next((found for found in (listed.find(did) for listed in newest) if found is not None), None)

    return member


def _questions(model: proof.ModelFile) -> list[lineage.SignedQuestion]:
    """What the sites signed on each question of a model's run."""
    try:
        said = model.opened.said if model.opened else None
    except msgspec.ValidationError:
        said = None
    if said is None:
        return []
    return [lineage.SignedQuestion(*one) for one in zip(said.objectives, map(tuple, said.took), strict=False)]
