"""Durations: the one reader of xsd:duration in policies, wherever they have one.

The lexical form is that of xsd:dayTimeDuration (XML Schema 1.1 Part 2, 3.4.27) without signs and fractions, and also
with weeks, as ISO 8601 has them. Years and months have no fixed length (3.3.6.1), so no two parties need agree on
when they are over: they are refused.
"""

import re
from datetime import timedelta

LONGEST = timedelta(days=99_999)  # about 273 years: added to an instant of today, the result is still an instant

_DURATION = re.compile(
    r"P(?=[0-9T])(?:(?P<weeks>[0-9]{1,5})W)?(?:(?P<days>[0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,7})H)?(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,10})S)?)?",
    re.ASCII,
)


def read(text: str) -> timedelta:
    """The length that a duration writes, in whole seconds, from none to `LONGEST`.

    Raises:
        ValueError: it is no duration, has years or months, or is longer.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    length = timedelta(**{name: int(number) for name, number in found.groupdict().items() if number is not None})
    if length > LONGEST:
        raise ValueError(text)
    return length
