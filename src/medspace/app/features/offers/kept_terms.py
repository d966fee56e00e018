"""The records of templates of one's own."""

from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.store import Collection


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """Terms under a name: `template` is the one of the program that they are terms of; saved when, and by whom."""

    id: str
    title: str
    template: str
    terms: JsonObject
    saved: str
    by: str = ""


OWN_TEMPLATES = Collection("own_templates", OwnTemplate)
COLLECTIONS = (OWN_TEMPLATES,)
