"""Whether two units are one, written in two ways: by UCUM, which data dictionaries use, and by habit.

Only what means the same by definition is read as the same: nothing is converted, and a letter in the other case is
another unit (UCUM 3, mg and Mg), but for the litre, which UCUM writes both ways.
"""

import re
from collections.abc import Mapping

from medspace.core.text import Text, msgid

# How clinics write units that UCUM writes otherwise; each is the same unit by definition.
_HABITS: Mapping[str, str] = {
    "mmHg": "mm[Hg]",
    "°C": "Cel",
    "°F": "[degF]",
    "year": "a",
    "years": "a",
    "yr": "a",
    "y": "a",
    "bpm": "/min",
    "beats/min": "/min",
    "mcg": "ug",
    "yrs": "a",
    "Jahre": "a",
    "Jahr": "a",
    "岁": "a",
    "年": "a",
    "month": "mo",
    "months": "mo",
    "月": "mo",
    "week": "wk",
    "weeks": "wk",
    "周": "wk",
    "day": "d",
    "days": "d",
    "天": "d",
    "hour": "h",
    "hours": "h",
    "小时": "h",
    "次/分": "/min",
    "percent": "%",
    "％": "%",
}
# Those that clinics use most, for whoever writes one that is none.
COMMON = (
    "a", "mo", "wk", "d", "h", "min", "s", "%", "kg", "g", "mg", "ug", "ng", "cm", "mm", "kg/m2", "mm[Hg]", "/min",
    "Cel", "L", "mL", "g/L", "g/dL", "mg/dL", "mg/L", "ug/L", "ng/mL", "mol/L", "mmol/L", "umol/L", "U/L", "[IU]/L",
    "10*9/L", "10*12/L", "mL/min", "mL/min/{1.73_m2}",
)  # fmt: skip
SHOWN = ("a", "mo", "d", "h", "%", "kg", "cm", "kg/m2", "mm[Hg]", "/min", "mg/dL", "mmol/L", "10*9/L", "U/L")
LONGEST = 64  # characters of a unit
_FORBIDDEN = re.compile(r"[^!#-~]|[{}]")  # UCUM 2: printable ASCII, without blanks and quotation marks
_REMARK = re.compile(r"\{[^{}]*\}")
_POWER = re.compile(r"(?<=[A-Za-z*^'\]])[+-]?[0-9]+$")
# What UCUM calls atoms; those in square brackets are many, and taken as they are.
_METRIC = frozenset(
    """
m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u eV pc eq osm kat U B Np cal
bit By Bd tex Gal dyn erg P Bi St Mx G Oe Gb sb Lmb ph Ci R RAD REM cal_m cal_IT cal_th a g%
""".split()  # noqa: SIM905 - such a table reads best as text
)
_PLAIN = frozenset(
    "% 10* 10^ deg gon ' '' min h d wk mo a_t a_j a_g mo_s mo_j mo_g AU bit_s circ sph".split()  # noqa: SIM905 - as above
)
_PREFIXES = ("da", "Ki", "Mi", "Gi", "Ti", *"YZEPTGMkhdcmunpfazy")
_IN_BRACKETS = re.compile(r"(?:[A-Za-z]{0,3})\[[^\[\]]+\]")
_LITRE = re.compile(r"(?<![A-Za-z\[\]{}])(k|h|da|d|c|m|u|n|p|f)?l(?![A-Za-z\[\]{}])")
_IU = re.compile(r"(?<![A-Za-z\[\]{}])(k|m|u|n)?IU(?![A-Za-z\[\]{}])")
_MICRO = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})


def written(unit: str) -> str:
    """A unit as UCUM writes it with a capital L for the litre; what is not known stays as it is."""
    text = unit.strip().translate(_MICRO)
    text = _HABITS.get(text, text).replace("10^", "10*")
    text = _IU.sub(lambda found: (found[1] or "") + "[IU]", text)
    return _LITRE.sub(lambda found: (found[1] or "") + "L", text)


def same(one: str, other: str) -> bool:
    """Whether two texts name the same unit."""
    return written(one) == written(other)


def oddity(unit: str) -> Text | None:
    """What is odd about a unit that somebody wrote; None where it is one of UCUM, as far as that is known here.

    A remark in braces, such as `{score}`, is a unit of its own (UCUM 6): whoever measures in another one can say so.
    """
    text = written(unit)
    meant = next((one for one in COMMON if one != text and _alike(one) == _alike(text)), None)
    if meant is not None:
        return Text(msgid("UCUM writes it {unit}"), {"unit": meant})
    if len(text) > LONGEST:
        return Text(msgid("it is longer than {longest} characters"), {"longest": LONGEST})
    bare, common = _REMARK.sub("1", text), ", ".join(SHOWN)
    odd = [one for one in _FORBIDDEN.findall(bare) if one.isprintable() and not one.isspace()]
    if odd:
        return Text(msgid("no unit of UCUM holds {odd}; common ones are {common}"), {"odd": odd[0], "common": common})
    if any(one.isspace() for one in bare):
        return Text(msgid("no unit of UCUM holds a blank; common ones are {common}"), {"common": common})
    parts = re.split("[./]", bare.removeprefix("/")) if bare else []
    unknown = next((part for part in parts if not _known(part.strip("()"))), None)
    if unknown is None:
        return None
    facts = {"part": unknown or text, "common": common, "remark": f"{{{unknown or 'score'}}}"}
    sentence = msgid("{part} is no unit of UCUM that is known here; common ones are {common}, any other is {remark}")
    return Text(sentence, facts)


def _alike(unit: str) -> str:
    """A unit without what people forget: the brackets, the case of letters; and without blanks."""
    return re.sub(r"[\[\]\s]", "", unit).casefold()


def _known(part: str) -> bool:
    """Whether it is a number, or an atom with or without prefix and power."""
    atom = _POWER.sub("", part)
    if part.isdecimal() or atom in _METRIC or atom in _PLAIN or _IN_BRACKETS.fullmatch(atom):
        return True
    return any(atom.startswith(prefix) and atom[len(prefix) :] in _METRIC for prefix in _PREFIXES)
