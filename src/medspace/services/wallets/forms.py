"""What patients are asked for, and the FHIR R4 Consent that a yes to it is: both sides make the same one."""

from medspace.core.canonical import Json, JsonObject, canonical
from medspace.core.text import Text, msgid
from medspace.services.wallets.errors import ConsentFormError
from medspace.services.wallets.model import ConsentForm

LANGUAGES = ("en", "zh")
WORDS = ("title", "what", "who")  # the heading, what the data are used for, who uses them
LARGEST_PROVISION = 16 * 1024  # bytes
LONGEST_WORDS = 1000
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
TYPES = ("permit", "deny")


def consent_of(form: ConsentForm, origin: str, pseudonym: str, time: str) -> JsonObject:
    """The consent of a patient to a form at a time (RFC 3339), as it is signed."""
    return {
        "resourceType": "Consent",
        "status": "active",
        "identifier": [{"system": f"{origin}/forms", "value": f"{form.id}|{form.version}"}],
        "scope": {"coding": [{"system": SCOPE, "code": "research"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{pseudonym}"},
        "dateTime": time,
        "provision": form.provision,
    }


def flaw_of(form: ConsentForm) -> Text | None:
    """Why a form cannot be published; None where it can."""
    if form.provision.get("type") not in TYPES or not isinstance(form.provision.get("purpose"), list):
        return Text(msgid("its provision has no type or no purpose"))
    try:
        large = len(canonical(form.provision)) > LARGEST_PROVISION
    except ValueError:
        return Text(msgid("its provision is not JSON that can be signed"))
    if large or any(len(text) > LONGEST_WORDS for words in form.words.values() for text in words.values()):
        return Text(msgid("it is too large"))
    if any(not form.words.get(language, {}).get(name) for language in LANGUAGES for name in WORDS):
        return Text(msgid("its words are not there in English and in Chinese"))
    return None


def told(form: ConsentForm) -> Json:
    """A form as wallets are told it."""
    return {
        "id": form.id,
        "version": form.version,
        "purpose": form.purpose,
        "words": form.words,
        "provision": form.provision,
    }


def insist(said: JsonObject, form: ConsentForm | None, origin: str, pseudonym: str) -> None:
    """Refuse a consent that is not the one that a form makes.

    Raises:
        ConsentFormError: it is of another version, another patient, or says something else.
    """
    if form is None or not form.offered:
        raise ConsentFormError(reason=Text(msgid("the hospital does not ask for it any more")))
    time = said.get("dateTime")
    if not isinstance(time, str) or said != consent_of(form, origin, pseudonym, time):
        raise ConsentFormError(reason=Text(msgid("it says something else than the form")))
