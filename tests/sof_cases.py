"""Our own cases of SQL on FHIR, for what the given ones leave out; each expectation is worked out by hand.

One list for the tests and for the measure `sof.own`.
"""
# ruff: noqa: E501, FBT003 - a table of cases

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from medspace.adapters.fhir.errors import PathError, ViewError
from medspace.adapters.fhir.views import compiled_view

BIRTH = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
PATIENT = """{"resourceType": "Patient", "id": "p1", "active": true, "gender": "female", "birthDate": "1970-06",
 "_birthDate": {"extension": [{"url": "BIRTH", "valueDateTime": "1970-06-14T09:30:00+02:00"}]},
 "extension": [{"url": "RACE", "extension": [{"url": "ombCategory", "valueCoding": {"code": "2106-3"}},
   {"url": "text", "valueString": "White"}]}, {"url": "urn:rank", "valueInteger": 3}],
 "name": [{"use": "official", "family": "Berg", "given": ["Ada", "Bea"]}, {"use": "old", "family": "Tal",
   "given": ["Cid"]}], "multipleBirthInteger": 2, "deceasedBoolean": false,
 "telecom": [{"system": "phone", "rank": 1}, {"system": "email", "rank": 2}],
 "managingOrganization": {"reference": "Organization/o1"},
 "generalPractitioner": [{"reference": "http://fhir.example/r4/Practitioner/d7/_history/2"},
   {"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}, {"reference": "#inside"}],
 "link": [{"other": {"reference": "Patient/p2"}, "type": "seealso"}]}""".replace("BIRTH", BIRTH).replace("RACE", RACE)
OBSERVATION = """{"resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": "Patient/p1"},
 "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}, {"code": "sys"}], "text": "it's high"},
 "effectiveDateTime": "2021-02-03T10:20", "issued": "2021-02-03T10:20:30.123Z",
 "valueQuantity": {"value": 120.50, "unit": "mmHg"}, "component": [{"code": {"text": "a"}, "valueInteger": 11},
 {"code": {"text": "b"}, "valueQuantity": {"value": 0.10000000000000000000000000001}},
 {"code": {"text": "c"}, "valueString": "x"}, {"code": {"text": "d"}, "valueTime": "10:20"}]}"""
FORM = """{"resourceType": "QuestionnaireResponse", "id": "q1", "item": [{"linkId": "1", "item": [{"linkId": "1.1",
 "answer": [{"valueString": "yes", "item": [{"linkId": "1.1.1"}]}]}, {"linkId": "1.2"}]}, {"linkId": "2"}]}"""
_READ = msgspec.json.Decoder(float_hook=Decimal)
RESOURCES = {one["resourceType"]: one for one in map(_READ.decode, (PATIENT, OBSERVATION, FORM))}


@dataclass(frozen=True, slots=True)
class ViewCase:
    """A view with its rows, or `error`: a word of the reason for which it is refused."""

    title: str
    view: Mapping[str, Any]
    rows: Sequence[Sequence[Any]] = ()
    error: str = ""
    resources: Sequence[Any] = field(default=tuple(RESOURCES.values()), repr=False)

    def passes(self) -> bool:
        """Whether the view gives these rows in this order, or is refused for that reason."""
        try:
            view = compiled_view(self.view)
            found = [list(row) for resource in self.resources for row in view.rows(resource)]
        except (PathError, ViewError) as error:
            return bool(self.error) and self.error in str(error)
        return not self.error and _exact(found) == _exact([list(row) for row in self.rows])


def _exact(value: Any) -> str:
    """Cells with their types: 1 is not 1.0, 1.5 not 1.50, and true not 1."""
    return repr(value)


def columns(*paths: str, **more: Any) -> dict[str, Any]:
    """A select with a column for each path, called c0, c1 and so on."""
    return {"column": [{"name": f"c{index}", "path": path} for index, path in enumerate(paths)], **more}


