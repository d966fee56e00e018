"""The scores of one's own rows by the file of a model, and who signed its card. Nothing is asked of anybody."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from medspace.adapters.oswords import why
from medspace.app.features.training.card import facts as carding
from medspace.app.features.training.using.images import Wanted, read_images
from medspace.app.features.training.using.rows import OwnRows, read_rows
from medspace.app.node.authority_key import authority_key
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.learning.glm.design import Matrix, Vector, outcomes, raw
from medspace.learning.glm.task import FeatureColumn
from medspace.learning.using.adapting import How, LocalRows, adaptable, adaptation
from medspace.learning.using.errors import AdaptedBeforeError, NotAdaptableError, OwnClassError, PackedModelError
from medspace.learning.using.packing import LARGEST_FILE, Adapted, Computed, PackedModel, Values, packed, unpacked
from medspace.learning.using.pipeline import GroupThresholds, Pipeline
from medspace.trust.errors import SignatureError
from medspace.trust.members import read_members

DECISION = "decision"  # 1: yes, at the threshold of the row's group
LONGEST_CODE = 40  # that is told
APART = 4  # one in so many persons is set apart to compare


@dataclass(frozen=True, slots=True)
class AdaptingWishes:
    """How a model is to be adapted; None: what is best in cross-validation. `name` says whose a row is."""

    how: How | None = None
    missing: Sequence[str] = ()
    name: str = ""
    seed: int = 0


class ModelFileUnreadableError(InvalidInputError):
    """The file of a model cannot be read."""

    code = "model.file_unreadable"
    sentence = msgid("The file {file} cannot be read: {reason}.")
    next_step = msgid("Name a file that `medspace model ID --out FILE.safetensors` wrote.")


def open_model(file: Path) -> PackedModel:
    """The model in a file; its card is about it, who signed that is not looked at here.

    Raises:
        ModelFileUnreadableError, PackedModelError: there is none.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ModelFileUnreadableError(file=str(file), reason=why(error)) from error
    if len(content) > LARGEST_FILE:
        raise PackedModelError
    return unpacked(content)


def predicted(file: Path, rows: Path, missing: Sequence[str] = (), name: str = "") -> JsonObject:
    """The scores of the rows of a CSV file, or of images; None where the model knows nothing of one.

    Raises:
        ModelFileUnreadableError, PackedModelError: the first file holds no model.
        OwnRowsError, LevelUnknownError: the other holds no rows that it can score.
        OwnImagesError, OwnImageError, ImageSizeError: or no such images.
        TorchMissingError, MonaiMissingError: what looks at images is not installed.
    """
    model = open_model(file).pipeline
    own, scores = _scored(model, rows, missing, name)
    if model.deciding is not None:
        scores = np.column_stack([scores, model.deciding.decisions(scores[:, 0], own)])
    said = [None if np.isnan(row).any() else row.tolist() for row in scores]
    return {
        "target": model.target.words,
        "outputs": [*model.outputs, *([] if model.deciding is None else [DECISION])],
        "rows": [{"row": called, "scores": one} for called, one in zip(own.names, said, strict=True)],
        "unknown": sum(one is None for one in said),
    }


def _scored(model: Computed, rows: Path, missing: Sequence[str], name: str) -> tuple[OwnRows, Matrix]:
    """What is read beside the rows or images, and the scores."""
    if isinstance(model, Pipeline):
        own = read_rows(rows, _columns(model), missing, name)
        return own, model.score_rows(own)
    beside = [] if model.deciding is None else [_groups(model.deciding)]
    images = read_images(rows, Wanted(beside, missing, name))
    return images.rows, model.score(images.pixels)


def _groups(deciding: GroupThresholds) -> FeatureColumn:
    return FeatureColumn(deciding.attribute.column, deciding.attribute.codes)


def _columns(model: Pipeline) -> list[FeatureColumn]:
    """What is read of rows: the features, and the column whose groups have thresholds of their own."""
    if model.deciding is None or model.deciding.attribute.column in [one.name for one in model.features]:
        return list(model.features)
    return [*model.features, _groups(model.deciding)]


