"""`medspace.sdk.predict` and `medspace.sdk.check_model`: a model's file on this machine, without a connector."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from medspace.core.canonical import JsonObject


def predict(model: str | Path, rows: str | Path, *, missing: Sequence[str] = (), name: str = "") -> JsonObject:
    """Score the rows of a CSV file, or images, with the file of a model; nothing is sent anywhere.

    `rows` of a model for images is a folder of image files (with `labels.csv`, those that it names), a .zip of one,
    or an .npz with the array `images`. `missing` are what cells without a value hold, beside nothing; `name` is the
    column with what rows are called. The result has `target`, `outputs` (what the scores are), `rows` (each with
    `row` and `scores`, None where the model knows nothing of it) and `unknown`, their number.

    Raises:
        MedspaceError: one of the files cannot be used; with the reason, and the line.
    """
    from medspace.app.features.training.using.predicting import predicted  # noqa: PLC0415 - numpy only when needed

    return predicted(Path(model), Path(rows), missing, name)


def adapt(
    model: str | Path,
    rows: str | Path,
    out: str | Path,
    *,
    how: Literal["intercept", "temperature", "normalised", "head", "ditto", "tuned"] | None = None,
    missing: Sequence[str] = (),
    name: str = "",
    seed: int = 0,
) -> JsonObject:
    """Adapt a model for a yes/no outcome or ordered classes to rows, and write it to `out`; nothing is sent anywhere.

    `rows` are a CSV file, or images with `labels.csv` (of an .npz, arrays), as `predict` reads them. Without `how`,
    it is what is best in cross-validation. `name` is the column that says whose a row is. The result has `how`,
    `rows`, and on a quarter of the persons, who were set apart, `before` and `after` (each with `rows`, `cases`,
    `auc`, `brier`, `ece`, `loss`): the untouched model and the adapted one. `compared` has the log-loss of each way
    in cross-validation, if one was chosen, and `pull` is how strongly Ditto held it to the shared model.

    Raises:
        MedspaceError: one of the files cannot be used, or there are too few rows.
    """
    from medspace.app.features.training.using.predicting import AdaptingWishes  # noqa: PLC0415
    from medspace.app.features.training.using.predicting import adapt as adapted  # noqa: PLC0415

    content, found = adapted(Path(model), Path(rows), AdaptingWishes(how, missing, name, seed))
    Path(out).write_bytes(content)
    return found


def check_model(model: str | Path, authority_key: str = "") -> JsonObject:
    """Who signed the card of a model's file, which was not changed: `outcome`, `by`, `name`, `time`, `listed`.

    `outcome` is "verified"; without the key of the space's authority "unverifiable".

    Raises:
        MedspaceError: the file was changed, or no member of that authority's space signed it.
    """
    from medspace.app.features.training.using.predicting import checked  # noqa: PLC0415 - cryptography, numpy

    return checked(Path(model), authority_key, datetime.now(UTC))