def view(resource: str, *selects: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A view of these selects."""
    return {"resourceType": "ViewDefinition", "resource": resource, "select": list(selects), **more}


def _path(path: str, value: Any, resource: str = "Patient", **column: Any) -> ViewCase:
    said = {"column": [{"name": "c", "path": path, **column}]}
    return ViewCase(f"{resource}: {path}", view(resource, said), [[value]])


def _constant(key: str, value: Any, path: str, wanted: Any) -> ViewCase:
    said = view("Patient", columns(path), constant=[{"name": "k", key: value}])
    return ViewCase(f"constant {key} {value}: {path}", said, [[wanted]])


def _refused(title: str, said: Mapping[str, Any], error: str) -> ViewCase:
    return ViewCase(title, said, error=error)


def _bad(path: str, error: str, resource: str = "Patient") -> ViewCase:
    return _refused(f"refused: {resource}: {path}", view(resource, columns(path)), error)


D = Decimal
PATHS = [
    _path("Patient.id", "p1"),
    _path("name[0].family", "Berg"),
    _path("name[1].given[0]", "Cid"),
    _path("name[2].family", None),
    _path("name.given.first()", "Ada"),
    _path("name.where(use = 'old').family", "Tal"),
    _path("name.where(use = 'maiden').family", None),
    _path("name.exists(use = 'old')", True),
    _path("name.exists()", True),
    _path("contact.exists()", False),
    _path("contact.empty()", True),
    _path("active.not()", False),
    _path("contact.active.not()", None),
    _path("name.given.join(', ')", "Ada, Bea, Cid"),
    _path("name.given.join()", "AdaBeaCid"),
    _path("contact.name.given.join(',')", None),
    _path("name.first().given.join('')", "AdaBea"),
    _path("name.given", ["Ada", "Bea", "Cid"], collection=True),
    _path("contact.name", [], collection=True),
    _path("'it\\'s'", "it's"),
    _path("1 + 2 * 3", 7),
    _path("(1 + 2) * 3", 9),
    _path("7 / 2", D("3.5")),
    _path("1 / 0", None),
    _path("0.1 + 0.2", D("0.3")),
    _path("'a' + 'b'", "ab"),
    _path("-3 + 1", -2),
    _path("1.50", D("1.50")),
    _path("1 = 1.0", True),
    _path("'1' = 1", False),
    _path("true = 1", False),
    _path("telecom.rank.first() < 2", True),
    _path("telecom.rank[1] >= 2", True),
    _path("contact.rank > 1", None),
    _path("active and contact.active", None),
    _path("active.not() and contact.active", False),
    _path("active or contact.active", True),
    _path("active.not() or contact.active", None),
    _path("gender != 'male'", True),
    _path("contact.x = 1", None),
    _path("name.given = name.given", True),
    _path("name.family = 'Berg'", False),
    _path("multipleBirth.ofType(integer)", 2),
    _path("multipleBirth.ofType(boolean)", None),
    _path("deceased.ofType(boolean)", False),
    _path("deceased", False),
    _path("deceased.exists()", True),
    _path("extension('urn:rank').value.ofType(integer)", 3),
    _path("extension('urn:rank').value", 3),
    _path("extension('urn:none').value", None),
    _path(f"extension('{RACE}').extension('text').value.ofType(string)", "White"),
    _path(f"extension('{RACE}').extension('ombCategory').value.ofType(Coding).code.first()", "2106-3"),
    _path(f"birthDate.extension('{BIRTH}').value.ofType(dateTime)", "1970-06-14T09:30:00+02:00"),
    _path("birthDate.lowBoundary()", "1970-06-01"),
    _path("birthDate.highBoundary()", "1970-06-30"),
    _path("birthDate < @1971-01-01", True),
    _path("birthDate < @1970-06-15", None),
    _path("getResourceKey()", "p1"),
    _path("managingOrganization.getReferenceKey()", "o1"),
    _path("managingOrganization.getReferenceKey(Organization)", "o1"),
    _path("managingOrganization.getReferenceKey(Patient)", None),
    _path("generalPractitioner[0].getReferenceKey(Practitioner)", "d7"),
    _path("generalPractitioner[1].getReferenceKey(Practitioner)", "53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
    _path("generalPractitioner[2].getReferenceKey()", None),
    _path("link.other.getReferenceKey(Patient) = getResourceKey()", False),
    _path("$this.gender", "female"),
    _path("name.where($this.use = 'old').exists()", True),
    _path("name.given.where($this = 'Bea')", "Bea"),
    _path("%resource.id", "p1"),
    _path("%context.id", "p1"),
    _path("name.where(family = 'Tal' and %resource.active).use", "old"),
    _path("value", None, "Patient"),
    _path("value.ofType(Quantity).value", D("120.50"), "Observation"),
    _path("value.ofType(Quantity).value.lowBoundary()", D("120.495"), "Observation"),
    _path("value.ofType(Quantity).value.highBoundary()", D("120.505"), "Observation"),
    _path("component[1].value.ofType(Quantity).value", D("0.10000000000000000000000000001"), "Observation"),
    _path("component[0].value.ofType(integer).lowBoundary()", D("10.5"), "Observation"),
    _path("component[0].value.ofType(integer).highBoundary()", D("11.5"), "Observation"),
    _path("component[3].value.ofType(time).lowBoundary()", "10:20:00.000", "Observation"),
    _path("component[3].value.ofType(time).highBoundary()", "10:20:59.999", "Observation"),
    _path("effective.ofType(dateTime).lowBoundary()", "2021-02-03T10:20:00.000+14:00", "Observation"),
    _path("effective.ofType(dateTime).highBoundary()", "2021-02-03T10:20:59.999-12:00", "Observation"),
    _path("issued.lowBoundary()", "2021-02-03T10:20:30.123Z", "Observation"),
    _path("code.text.highBoundary()", None, "Observation"),
    _path("contained.birthDate.lowBoundary()", None, "Observation"),
    _path("code.coding.where(system = 'http://loinc.org').code", "8480-6", "Observation"),
    _path("code.coding.where(system.empty()).code", "sys", "Observation"),
    _path("subject.getReferenceKey(Patient)", "p1", "Observation"),
    _path("component.where(value.ofType(integer) > 10).code.text", "a", "Observation"),
    _path("component.where(code.text = 'c').value", "x", "Observation"),
    _path("component.where(code.text = 'b').value.ofType(Quantity).value.exists()", True, "Observation"),
    _path("`code`.`text`", "it's high", "Observation"),
    _path("id // the key\n", "p1"),
]  # fmt: skip
CONSTANTS = [
    _constant("valueString", "old", "name.where(use = %k).family", "Tal"),
    _constant("valueCode", "female", "gender = %k", True),
    _constant("valueInteger", 2, "telecom.where(rank = %k).system", "email"),
    _constant("valuePositiveInt", 1, "telecom.where(rank = %k).system", "phone"),
    _constant("valueUnsignedInt", 0, "telecom.exists(rank > %k)", True),
    _constant("valueDecimal", 1.5, "telecom.where(rank > %k).system", "email"),
    _constant("valueBoolean", True, "active = %k", True),
    _constant("valueUri", RACE, "extension(%k).exists()", True),
    _constant("valueUrl", "urn:rank", "extension(%k).value", 3),
    _constant("valueId", "p1", "id = %k", True),
    _constant("valueUuid", "urn:uuid:1", "id = %k", False),
    _constant("valueOid", "urn:oid:1.2", "%k", "urn:oid:1.2"),
    _constant("valueBase64Binary", "aGk=", "%k", "aGk="),
    _constant("valueDate", "1969-01-01", "birthDate > %k", True),
    _constant("valueDate", "1970", "birthDate > %k", None),
    _constant("valueDateTime", "1980-01-01T00:00:00Z", "birthDate < %k", None),
    _constant("valueString", "x", "%`k`", "x"),
    _constant("valueString", "x", "%'k'", "x"),
]
NAMES = {"forEach": "name", **columns("family")}
LOOPS = [
    ViewCase("row index of forEach", view("Patient", columns("%rowIndex", "family", forEach="name")),
             [[0, "Berg"], [1, "Tal"]]),
    ViewCase("row index at the top", view("Patient", columns("%rowIndex")), [[0]]),
    ViewCase("row index within", view("Patient", {"forEach": "name", "select": [
        {"column": [{"name": "outer", "path": "%rowIndex"}]},
        {"forEach": "given", "column": [{"name": "inner", "path": "%rowIndex"}, {"name": "g", "path": "$this"}]}]}),
             [[0, 0, "Ada"], [0, 1, "Bea"], [1, 0, "Cid"]]),
    ViewCase("row index after a loop", view("Patient", {"forEach": "name", "select": [
        {"forEach": "given", "column": [{"name": "g", "path": "$this"}]},
        {"column": [{"name": "outer", "path": "%rowIndex"}]}]}), [["Ada", 0], ["Bea", 0], ["Cid", 1]]),
    ViewCase("repeat", view("QuestionnaireResponse", columns("linkId", repeat=["item"])),
             [["1"], ["1.1"], ["1.2"], ["2"]]),
    ViewCase("repeat over two paths", view("QuestionnaireResponse", columns("linkId", repeat=["item", "answer.item"])),
             [["1"], ["1.1"], ["1.1.1"], ["1.2"], ["2"]]),
    ViewCase("repeat beside a column", view("QuestionnaireResponse", {"column": [{"name": "id", "path": "id"}]},
             columns("linkId", repeat=["item"])), [["q1", "1"], ["q1", "1.1"], ["q1", "1.2"], ["q1", "2"]]),
    ViewCase("repeat of nothing", view("Patient", columns("linkId", repeat=["item"])), []),
    ViewCase("repeat with its row index", view("QuestionnaireResponse", columns("%rowIndex", repeat=["item"])),
             [[0], [1], [2], [3]]),
    ViewCase("forEach with a path of functions", view("Patient", columns("family", forEach="name.where(use = 'old')")),
             [["Tal"]]),
    ViewCase("forEach over a first", view("Patient", columns("$this", forEach="name.given.first()")), [["Ada"]]),
    ViewCase("combinations", view("Patient", NAMES, {"forEach": "telecom", "column": [{"name": "s", "path": "system"}]}),
             [["Berg", "phone"], ["Berg", "email"], ["Tal", "phone"], ["Tal", "email"]]),
    ViewCase("union", view("Patient", {"unionAll": [columns("system", forEach="telecom"), columns("use", forEach="name")]}),
             [["phone"], ["email"], ["official"], ["old"]]),
    ViewCase("union in a union", view("Patient", {"unionAll": [columns("id"), {"unionAll": [columns("gender"), columns("'x'")]}]}),
             [["p1"], ["female"], ["x"]]),
    ViewCase("union of forEachOrNull", view("Patient", {"unionAll": [columns("a", forEachOrNull="contact"), columns("gender")]}),
             [[None], ["female"]]),
    ViewCase("union beside a column", view("Patient", {"column": [{"name": "id", "path": "id"}],
             "unionAll": [columns("gender"), columns("'x'")]}), [["p1", "female"], ["p1", "x"]]),
    ViewCase("equal rows of a union stay", view("Patient", {"unionAll": [columns("id"), columns("id")]}), [["p1"], ["p1"]]),
    ViewCase("forEachOrNull within forEach", view("Patient", {"forEach": "name", "select": [columns("family"),
             {"forEachOrNull": "period", "column": [{"name": "s", "path": "start"}]}]}), [["Berg", None], ["Tal", None]]),
    ViewCase("empty forEach leaves no row", view("Patient", NAMES, {"forEach": "contact", "column": [{"name": "s", "path": "x"}]}), []),
    ViewCase("other resources give no rows", view("Encounter", columns("id")), []),
    ViewCase("where with a constant", view("Patient", columns("id"), where=[{"path": "gender = %g"}],
             constant=[{"name": "g", "valueCode": "male"}]), []),
    ViewCase("where that is empty", view("Patient", columns("id"), where=[{"path": "contact.active"}]), []),
]  # fmt: skip
ERRORS = [
    _bad("name.given", "several"),
    _bad("name.given and true", "several"),
    _bad("name.given + 'x'", "several"),
    _bad("name.count()", "count() is not supported"),
    _bad("iif(active, 1, 2)", "iif() is not supported"),
    _bad("name | telecom", "not expected"),
    _bad("name.family ~ 'Berg'", "starts nothing"),
    _bad("active is boolean", "not expected"),
    _bad("active xor true", "not expected"),
    _bad("7 mod 2", "not expected"),
    _bad("2 'mo'", "not expected"),
    _bad("name.", "not expected"),
    _bad("(id", "not expected"),
    _bad("id)", "not expected"),
    _bad("name[0", "not expected"),
    _bad("name['a']", "whole number"),
    _bad("'open", "starts nothing"),
    _bad("%nobody", "no constant"),
    _bad("$index", "not expected"),
    _bad("first(1)", "does not take 1"),
    _bad("where()", "does not take 0"),
    _bad("name.where(family)", "something else"),
    _bad("id > 1", "no order"),
    _bad("id - 1", "not a number"),
    _bad("-id", "not a number"),
    _bad("@2020-13-01 = birthDate", "is not one"),
    _bad("@2020-02-30", "is not one"),
    _bad("telecom.rank.join(',')", "not text"),
    _bad("value.ofType(1)", "name of a type"),
    _bad("getReferenceKey('Patient')", "name of a type"),
    _bad("(" * 60 + "id" + ")" * 60, "deep"),
    _bad("id" + ".a" * 400, "words"),
    _bad("'" + "a" * 5000 + "'", "characters"),
    _bad("", "no path"),
    _refused("no object", [], "no ViewDefinition"),
    _refused("another resource", {"resourceType": "Patient"}, "no ViewDefinition"),
    _refused("no resource", {"select": [columns("id")]}, "of which type"),
    _refused("no select", {"resource": "Patient"}, "`select`"),
    _refused("an empty select", view("Patient"), "selects nothing"),
    _refused("a select of nothing", view("Patient", {}), "neither columns"),
    _refused("an unknown part", view("Patient", {**columns("id"), "forEech": "name"}), "forEech"),
    _refused("an unknown part of a column", view("Patient", {"column": [{"name": "a", "path": "id", "pth": "x"}]}), "pth"),
    _refused("two loops", view("Patient", columns("id", forEach="name", forEachOrNull="name")), "one of"),
    _refused("repeat of no path", view("Patient", columns("id", repeat=[])), "repeat"),
    _refused("two columns of one name", view("Patient", columns("id"), columns("id")), "are called c0"),
    _refused("two columns but for the case", view("Patient", {"column": [{"name": "A", "path": "id"}, {"name": "a", "path": "id"}]}), "are called a"),
    _refused("a name with a blank", view("Patient", {"column": [{"name": "a b", "path": "id"}]}), "name"),
    _refused("a name that is SQL", view("Patient", {"column": [{"name": 'a"; DROP', "path": "id"}]}), "name"),
    _refused("a name that begins with a digit", view("Patient", {"column": [{"name": "1a", "path": "id"}]}), "name"),
    _refused("a union of other columns", view("Patient", {"unionAll": [columns("id"), columns("id", "gender")]}), "different columns"),
    _refused("a union in another order", view("Patient", {"unionAll": [
        {"column": [{"name": "a", "path": "id"}, {"name": "b", "path": "id"}]},
        {"column": [{"name": "b", "path": "id"}, {"name": "a", "path": "id"}]}]}), "another order"),
    _refused("a union of nothing", view("Patient", {"unionAll": []}), "union of nothing"),
    _refused("a constant of no value", view("Patient", columns("id"), constant=[{"name": "k"}]), "exactly one"),
    _refused("a constant of two", view("Patient", columns("id"), constant=[{"name": "k", "valueId": "a", "valueUri": "b"}]), "exactly one"),
    _refused("a constant of no name", view("Patient", columns("id"), constant=[{"valueId": "a"}]), "no name"),
    _refused("two constants of one name", view("Patient", columns("id"), constant=[{"name": "k", "valueId": "a"}] * 2), "no name"),
    _refused("a constant of another type", view("Patient", columns("id"), constant=[{"name": "k", "valueInteger": "1"}]), "its type"),
    _refused("a constant that is no date", view("Patient", columns("id"), constant=[{"name": "k", "valueDate": "soon"}]), "is not one"),
    _refused("a condition that is text", view("Patient", columns("id"), where=[{"path": "gender"}]), "condition"),
    _refused("a condition of resources", view("Patient", columns("id"), where=[{"path": "name"}]), "condition"),
    _refused("a condition without a path", view("Patient", columns("id"), where=[{}]), "no path"),
]  # fmt: skip
VIEW_CASES = (*PATHS, *CONSTANTS, *LOOPS, *ERRORS)
