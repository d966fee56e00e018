"""Examples that fill in the forms of the page of policies."""

from collections.abc import Mapping

from medspace.core.canonical import JsonObject

_POLICY = """{
  "@context": "http://www.w3.org/ns/odrl.jsonld",
  "@type": "Set",
  "uid": "urn:example:policy",
  "permission": [{
    "target": "urn:example:heart-registry",
    "assignee": "urn:example:university",
    "action": "use",
    "constraint": [
      {"leftOperand": "spatial", "operator": "eq", "rightOperand": "DE"},
      {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2027-01-01T00:00:00Z"}
    ]
  }]
}"""
_REQUEST = """{
  "@context": "http://www.w3.org/ns/odrl.jsonld",
  "@type": "Request",
  "uid": "urn:example:request",
  "permission": [{
    "target": "urn:example:heart-registry",
    "assignee": "urn:example:university",
    "action": "use"
  }]
}"""
_STATE = """{"currentTime": "2026-12-01T12:00:00Z", "fact": {"spatial": "DE"}}"""
_TERMS = """{
  "@context": "http://www.w3.org/ns/odrl.jsonld",
  "@type": "Offer",
  "@id": "urn:example:offer",
  "assigner": "did:web:hospital.example",
  "permission": [{
    "target": "urn:example:heart-registry",
    "action": "use",
    "constraint": [
      {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2027-01-01T00:00:00Z"},
      {"leftOperand": "dateTime", "operator": "gteq", "rightOperand": "2028-01-01T00:00:00Z"}
    ]
  }]
}"""
FILLED: Mapping[str, JsonObject] = {
    "evaluate": {"policy": _POLICY, "request": _REQUEST, "state": _STATE},
    "check": {"terms": _TERMS},
}
