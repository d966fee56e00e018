"""What a data dictionary may say to everybody: nothing that fewer than `least` persons have.

A dictionary stands in the catalogue, so it is held to more than the answers are: a code that few persons have is not
named, a bound is a round number well beyond what enough persons have, and a column that names persons, identifies
them, or holds what somebody wrote in their own words is left out. Names of columns are looked at as well as cells,
and every rule errs on the side of leaving out: a person reviews the draft and may put back what is wrongly missing.
"""

import math
import re
from dataclasses import dataclass

from medspace.core.dictionary import ColumnType
from medspace.core.text import Text, msgid

LEAST = 10  # persons, where the terms say nothing
MOST_CODES = 32  # a code column with more codes has them left open
# Cells that stand for "not measured" where everything else in a column is a number, and in a column of codes.
MISSING = ("NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?", "-", ".")
MISSING_CODES = ("?", "-", ".")
LONG_NUMBER = 5  # digits from which on whole numbers that are all different are numbers of records, not measurements
SPREAD = 40  # years between the dates of a column from which on they are dates of birth
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
_BIRTH = frozenset({"birth", "geburt"})
_DAY = frozenset({"date", "day", "datum", "of"})
_NUMBERED = frozenset({"id", "no", "nr", "num", "number", "uid", "uuid", "pid", "key", "identifier"})
_CHINESE = re.compile("姓名|名字|身份证|电话|手机|住址|地址|病历号|住院号|门诊号|就诊号|医保号|出生日期|生日|邮箱")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")


@dataclass(frozen=True, slots=True)
class Profile:
    """What was counted in a column: values and the persons who have them, missing ones left out.

    `common` are the values that enough persons have each (at most `MOST_CODES` + 1 of them), `carried` the persons
    who have one of these; `sentences` and `addresses` count rarer values of that form; `digits` is the common length
    of values that are all whole numbers without sign, else 0; `years` lie between the first and the last date.
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
    years: float = 0.0


def identifying(profile: Profile) -> Text | None:
    """Why a column stays out of a dictionary that everybody sees; None where it may stand in it."""
    unique = profile.persons > 0 and profile.distinct >= UNIQUE * profile.persons
    numbers = profile.digits >= LONG_NUMBER or (profile.digits > 0 and bool(_words(profile.name) & _NUMBERED))
    few = profile.type is ColumnType.CODE and 2 * profile.carried < profile.persons
    for found, reason in (
        (names_persons(profile.name), msgid("its name says that it names persons, or when they were born")),
        (profile.addresses > 0, msgid("it holds e-mail addresses, telephone numbers or links")),
        (profile.sentences > 0, msgid("it holds free text")),
        (unique and numbers, msgid("it holds a number of their own for most persons")),
        (unique and profile.years >= SPREAD, msgid("its dates are spread like dates of birth")),
        (few, msgid("most of its values are those of few persons, as names and identifiers are")),
    ):
        if found:
            return Text(reason)
    return None


def names_persons(name: str) -> bool:
    """Whether a column is called as columns with names, addresses, numbers or dates of birth of persons are."""
    words = _words(name)
    if words & _PERSONAL or _CHINESE.search(name):
        return True
    if words & _BIRTH and (words & _DAY or len(words) == 1):
        return True
    return bool(words & _NAMED) and words <= _NAMED | _WHOSE


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
