"""The scores of one's own rows by the file of a model, and who signed its card. Nothing is asked of anybody."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from medspace.adapters.oswords import why
from medspace.app.features.training.card import facts as carding
from medspace.app.features.training.using.rows import read_rows
from medspace.app.node.authority_key import authority_key
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.learning.using.errors import PackedModelError
from medspace.learning.using.packing import LARGEST_FILE, PackedModel, unpacked
from medspace.trust.errors import SignatureError
from medspace.trust.members import read_members


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
    """The scores of the rows of a CSV file; None where the model knows nothing of a row.

    Raises:
        ModelFileUnreadableError, PackedModelError: the first file holds no model.
        OwnRowsError, LevelUnknownError: the other holds no rows that it can score.
    """
    model = open_model(file).pipeline
    own = read_rows(rows, model.features, missing, name)
    scores = model.score_rows(own)
    said = [None if np.isnan(row).any() else row.tolist() for row in scores]
    return {
        "target": model.target,
        "outputs": list(model.outputs),
        "rows": [{"row": called, "scores": one} for called, one in zip(own.names, said, strict=True)],
        "unknown": sum(one is None for one in said),
    }


def checked(file: Path, key: str, now: datetime) -> JsonObject:
    """Who signed the card of a model's file, by the members list in it; with no key nobody has to be believed.

    Raises:
        ModelFileUnreadableError, PackedModelError: it holds no model, or one that its card is not about.
        AuthorityKeyError: that is no key.
        MembersListError: its members list is not of that authority.
        SignatureError: no member of it has signed the card.
    """
    packed = open_model(file)
    facts, signed = packed.card["facts"], packed.card["signed"]
    found: JsonObject = {"outcome": "unverifiable", "model": facts.get("model"), "by": signed.get("by")}
    if not key:
        return found
    listed = read_members(packed.members, authority_key(key))
    member = listed.find(str(signed.get("by")))
    if member is None:
        raise SignatureError(did=str(signed.get("by")))
    try:
        carding.check(
            packed.card, member, min(instant(signed["time"]), now)
        )  # a key counts for what it signed in time
    except (KeyError, ValueError):
        raise SignatureError(did=member.did) from None
    told = {"name": member.name, "time": signed["time"], "listed": stamp(listed.issued)}
    return found | {"outcome": "verified", **told}