def adapt(file: Path, rows: Path, wishes: AdaptingWishes) -> tuple[bytes, JsonObject]:
    """The file of a model that is adapted to rows or images, and how good it is beside the untouched one.

    Nothing of it goes anywhere; the file holds what was learned from these rows and belongs where they do.

    Raises:
        NotAdaptableError, AdaptedBeforeError: it is no model that can be adapted.
        TooFewRowsError: there are too few rows.
        NotNormalisedError, WayMissingError: the wished way is not there for this model.
        PackedModelError, OwnRowsError, OwnClassError: one of the files cannot be used.
        OwnImagesError, OwnImageError, ImageSizeError: or the images.
    """
    packed_model = open_model(file)
    model = packed_model.pipeline
    if packed_model.adapted is not None:
        raise AdaptedBeforeError(how=packed_model.adapted.how)
    if not adaptable(model):
        raise NotAdaptableError(target=model.target.words)
    local = _local(model, rows, wishes)
    found = adaptation(model, local, apart=APART, seed=wishes.seed, how=wishes.how)
    # Thresholds of groups were chosen for the chances of the model before.
    adapted = found.model if found.how == "untouched" else replace(found.model, deciding=None)
    made = replace(packed_model, pipeline=adapted, adapted=Adapted(found.how, adapted.digest()))
    qualities = {"before": asdict(found.before), "after": asdict(found.after)}
    tried = {"compared": dict(found.compared), "pull": found.pull}
    return packed(made), {"how": found.how, "rows": found.rows, **qualities, **tried}


def _local(model: Computed, path: Path, wishes: AdaptingWishes) -> LocalRows:
    """One's own rows or images with their outcomes."""
    levels = (model.target.level,) if model.target.level is not None else ()
    target = FeatureColumn(model.target.column, model.outputs if model.head == "ordinal" else levels)
    values: Values
    if isinstance(model, Pipeline):
        own = read_rows(path, [*model.features, target], wishes.missing, wishes.name)
        values = raw(model.features, own)
    else:
        images = read_images(path, Wanted([target], wishes.missing, wishes.name))
        model.check(images.pixels)
        own, values = images.rows, images.pixels
    found = _places(model, own) if model.head == "ordinal" else outcomes(model.target, own)
    return LocalRows(values, found, np.unique(own.names, return_inverse=True)[1])


def _places(model: Computed, own: OwnRows) -> Vector:
    """The place of the class of each row, NaN where it has none.

    Raises:
        OwnClassError: one is none of the model's.
    """
    place: dict[str | None, float] = {None: np.nan, **{name: float(at) for at, name in enumerate(model.outputs)}}
    codes = own.codes(model.target.column)
    other = next((code for code in codes if code not in place), None)
    if other is not None:
        raise OwnClassError(column=model.target.column, code=other[:LONGEST_CODE], classes=", ".join(model.outputs))
    return np.array([place[code] for code in codes], dtype=np.float64)


def checked(file: Path, key: str, now: datetime) -> JsonObject:
    """Who signed the card of a model's file, by the members list in it; with no key nobody has to be believed.

    Raises:
        ModelFileUnreadableError, PackedModelError: it holds no model, or one that its card is not about.
        AuthorityKeyError: that is no key.
        MembersListError: its members list is not of that authority.
        SignatureError: no member of it has signed the card.
    """
    opened = open_model(file)
    facts, signed = opened.card["facts"], opened.card["signed"]
    how = None if opened.adapted is None else opened.adapted.how
    found: JsonObject = {
        "outcome": "unverifiable",
        "model": facts.get("model"),
        "by": signed.get("by"),
        "adapted": how,
    }
    if not key:
        return found
    listed = read_members(opened.members, authority_key(key))
    member = listed.find(str(signed.get("by")))
    if member is None:
        raise SignatureError(did=str(signed.get("by")))
    try:
        # A key counts for what was signed in its time.
        carding.check(opened.card, member, min(instant(signed["time"]), now))
    except (KeyError, ValueError):
        raise SignatureError(did=member.did) from None
    told = {"name": member.name, "time": signed["time"], "listed": stamp(listed.issued)}
    return found | {"outcome": "verified" if how is None else "unverifiable", **told}
