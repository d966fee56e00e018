"""Elements of several types (`value[x]`): JSON names them with their type, expressions without (FHIR R4, 2.6.1)."""

# The elements of R4 and R5 that have several types.
CHOICES = frozenset(
    ("abatement", "age", "allowed", "amount", "answer", "asNeeded", "author", "base", "bodySite", "born",
    "chargeItem", "citeAs", "collected", "content", "cost", "created", "data", "deceased", "defaultValue",
    "definition", "detail", "diagnosis", "dose", "due", "effective", "entity", "event", "example", "fastingStatus",
    "fixed", "identified", "indication", "instantiates", "item", "legallyBinding", "location", "manufacturer",
    "maxValue", "medication", "min", "minValue", "minimumVolume", "module", "multipleBirth", "observed", "occurred",
    "occurrence", "offset", "onset", "operand", "parameter", "pattern", "performed", "probability", "procedure",
    "product", "protocolApplied", "quantity", "rate", "reason", "reported", "schedule", "scheduled", "series",
    "serviced", "source", "start", "subject", "substance", "target", "time", "timing", "topic", "used", "value",
    "versionAlgorithm", "when")
)  # fmt: skip
TYPES = frozenset(
    ("Address", "Age", "Annotation", "Attachment", "Availability", "Base64Binary", "Boolean", "Canonical", "Code",
    "CodeableConcept", "CodeableReference", "Coding", "ContactDetail", "ContactPoint", "Count", "DataRequirement",
    "Date", "DateTime", "Decimal", "Distance", "Dosage", "Duration", "Expression", "ExtendedContactDetail",
    "HumanName", "Id", "Identifier", "Instant", "Integer", "Integer64", "Markdown", "Meta", "Money", "Oid",
    "ParameterDefinition", "Period", "PositiveInt", "Quantity", "Range", "Ratio", "RatioRange", "Reference",
    "RelatedArtifact", "SampledData", "Signature", "String", "Time", "Timing", "TriggerDefinition", "UnsignedInt",
    "Uri", "Url", "UsageContext", "Uuid")
)  # fmt: skip


def named(element: str, kind: str) -> str:
    """How JSON names an element of several types where it is of one: `value`, `dateTime` is `valueDateTime`."""
    return element + kind[:1].upper() + kind[1:]


def type_in(name: str, element: str) -> str:
    """The type in the JSON name of an element, empty where the name is another element's."""
    kind = name[len(element) :] if name.startswith(element) else ""
    return kind if kind in TYPES else ""


def names_in_json(element: str) -> tuple[str, ...]:
    """All names that an element may have in JSON, with that of what JSON keeps beside a primitive."""
    names = (element, *(element + kind for kind in TYPES)) if element in CHOICES else (element,)
    return (*names, *(f"_{name}" for name in names))
