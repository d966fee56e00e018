"""`medspace.sdk.fetch_resources` and `draft_view`: what `medspace source` does, as plain JSON."""

import asyncio
from pathlib import Path

from medspace.core.canonical import JsonObject
from medspace.privacy.publication import LEAST


def fetch_resources(settings: str | Path, folder: str | Path, *, whole: bool = False) -> JsonObject:
    """Fetch the resources of the FHIR server that a file of settings describes into a folder.

    The result has `resources` (how many of each type are there), `since` and `until` (RFC 3339; up to when it is) and
    `deleted`. Blocking, for as long as an export takes; not to be called in a running event loop.

    Raises:
        MedspaceError: the server cannot be asked, or answers what cannot be used; the folder stays as it was.
    """
    from medspace.adapters.fhir.fetching.service import fetch  # noqa: PLC0415 - few programs read resources

    return asyncio.run(fetch(Path(settings), Path(folder), whole=whole))


def draft_view(folder: str | Path, kind: str, *, min_cohort: int = LEAST) -> JsonObject:
    """A ViewDefinition drafted from the resources of a type, such as `Observation`, in a folder or a file.

    No component of fewer than `min_cohort` patients is named.

    Raises:
        MedspaceError: the resources cannot be used, or there are none of that type.
    """
    from medspace.adapters.fhir.viewdrafting import drafted_view  # noqa: PLC0415 - as above
    from medspace.app.node.offering.wishes import check_cohort  # noqa: PLC0415

    check_cohort(min_cohort)
    return drafted_view(Path(folder), kind, min_cohort)
