"""What a data dictionary may say to everybody: nothing that fewer than `least` persons have.

A dictionary is public in the catalogue, so its rules are stricter than those for answers: a code that few persons
have is not named, a bound is a round number well beyond what enough persons have, and a column that names persons,
identifies them, or holds what somebody wrote in their own words is left out. Names of columns are looked at as well
as cells, and every rule errs on the side of leaving out: a person reviews the draft and may put back what is wrongly
missing.
"""

import math
import re
from dataclasses import dataclass

from medspace.core.dictionary import ColumnType
from medspace.core.text import Text, msgid

LEAST = 10  # persons, where the terms say nothing
MOST_CODES = 32  # a code column with more codes has them left open
# Cells that stand for "not measured" where everything else in a column is a number, and in a column of codes.
_UNTESTED = ("未查", "未测", "未做", "缺失", "不详")
MISSING_CODES = ("?", "-", ".", "--", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", *_UNTESTED)
MISSING = (*MISSING_CODES, "None", "n/a", "na", "无", "未知")
# Numbers that stand for "not measured" where they lie far outside of the rest.
MARKS = (99, 999, 9999, 99999, 999999, 8888, 88888, -9, -99, -999, -9999, -99999)
LONG_NUMBER = 5  # digits from which on whole numbers that are all different are numbers of records, not measurements
DISTINCT_NUMBER = 4  # the same, where no two persons share one
MANY = 50  # persons from which on it is no coincidence that no two share a whole number
SPREAD = 40  # years between the dates of a column from which on they are dates of birth, where most are different
LIFE = 60  # years between them from which on they are, however many are alike
UNIQUE = 0.9  # of the persons have a value of their own
SMALLEST = 1e-300  # the least bound that is not 0
MARGIN = 1.5  # between what enough persons have and a bound
# A value of three words or more, or of many Chinese characters, is a sentence (RE2, as DuckDB has it).
SENTENCE = r"\S+\s+\S+\s+\S|\p{Han}{10,}|[。，；]"
ADDRESS = r"[^@\s]+@[^@\s]+\.[^@\s]+|\+\d[\d ()/-]{6,}|https?://"

# By what columns that name persons are called, as whole words of the name.
_PERSONAL = frozenset(
    {
        "surname",
        "lastname",
        "firstname",
        "forename",
        "fullname",
        "familyname",
        "givenname",
        "vorname",
        "nachname",
        "nom",
        "prenom",
        "apellido",
        "apellidos",
        "nombre",
        "cognome",
        "mrn",
        "ssn",
        "nhs",
        "nino",
        "email",
        "mail",
        "phone",
        "telephone",
        "tel",
        "mobile",
        "fax",
        "address",
        "addr",
        "street",
        "strasse",
        "adresse",
        "passport",
        "dob",
        "birthdate",
        "birthday",
        "geburtsdatum",
        "geburtstag",
        "geboren",
        "naissance",
        "nacimiento",
    }
)
_NAMED = frozenset({"name", "names", "initials"})
_WHOSE = frozenset(
    {
        "patient",
        "person",
        "subject",
        "first",
        "last",
        "full",
        "family",
        "given",
        "middle",
        "maiden",
        "mother",
        "father",
        "contact",
    }
)
_BIRTH = frozenset({"birth", "geburt", "born"})
_DAY = frozenset({"date", "day", "datum", "of", "dt", "dat", "dte", "tag"})
_YEAR = frozenset({"year", "yr", "jahr"})
_BIRTH_YEAR = frozenset({"geburtsjahr", "gebjahr", "birthyear", "yob"})
_CHINESE_YEAR = re.compile("出生年(?!月)")
_POSTAL = frozenset({"plz", "zip", "zipcode", "postcode", "postalcode", "postleitzahl"})
_CODED = frozenset({"code", "number", "nr", "no"})
_CHINESE_POSTAL = re.compile("邮编|邮政编码|郵編|郵遞區號")
_NUMBERED = frozenset({"id", "no", "nr", "num", "number", "uid", "uuid", "pid", "key", "identifier"})
NUMBERED = msgid("it holds a different number for most persons, as identifiers do")
NUMBERING = msgid("its name says that it numbers the patients")
_WHOSE_NUMBER = re.compile(
    r"(study|trial|hospital|clinic|medical|record)*(patient|patienten|pat|person|subject|subj|participant|proband|case)s?"
    r"(pseudonym|identifier|id|uid|uuid|no|nr|nbr|num|nummer|number|code|key|index|hash)*|(pseudonym|identifier|u?id|pid|mrn)+|"
    "(患者|病人|受试者|住院|门诊|病历)(唯一)?(编号|编码|号码?|标识|id)|编号"
)
_CHINESE = re.compile("姓名|名字|身份证|电话|手机|住址|地址|病历号|住院号|门诊号|就诊号|医保号|出生日期|生日|邮箱")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")


@dataclass(frozen=True, slots=True)
class Profile:
    """What was counted in a column: values and the persons who have them, missing ones left out.

    `common` are the values that enough persons have each (at most `MOST_CODES` + 1 of them), `carried` the persons
    who have one of these; `sentences` and `addresses` count rarer values of that form; `digits` are those that nine
    in ten values have at least, where all are whole numbers without sign, else 0; `running` says that these count up
    from 0 or 1; `years` lie between the first and the last date.
    """

    name: str
    type: ColumnType
    persons: int
    distinct: int
    common: tuple[str, ...] = ()
    carried: int = 0
    sentences: int = 0
    addresses: int = 0
    digits: int = 0
    running: bool = False
    years: float = 0.0


def identifying(profile: Profile, *, confirmed: bool = False) -> Text | None:
    """Why a column is left out of a public dictionary; None if it may be in it.

    `confirmed`: a person said of which type it is, so that its values are neither identifiers nor years of birth.
    """
    unique = profile.persons > 0 and profile.distinct >= UNIQUE * profile.persons
    few = profile.type is ColumnType.CODE and 2 * profile.carried < profile.persons
    named = names_persons(profile.name) and not (confirmed and profile.digits and is_birth_year(profile.name))
    for found, reason in (
        (named, msgid("its name says that it names persons, or when they were born")),
        (profile.addresses > 0, msgid("it holds e-mail addresses, telephone numbers or links")),
        (profile.sentences > 0, msgid("it holds free text")),
        (unique and not confirmed and _numbers_records(profile), NUMBERED),
        (profile.years >= (SPREAD if unique else LIFE), msgid("its dates are spread like dates of birth")),
        (not confirmed and _tells_apart(profile), NUMBERING),
        (few, msgid("most of its values are those of few persons, as names and identifiers are")),
    ):
        if found:
            return Text(reason)
    return None


def _tells_apart(profile: Profile) -> bool:
    """Whether a column of numbers or codes is called as one that tells patients apart, however often each occurs."""
    whole = bool(profile.digits) or profile.type is ColumnType.CODE
    return whole and profile.distinct >= LEAST and numbers_persons(profile.name)


def _numbers_records(profile: Profile) -> bool:
    """Whether whole numbers of which most persons have their own are numbers of records, and not measurements."""
    if profile.digits >= LONG_NUMBER or profile.running:
        return True
    if profile.digits and _words(profile.name) & _NUMBERED:
        return True
    return profile.digits >= DISTINCT_NUMBER and profile.distinct >= max(MANY, profile.persons)


def names_persons(name: str) -> bool:
    """Whether a column's name suggests names, addresses, numbers, dates or years of birth of persons."""
    words = _words(name)
    if words & _PERSONAL or _CHINESE.search(name) or is_birth_year(name):
        return True
    if words & _BIRTH and (words & _DAY or len(words) == 1):
        return True
    return bool(words & _NAMED) and words <= _NAMED | _WHOSE


def numbers_persons(name: str) -> bool:
    """Whether a column's name says that its values tell the patients apart, such as `patient_id` or `MRN`."""
    return _WHOSE_NUMBER.fullmatch(re.sub(r"[\W\d_]+", "", name).lower()) is not None


def is_birth_year(name: str) -> bool:
    """Whether a column's name suggests years of birth."""
    words = _words(name)
    return bool(words & _BIRTH_YEAR or (words & _BIRTH and words & _YEAR) or _CHINESE_YEAR.search(name))


def quasi_identifying(name: str) -> Text | None:
    """What a column's name suggests that tells, together with other columns, who somebody is; None: nothing."""
    words = _words(name)
    if is_birth_year(name):
        return Text(msgid("years of birth"))
    if words & _POSTAL or _CHINESE_POSTAL.search(name) or (words & {"post", "postal"} and words & _CODED):
        return Text(msgid("postal codes"))
    return None


def codes(profile: Profile) -> tuple[str, ...]:
    """The codes that a draft names: those that enough persons have, unless they are too many for a list."""
    return profile.common if len(profile.common) <= MOST_CODES else ()


def upper_bound(value: float) -> float:
    """A round number well above a value: 1, 2 or 5 times a power of ten, 0 for what is not positive but 1 for 0.

    Infinite where there is none.
    """
    if value <= 0:
        return 1.0 if value == 0 else 0.0
    wanted = max(MARGIN * value, SMALLEST)
    if not math.isfinite(wanted):
        return math.inf
    power = 10.0 ** math.floor(math.log10(wanted))
    steps = (float(f"{step * power:.12g}") for step in (1, 2, 5, 10))
    return next(step for step in steps if step >= wanted)


def lower_bound(value: float) -> float:
    """A round number well below a value: 0 for what is not negative."""
    return 0.0 if value >= 0 else -upper_bound(-value)


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}
