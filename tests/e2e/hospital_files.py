"""The files of a hospital data manager's first hour, made anew: each has one thing that files really have."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HEAD = ("patient", "sex", "age", "glucose", "died")
COUNT = 25
CHINESE = ("患者编号", "性别", "年龄", "血糖(mmol/L)", "转归")
MARKS = (("f", "I", "44"), ("m", "II", "9999"), ("?", "N/A", "-"), ("NA", ".", "51"), ("未查", "III", "62"))
DAYS = ("31.01.2023", "2023/1/31", "2023-01-31 00:00:00", "31-Jan-23", "20230131")


def rows(count: int = COUNT) -> list[tuple[str, ...]]:
    """Invented patients."""
    return [
        (f"p{n:03}", "fm"[n % 3 // 2], str(30 + n % 25), f"{4 + (n * 7 % 53) / 10:.1f}", str(n % 2))
        for n in range(1, count + 1)
    ]


def text(lines, mark=",", end="\n", head=HEAD) -> str:
    """A text file of these lines below the head."""
    return "".join(mark.join(line) + end for line in ([head] if head else []) + list(lines))


def comma(line: tuple[str, ...]) -> tuple[str, ...]:
    """The same with a decimal comma."""
    return (*line[:3], line[3].replace(".", ","), line[4])


def chinese() -> str:
    """The same in Chinese."""
    return text(((n, "女男"[s == "m"], a, g, ("好转", "死亡")[d == "1"]) for n, s, a, g, d in rows()), head=CHINESE)


def dates() -> str:
    """One day in five ways."""
    head = ("patient", *(f"visit_{letter}" for letter in "abcde"))
    return text(((f"p{n:03}", *DAYS) for n in range(COUNT)), head=head)


def odd_numbers() -> str:
    """Thousands, shares, limits of detection, blanks."""
    lines = (
        (f"p{n:03}", f'"1,{n * 37:03}"', f"{10 + n} %", "<0.5" if n % 4 == 0 else f"0.{n % 9 + 1}", f" {60 + n} ")
        for n in range(COUNT)
    )
    return text(lines, head=("patient", "cost", "share", "crp", "weight"))


def marks() -> str:
    """Marks of missing values in every column."""
    lines = ((f"p{n:03}", *MARKS[n % 5], f"{4 + n / 10:.1f}") for n in range(3 * COUNT))  # so that codes stay
    return text(lines, head=("patient", "sex", "stage", "age", "glucose"))


def sqlite(path: Path) -> None:
    """A database with two tables."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE labs(patient text, sex text, age int, glucose real, died int)")
        database.execute("CREATE TABLE other(a int)")
        database.executemany("INSERT INTO labs VALUES (?, ?, ?, ?, ?)", rows())
    database.close()


def texts() -> dict[str, bytes]:
    """The text files, by name."""
    words = {"f": "weiblich", "m": "männlich"}
    german = text(((n, words[s], *rest) for n, s, *rest in rows()), head=("patient", "Geschlecht", *HEAD[2:]))
    remark = (
        (f"q{n:03}", "none" if n != 7 else "fell in ward 7 daughter called", str(30 + n % 40)) for n in range(60)
    )
    names = ((f"q{n:03}", f"Example {chr(65 + n)}", str(30 + n)) for n in range(COUNT))
    visits = ((f"p{n:03}", str(visit), str(40 + n % 30), str(n % 2)) for n in range(60) for visit in (1, 2))
    made = {
        "semicolon_decimal_comma.csv": text(map(comma, rows()), ";"),
        "sep_line.csv": "sep=;\r\n" + text(map(comma, rows()), ";", "\r\n"),
        "tab.tsv": text(rows(), "\t"),
        "mixed_line_ends.csv": text(rows()).replace("\n", "\r\n", 2),
        "trailing_comma.csv": text((*line, "") for line in rows()).replace("died\n", "died,\n"),
        "quoted_newline_header.csv": text(
            ((r[0], r[3], r[4]) for r in rows()), head=("patient", '"glucose\n(mmol/L)"', "died")
        ),
        "no_header.csv": text(rows(), head=()),
        "missing_marks.csv": marks(),
        "dates.csv": dates(),
        "odd_numbers.csv": odd_numbers(),
        "total_row.csv": text(rows()) + ",,,,\nTotal,,,,13\n",
        "free_text_once.csv": text(remark, head=("patient", "remark", "age")),
        "names_column.csv": text(names, head=("patient", "name", "age")),
        "visits.csv": text(visits, head=("patient", "visit", "age", "died")),
    }
    encoded = {name: content.encode() for name, content in made.items()}
    encoded["gb18030.csv"] = chinese().encode("gb18030")
    encoded["utf16.csv"] = chinese().encode("utf-16")
    encoded["latin1.csv"] = german.encode("latin-1")
    return encoded


