"""FHIR resources as tables: SQL on FHIR views over NDJSON.

Pure but for `ndjson` and `source`: `lexing` and `grammar` read expressions, `paths` compiles them to closures over
parsed JSON, `views` makes rows of resources.
"""
