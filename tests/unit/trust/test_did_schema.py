"""The services of our DID documents against the schema of the Dataspace Protocol."""

import json

import pytest
from jsonschema import Draft201909Validator
from referencing import Registry, Resource

from medspace.trust.did import build_document
from medspace.trust.model import ServiceEntry
from tests.shared_data import DATA
from tests.unit.trust.space import COMPANY, KEYS

SCHEMAS = DATA / "dsp/schemas/common"


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schemas of the Dataspace Protocol are not here")
@pytest.mark.parametrize("kind", ["DataService", "CatalogService"])
def test_a_service_is_as_the_protocol_wants_it(kind):
    schemas = {file.name: json.loads(file.read_text()) for file in SCHEMAS.iterdir()}
    registry = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in schemas.values())
    validator = Draft201909Validator(schemas["did-service-schema.json"], registry=registry)
    entry = ServiceEntry(f"{COMPANY}#dsp", kind, "https://company.example/dsp/2025-1/catalog")
    document = build_document(COMPANY, KEYS[COMPANY].public_key, [entry])
    validator.validate({"@context": document["@context"], **document["service"][0]})
