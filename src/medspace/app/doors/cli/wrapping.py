"""Where lines may break on a screen: Chinese has no spaces, so a line of it may break between any two characters.

rich breaks lines at spaces only, cuts off what is longer than a line, and offers no way to say otherwise but its own
notion of a word. Here a word is what it was, or one Chinese character with the punctuation that belongs to it.
"""

import re
from typing import Any

_HAN = "\u2e80-\u2fff\u3005-\u3007\u3021-\u9fff\uf900-\ufaff"
_OPENING = "（《「『“‘【〈"  # Chinese punctuation, which never ends a line
_CLOSING = "，。、；：！？）》」』”’】〉…"  # Chinese punctuation, which never begins one
WORD = re.compile(rf"\s*(?:[{_OPENING}]*(?:[{_HAN}]|[^\s{_HAN}{_OPENING}{_CLOSING}]+)[{_CLOSING}]*|\S)\s*")


def break_between_characters() -> None:
    """Let rich break lines of Chinese from now on; lines of other languages break as before."""
    from rich import _wrap  # noqa: PLC0415 - rich is imported only where it shows something
    from rich.text import Text  # noqa: PLC0415

    _wrap.re_word = WORD
    line: Any = Text
    line.rstrip_end = _without_last_space


def _without_last_space(line: Any, size: int) -> None:  # noqa: ANN401 - rich's Text
    """Take away the space at the end of a line that is too long.

    rich counts characters there: a line of Chinese, where each takes two columns, kept it and lost a character.
    """
    spaces = len(line.plain) - len(line.plain.rstrip())
    excess = min(line.cell_len - size, spaces)
    if excess > 0:
        line.right_crop(excess)
