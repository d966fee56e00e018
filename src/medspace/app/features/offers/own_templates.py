"""Templates of one's own: terms saved under a name, from which offers are made.

An offer that is made from one has a copy of its terms, so that the configuration alone says what is offered; whoever
changes a template changes no offer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from medspace.app.doors.views import Speak, contract
from medspace.app.features.offers import editing
from medspace.app.features.offers.kept_terms import OWN_TEMPLATES, OwnTemplate
from medspace.app.features.offers.service import Offers
from medspace.app.node.lists import FIRST, PageRequest
from medspace.core.actors import NOBODY
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import stamp
from medspace.core.errors import InvalidInputError
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.policy import templates

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
LONGEST_TITLE = 200
MOST_TERMS = 100


class OwnTemplateError(InvalidInputError):
    """A template cannot be saved under that name, with that title or with such terms."""

    code = "template.invalid"
    sentence = msgid("The template {name} cannot be saved: {reason}.")
    next_step = msgid("Correct it and save it again; what was saved under that name stays until then.")


class OwnTemplateUnknownError(InvalidInputError):
    """There is no such template of one's own."""

    code = "template.own_unknown"
    sentence = msgid("There is no template {name} of your own.")
    next_step = msgid("`medspace terms` lists them; `medspace terms save` saves one.")


@dataclass(frozen=True, slots=True)
class OwnTemplates:
    """The templates of one participant."""

    offers: Offers

    async def page(self, speak: Speak, page: PageRequest = FIRST) -> list[JsonObject]:
        """A page of them, by name."""
        after = page.after or None
        found = await self._database.read(lambda tx: tx.find(OWN_TEMPLATES, after=after, limit=page.limit))
        return [shown(one, speak) for one in found]

    async def find(self, name: str) -> OwnTemplate:
        """One of them.

        Raises:
            OwnTemplateUnknownError: there is none of that name.
        """
        found = await self._database.read(lambda tx: tx.get(OWN_TEMPLATES, name))
        if found is None:
            raise OwnTemplateUnknownError(name=name[:64])
        return found

    async def save(
        self, name: str, title: str, template: str, terms: Mapping[str, Json], by: str = NOBODY
    ) -> OwnTemplate:
        """Save terms under a name, in place of what was there.

        Raises:
            OwnTemplateError: the name or title cannot be used.
            UnknownTemplateError, UnservedTemplateError, InvalidTermsError: nothing could be offered on them.
        """
        check_named(name, title)
        node = self.offers.node
        templates.check_offerable(template, node.kinds)
        plain = {term: _plain(value) for term, value in list(terms.items())[: MOST_TERMS + 1]}
        templates.build_from(template, plain)
        made = OwnTemplate(name, title, template, plain, stamp(node.clock.now()), by)

        def unit(tx: Transaction) -> None:
            before = tx.get(OWN_TEMPLATES, name)
            if before is None:
                tx.insert(OWN_TEMPLATES, made)
            else:
                tx.replace(OWN_TEMPLATES, before, made)

        await self._database.write(unit)
        return made

    async def save_offer(self, name: str, title: str, dataset: str, offer: int = 0, by: str = NOBODY) -> OwnTemplate:
        """Save the terms of an offer of one's own under a name; `offer` counts from 1, 0 where there is only one.

        Raises:
            UnknownDatasetError, OfferUnclearError: there is no such offer.
            ...: as `save`.
        """
        _, asset = editing.found(await self.offers.read(), dataset)
        one = asset.offers[editing.which(asset, offer)]
        return await self.save(name, title or asset.title, one.template, one.terms, by)

    async def remove(self, name: str) -> None:
        """Remove one; offers that were made from it stay.

        Raises:
            OwnTemplateUnknownError: there is none of that name.
        """
        found = await self.find(name)
        await self._database.write(lambda tx: tx.delete(OWN_TEMPLATES, found))

    @property
    def _database(self) -> Database:
        return self.offers.node.database


def check_named(name: str, title: str) -> None:
    """Refuse a name that could be mistaken for another one.

    Raises:
        OwnTemplateError: it could.
    """
    reason = None
    if NAME.fullmatch(name) is None:
        reason = Text(msgid("a name has small letters, digits, points and hyphens, at most 64"))
    elif name in templates.TEMPLATES:
        reason = Text(msgid("a template of the program has that name"))
    elif not title.isprintable() or len(title) > LONGEST_TITLE:
        reason = Text(msgid("the title holds a character that cannot be shown, or is too long"))
    if reason is not None:
        raise OwnTemplateError(name=name[:64], reason=reason)


def shown(one: OwnTemplate, speak: Speak) -> JsonObject:
    """A template as people and programs see it, with its contract in words."""
    said = contract(templates.build_from(one.template, one.terms), speak)
    told = {"name": one.id, "title": one.title, "template": one.template, "terms": one.terms}
    return {**told, "contract": said, "saved": one.saved}


def _plain(value: Json) -> Json:
    """A value as JSON has it: TOML files may hold days."""
    if isinstance(value, date):
        return value.isoformat()
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
