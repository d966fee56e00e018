"""The SDK's methods on one's own offers."""

from pathlib import Path

from medspace.adapters.filenames import absolute
from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import Json, JsonObject
from medspace.core.paths import path


class OffersClient(Client):
    """The SDK's methods on one's own offers."""

    def offers(self, *, most: int = MOST) -> list[JsonObject]:
        """One's own datasets with their offers in words, and the number of agreements and uses under each."""
        return self._pages("offers", most)

    def offer(self, file: str | Path, **said: Json) -> JsonObject:
        """Offer one more table for training, at once; what is not said is the safe thing.

        `file` is a path, or the address of a PostgreSQL server. `said` may be `dataset` (its name), `title`,
        `dictionary` (a file; drafted where none is named), `until`, `count` (0: without bound), `min_sites`,
        `questions`, `holders`, `publish` (of `size` and `missing`: what the catalogue says of its content), and of
        the table `person` or `rows_are_persons`, `table`, `password` (a file), `settings` (such as
        `["visit.century=2000"]`), `leave_out`, `leave_out_rows`, `encoding`, `delimiter`, `skip_lines`, `names`,
        `min_cohort`; `terms` names a template of one's own, whose terms take the place of the usual ones. With `dry`
        nothing is written: `published` and `figures` are what everybody would see. Where another dataset offers the
        same table, `changes` are what the new one allows beyond it; without the `seen` of that answer it is refused.
        What cannot be offered leaves configuration and catalogue as they were.
        """
        source = file if isinstance(file, str) and "://" in file else str(absolute(file))
        return self._post("/offers", {"source": source, **said})

    def change_offer(self, dataset: str, *, dry: bool = False, **changes: Json) -> JsonObject:
        """Change `until`, `count`, `min_sites`, `questions` or `publish` of an offer for future agreements, at once.

        `terms` names a template of one's own, whose terms take the place of those of the offer. `offer` is its
        number, from 1, if there are several. `notes` describe the effect on agreements in force, and `changes` each
        term with its old and new value; with `dry` nothing is changed. What `loosens`, and so protects less than
        before, is refused unless its `term` is named in `loosen`, together with the `seen` that a call with `dry`
        returned: if the terms have changed since, it is refused as well.
        """
        return self._post(path("offers", dataset, "change"), {"dry": dry, **changes})

    def withdraw_offer(self, dataset: str, *, dry: bool = False) -> JsonObject:
        """Stop offering a dataset, at once and permanently; agreements continue.

        With `dry` only the effect is reported.
        """
        return self._post(path("offers", dataset, "withdraw"), {"dry": dry})

    def publish_offer(self, dataset: str) -> JsonObject:
        """Offer a withdrawn dataset again."""
        return self._post(path("offers", dataset, "publish"), {})

    def reload_offers(self, *, dry: bool = False, seen: str = "") -> JsonObject:
        """Put the datasets of the configuration file in force, completely or not at all.

        `terms` are those that change, each with its old and new value; with `dry` nothing is changed. What `loosens`,
        and so protects less than before, is refused without the `seen` that a call with `dry` returned.
        """
        return self._post("/offers/reload", {"dry": dry, "seen": seen})

    # --- templates of one's own -----------------------------------------------------------------------------------
    def own_templates(self, *, most: int = MOST) -> list[JsonObject]:
        """The templates of one's own by name, each with the contract that it makes in words."""
        return self._pages("templates", most, "/terms")

    def own_template(self, name: str) -> JsonObject:
        """One of them: its `title`, `template` of the program, `terms` and `contract`."""
        return self._get(path("terms", name))

    def save_template(
        self,
        name: str,
        *,
        title: str = "",
        dataset: str = "",
        offer: int = 0,
        template: str = "train-only",
        terms: JsonObject | None = None,
    ) -> JsonObject:
        """Save the terms of an offer of one's own `dataset`, or these `terms` of a `template`, under a name.

        Raises:
            SpaceError: nothing could be offered on them, or the name cannot be used.
        """
        said = {"dataset": dataset, "offer": offer} if dataset else {"template": template, "terms": terms or {}}
        return self._post(path("terms", name), {"title": title, **said})

    def remove_template(self, name: str) -> JsonObject:
        """Remove a template of one's own; offers that were made from it stay."""
        return self._post(path("terms", name, "remove"), {})