def written(folder: Path) -> Path:
    """All of them, in a folder."""
    for name, content in texts().items():
        (folder / name).write_bytes(content)
    sqlite(folder / "clinic.sqlite")
    return folder


# --- what is right of each ----------------------------------------------------------------------------------------
Report = dict[str, Any]


def columns(report: Report) -> dict[str, Any]:
    """The columns that are in the dictionary, by name: type and the rest."""
    return {one["name"]: one for one in report["columns"] if not one["left_out"]}


def types(report: Report) -> dict[str, str]:
    """Their types."""
    return {name: one["type"] for name, one in columns(report).items()}


def _five(report: Report) -> bool:
    found = types(report)
    return tuple(found) == HEAD and found["glucose"] == "number" and report["rows"] == COUNT


def _chinese(report: Report) -> bool:
    found = columns(report)
    return (
        tuple(found) == CHINESE
        and set(found["性别"]["codes"]) <= {"男", "女"}
        and found["血糖(mmol/L)"]["type"] == "number"
    )


def _semicolon(report: Report) -> bool:
    return _five(report) and (report["delimiter"], report["decimal"]) == (";", ",")


def _marks(report: Report) -> bool:
    found = {one["name"]: set(one["missing"]) for one in report["columns"]}
    return found["age"] == {"9999", "-"} and found["sex"] == {"?", "NA", "未查"} and found["stage"] == {"N/A", "."}


def _odd_numbers(report: Report) -> bool:
    found = columns(report)
    flagged = any(one["kind"] == "limits" and one["column"] == "crp" for one in report["findings"])
    numbers = {found[name]["type"] for name in ("cost", "share", "crp", "weight")} <= {"integer", "number"}
    return numbers and flagged and found["share"]["written"].endswith("%") and found["cost"]["written"] == "1,234.5"


def _no_text(report: Report) -> bool:
    return "fell" not in str(report) and [one["column"] for one in report["left_out"]] == ["remark"]


def _no_names(report: Report) -> bool:
    return "Example" not in str(report) and [one["column"] for one in report["left_out"]] == ["name"]


def _nameless(report: Report) -> bool:
    return _five(report) and report["nameless_columns"] == [6]


def _patients(report: Report) -> bool:
    return (report["persons"], report["rows"]) == (60, 120)


RIGHT: Mapping[str, Callable[[Report], bool]] = {
    "semicolon_decimal_comma.csv": _semicolon,
    "sep_line.csv": _semicolon,
    "tab.tsv": _five,
    "gb18030.csv": lambda report: _chinese(report) and report["encoding"] == "gb18030",
    "utf16.csv": lambda report: _chinese(report) and report["encoding"] == "utf-16",
    "latin1.csv": lambda report: {"männlich", "weiblich"} >= set(columns(report)["Geschlecht"]["codes"]) != set(),
    "mixed_line_ends.csv": _five,
    "trailing_comma.csv": _nameless,
    "quoted_newline_header.csv": lambda report: types(report).get("glucose (mmol/L)") == "number",
    "no_header.csv": lambda report: report["rows"] == COUNT and "p001" not in types(report),
    "missing_marks.csv": _marks,
    "dates.csv": lambda report: all(types(report).get(f"visit_{letter}") == "date" for letter in "abcde"),
    "odd_numbers.csv": _odd_numbers,
    "total_row.csv": lambda report: _five(report) and report["persons"] == COUNT,
    "free_text_once.csv": _no_text,
    "names_column.csv": _no_names,
    "visits.csv": _patients,
    "clinic.sqlite": lambda report: _five(report) and report["table"] == "labs",
}
