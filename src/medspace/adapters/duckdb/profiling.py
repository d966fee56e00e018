"""What a draft says of each column: how it is read, what few persons have left out, and what a person must tell."""

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from medspace.adapters.duckdb.checks import missing_sql, verdict
from medspace.adapters.duckdb.counting import Counted
from medspace.adapters.duckdb.errors import MOST_LISTED
from medspace.adapters.duckdb.findings import SHOWN, DataFinding, Drafted, line_of, quoted, rows_shown, section_of
from medspace.adapters.duckdb.guessing import Guess, Tried, decimal_of, described, guess, looked_at, settled
from medspace.adapters.duckdb.settings import DraftOptions, Settings, applied, check_century
from medspace.adapters.duckdb.sql import Connection, literal
from medspace.adapters.duckdb.writing import canonical_sql
from medspace.core.dictionary import NUMBER, Column, ColumnType, Reason, TableFlaw, explain
from medspace.core.text import Fact, Text, msgid
from medspace.privacy.publication import (
    MARKS,
    MISSING,
    NUMBERED,
    NUMBERING,
    Profile,
    codes,
    identifying,
    lower_bound,
    quasi_identifying,
    upper_bound,
)

FIRST = 1000  # rows that tell the mark before fractions
FAR = 2  # times the spread of the rest, from which on a mark of missing values lies far outside of it
FEW_STEPS = 10  # different whole numbers of a scale; more of them are measured, or counted
YES_OR_NO = 2
NATURAL = (0, 1)  # bounds that tell of nobody


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at: the counted rows, what a person said, and whether it is a text file."""

    counted: Counted
    options: DraftOptions
    settings: Settings
    text: bool

    @property
    def connection(self) -> Connection:
        """Where the rows are."""
        return self.counted.connection


def profiled(look: Look, names: Sequence[str], usual: str) -> tuple[list[Drafted], str]:
    """Every column; and the mark before fractions, which the columns tell that leave no doubt (else the `usual`)."""
    said = {look.settings.of(name).get("written", "") for name in names}
    marks = [mark for mark in (",", ".") if any(mark in form.removesuffix(" %")[-2:] for form in said if form)]
    for name, some in zip(names, _first_values(look.connection, names), strict=True):
        if name != look.options.person and name not in look.options.leave_out:
            marks.append(decimal_of(some))
    decimal = "," if "," in marks else "." if "." in marks else ""
    return [_column(look, f"c{index}", name, decimal or usual) for index, name in enumerate(names)], decimal


def _first_values(connection: Connection, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Some values of each column."""
    cells = ", ".join(f"c{index}" for index in range(len(names)))
    rows = connection.execute(f"SELECT {cells} FROM raw LIMIT {FIRST}").fetchall()  # noqa: S608 - numbers
    missing = {None, "", *MISSING}
    return [tuple({row[index] for row in rows} - missing) for index in range(len(names))]


def _column(look: Look, cell: str, name: str, decimal: str) -> Drafted:
    plain, said = Column(name, ColumnType.CODE), look.settings.of(name)
    if name == look.options.person:
        why = Text(msgid("it names the persons: counted, and never released"))
        return Drafted(applied(plain, said), 0, why, findings=(DataFinding(name, "person", why),))
    if name in look.options.leave_out:
        why = Text(msgid("you left it out"))
        return Drafted(plain, 0, why, left_out=why, said=True, findings=(DataFinding(name, "left-out", why),))
    look.counted.gather(cell)
    tried = looked_at(look.connection, name, look.counted.least)
    guessed = settled(guess(tried, decimal, look.counted.least), said)
    if guessed.unsure is not None:
        check_century(name, said, "", guessed.forms)
        return _asked(guessed)
    column = applied(guessed.column, said, guessed.forms)
    if "missing" not in said:
        column = _with_marks(look, column, tried)
    drafted = _described(look, cell, column, guessed, empty=not tried.some)
    return replace(drafted, findings=(*drafted.findings, *_quasi(column, left_out=drafted.left_out is not None)))


def _quasi(column: Column, *, left_out: bool) -> list[DataFinding]:
    """Columns that tell together with others who somebody is."""
    kind = quasi_identifying(column.name)
    if kind is None:
        return []
    facts: dict[str, Fact | Text] = {"kind": kind}
    said = Text(msgid("it looks like {kind}: with other columns that may tell who somebody is"), facts)
    if left_out:
        step = Text("--set {setting}", {"setting": shlex.quote(f"{column.name}={column.type.value}")})
        edit = section_of(column.name, f"type = {quoted(column.type.value)}")
    else:
        edit = Text(msgid("in the dictionary, move it to `left_out`, or write coarser groups into the table"))
        step = Text(
            msgid("leave it out ({option}), or write coarser groups into the table"),
            {"option": f"--leave-out {shlex.quote(column.name)}"},
        )
    return [DataFinding(column.name, "quasi-identifier", said, step, edit=edit)]


def _asked(guessed: Guess) -> Drafted:
    """A column that a person has to say something of first."""
    name, why = guessed.column.name, guessed.unsure
    assert why is not None  # noqa: S101 - for the checker
    step = " ".join(f"--set {shlex.quote(f'{name}.{choice}')}" for choice in guessed.choices)
    line = "; ".join(_as_line(*choice.split("=", 1)) for choice in guessed.choices)
    kind = ColumnType.DATE if "D" in guessed.choices[0] else ColumnType.NUMBER
    edit = section_of(name, f"type = {quoted(kind.value)}; {line}")
    finding = DataFinding(name, "unsure", why, Text("{step}", {"step": step}), edit=edit)
    return Drafted(guessed.column, 0, why, left_out=why, findings=(finding,))


def _as_line(key: str, value: str) -> str:
    """A setting as the dictionary has it."""
    return f"{key} = {value if key == 'century' else quoted(value)}"


def _with_marks(look: Look, column: Column, tried: Tried) -> Column:
    """With numbers such as 9999 as marks of missing values, where they lie far outside of the rest."""
    if not tried.nines or column.type in (ColumnType.DATE, ColumnType.FLAG):
        return column
    cell = canonical_sql("v", column) if column.rewritten else "v"
    number = f"TRY_CAST({cell} AS DOUBLE)"
    where = f"regexp_full_match({cell}, {literal(NUMBER)})"
    listed = ", ".join(map(str, MARKS))
    there = {
        row[0]
        for row in look.connection.execute(
            f"SELECT DISTINCT {number} FROM gathered WHERE {where} AND {number} IN ({listed})"  # noqa: S608 - ours
        ).fetchall()
    }
    low, high = look.connection.execute(
        f"SELECT min({number}), max({number}) FROM gathered WHERE {where} AND {number} NOT IN ({listed})"  # noqa: S608 - ours
    ).fetchone()
    coded = column.type is ColumnType.CODE
    marks = tuple(
        str(mark) for mark in sorted(MARKS, key=abs) if mark in there and _far(mark, low, high, coded=coded)
    )
    return replace(column, missing=(*column.missing, *marks))


def _far(mark: float, low: float | None, high: float | None, *, coded: bool) -> bool:
    if low is None or high is None:
        return coded  # among words, such a number is none of them
    spread = FAR * max(high - low, abs(high), abs(low), 1.0)
    return mark - high > spread or low - mark > spread


def _described(look: Look, cell: str, column: Column, guessed: Guess, *, empty: bool) -> Drafted:
    name, said = column.name, look.settings.of(column.name)
    if column.rewritten:
        cell = canonical_sql(cell, column)
        look.counted.gather(cell)
    nearly = guessed.nearly and "type" not in said

    def filled(text: str) -> str:
        held = f"NOT ({missing_sql(text, column)})"
        return f"{held} AND {verdict(text, column)} IS NULL" if nearly else held  # mistakes say nothing of the rest

    profile = look.counted.profile(name, column.type, cell, filled)
    empty |= profile.distinct == 0
    reason = identifying(profile, confirmed="type" in said)
    if reason is not None:
        return _withheld(column, reason)
    findings = [DataFinding(name, "type", described(column)), *_marked(column)]
    unbounded = False
    if column.numeric:
        column, tight = _bounded(look.counted, cell, column, filled)
        findings += tight
        unbounded = column.minimum is None or column.maximum is None
    elif column.type is ColumnType.CODE and codes(profile):
        column = replace(column, codes=dict.fromkeys(codes(profile), ""), others=True)
    # What was guessed fits already; codes and what a person said may not.
    flaws = _flaws(look.connection, cell, column) if said or nearly or column.type is ColumnType.CODE else []
    if flaws:
        return _flawed(look, column, flaws)
    unbounded &= not empty
    findings += _open(look, column, profile, filled, unbounded=unbounded, empty=empty)
    return Drafted(column, 0, described(column), unbounded=unbounded, empty=empty, findings=tuple(findings))


def _withheld(column: Column, reason: Text) -> Drafted:
    """A column that would tell who somebody is."""
    step = edit = None
    if reason.msgid in (NUMBERED, NUMBERING):
        setting = shlex.quote(f"{column.name}={column.type.value}")
        step = Text(msgid("if it is measured or counted, say so: --set {setting}"), {"setting": setting})
        edit = section_of(column.name, f"type = {quoted(column.type.value)}")
    finding = DataFinding(column.name, "identifying", reason, step, edit=edit)
    return Drafted(column, 0, reason, left_out=reason, findings=(finding,))


def _open(
    look: Look, column: Column, profile: Profile, filled: Callable[[str], str], *, unbounded: bool, empty: bool
) -> list[DataFinding]:
    """What of a column that stays needs a word of a person."""
    name, found = column.name, list[DataFinding]()
    if empty:
        found.append(DataFinding(name, "empty", Text(msgid("it contains nothing but missing values"))))
    zeros = column.numeric and not empty and _all_zero(look, column, profile, filled)
    if zeros:
        said = Text(msgid("every value is 0: does 0 mean that it was not measured?"))
        setting = shlex.quote(f"{name}.missing={','.join(('0', *column.missing))}")
        kept = shlex.quote(f"{name}.missing={','.join(column.missing)}")
        step = Text(
            msgid("if so: --set {setting}; if 0 is a value: --set {kept}"), {"setting": setting, "kept": kept}
        )
        edit = line_of(name, f"missing = [{', '.join(map(quoted, ('0', *column.missing)))}]")
        found.append(DataFinding(name, "zeros", said, step, edit=edit))
    scale = not (zeros or empty) and _is_scale(look, column, profile)
    if unbounded:
        found.append(_unranged(column, scale=scale))
    if column.type is ColumnType.DATE and not empty and column.span is None:
        found.append(_undated(column))
    if scale:
        said = Text(msgid("it contains only a few different whole numbers, read as numbers: are they codes?"))
        step = Text("--set {setting}", {"setting": shlex.quote(f"{name}=code")})
        found.append(DataFinding(name, "scale", said, step))
    if column.limits:
        found.append(_limited(column))
    if not (zeros or empty) and _lacks_unit(look, column, profile):
        step = Text("--set {setting}", {"setting": shlex.quote(f"{name}.unit=UNIT")})
        said = Text(msgid("no unit is given (as UCUM writes it: mg/dL, a)"))
        found.append(DataFinding(name, "unit", said, step, edit=line_of(name, 'unit = "UNIT"')))
    return found


def _unranged(column: Column, *, scale: bool) -> DataFinding:
    """A column of numbers for which no bound was found that says nothing of few persons."""
    name, lacking = column.name, [end for end in ("minimum", "maximum") if getattr(column, end) is None]
    settings = " ".join("--set " + shlex.quote(f"{name}.{end}=NUMBER") for end in lacking)
    said = Text(
        msgid(
            "no range is proposed, since a few patients' values lie beyond those of all others; without one nobody "
            "can ask about it"
        )
    )
    facts = {"settings": settings, "code": "--set " + shlex.quote(f"{name}=code")}
    range_said = msgid("say which values are possible in medicine: {settings}")
    or_code = msgid("say which values are possible in medicine: {settings}; or, if they are codes: {code}")
    lines = "; ".join(f"{end} = NUMBER" for end in lacking)
    return DataFinding(name, "range", said, Text(or_code if scale else range_said, facts), edit=line_of(name, lines))


def _undated(column: Column) -> DataFinding:
    """A column of days: no range of them is ever proposed, since its ends would be somebody's days."""
    lacking = [end for end in ("minimum", "maximum") if getattr(column, end) is None]
    settings = " ".join("--set " + shlex.quote(f"{column.name}.{end}=YYYY-MM-DD") for end in lacking)
    said = Text(msgid("it has no range; without one nobody can ask about it"))
    step = Text(msgid("say which days are possible: {settings}"), {"settings": settings})
    lines = "; ".join(f"{end} = YYYY-MM-DD" for end in lacking)
    return DataFinding(column.name, "range", said, step, edit=line_of(column.name, lines))


def _is_scale(look: Look, column: Column, profile: Profile) -> bool:
    """Whether a column holds few different whole numbers, and nobody said what they are."""
    said = {"type", "unit"} & set(look.settings.of(column.name))
    return column.type is ColumnType.INTEGER and not said and 1 < profile.distinct <= FEW_STEPS


def _all_zero(look: Look, column: Column, profile: Profile, filled: Callable[[str], str]) -> bool:
    if "missing" in look.settings.of(column.name) or not 0 < profile.distinct <= FEW_STEPS:
        return False
    query = f"SELECT count(*) FROM gathered WHERE {filled('v')} AND TRY_CAST(v AS DOUBLE) IS DISTINCT FROM 0"  # noqa: S608 - ours
    return int(look.connection.execute(query).fetchone()[0]) == 0


def _lacks_unit(look: Look, column: Column, profile: Profile) -> bool:
    """Whether a column seems to be measured, and nobody said in which unit."""
    if not column.numeric or column.unit or "unit" in look.settings.of(column.name):
        return False
    return profile.distinct > (FEW_STEPS if column.type is ColumnType.INTEGER else YES_OR_NO)


def _flaws(connection: Connection, cell: str, column: Column) -> list[TableFlaw]:
    """The cells that would refuse the file: all of them."""
    count = f"SELECT count(*) FROM gathered WHERE {verdict('v', column)} IS NOT NULL"  # noqa: S608 - ours
    if not connection.execute(count).fetchone()[0]:
        return []
    each = f"SELECT row, {verdict(cell, column)} AS found FROM raw"  # noqa: S608 - ours
    query = f"SELECT row, found FROM ({each}) WHERE found IS NOT NULL ORDER BY row LIMIT {MOST_LISTED}"  # noqa: S608 - ours
    return [
        TableFlaw(row, column.name, explain(column, Reason(found)))
        for row, found in connection.execute(query).fetchall()
    ]


def _flawed(look: Look, column: Column, flaws: Sequence[TableFlaw]) -> Drafted:
    rows = tuple(flaw.row for flaw in flaws)
    facts: dict[str, Fact | Text] = {"rows": rows_shown(rows, len(rows)), "reason": flaws[0].reason}
    if len(flaws) == 1:
        why = Text(msgid("one cell does not fit it, in row {rows}: {reason}"), facts)
    else:
        facts["count"] = len(flaws)
        why = Text(msgid("{count} cells do not fit it, in rows {rows}: {reason}"), facts)
    cells = (DataFinding(column.name, "cell", flaw.reason, row=flaw.row) for flaw in flaws)
    edit = Text(msgid("correct these cells in the table, and describe the column in the dictionary"))
    findings = (DataFinding(column.name, "cells", why, _choices(look, column, rows), edit=edit), *cells)
    return Drafted(column, 0, why, left_out=why, wrong=rows, findings=findings)


def _choices(look: Look, column: Column, rows: Sequence[int]) -> Text:
    """What can become of cells that cannot stand in their column."""
    name = column.name
    facts: dict[str, Fact | Text] = {
        "missing": "--set " + shlex.quote(f"{name}.missing={','.join((*column.missing, 'MARK'))}"),
        "column": f"--leave-out {shlex.quote(name)}",
        "type": "--set " + shlex.quote(f"{name}=TYPE"),
    }
    if not look.text or len(rows) > SHOWN:
        return Text(
            msgid(
                "fix these cells; or, if they mean a missing value: {missing}; to leave out the "
                "column: {column}; to read it as another type: {type}"
            ),
            facts,
        )
    facts["rows"] = "--leave-out-rows " + ",".join((*look.options.leave_out_rows, *map(str, rows)))
    return Text(
        msgid(
            "fix these cells; or, if they mean a missing value: {missing}; to leave out the rows: "
            "{rows}; to leave out the column: {column}; to read it as another type: {type}"
        ),
        facts,
    )


def _marked(column: Column) -> list[DataFinding]:
    if not column.missing:
        return []
    said = Text(msgid("stands for a missing value: {marks}"), {"marks": " ".join(column.missing)})
    step = Text("--set {setting}", {"setting": shlex.quote(f"{column.name}.missing=MARK,MARK")})
    return [DataFinding(column.name, "missing", said, step)]


def _limited(column: Column) -> DataFinding:
    if column.limits == "value":
        return DataFinding(
            column.name, "limits", Text(msgid("a value beyond a limit of detection is read as the limit"))
        )
    said = Text(msgid("a value beyond a limit of detection (such as <0.5) is read as missing"))
    setting = shlex.quote(f"{column.name}.limits=value")
    step = Text(msgid("to read it as the limit: --set {setting}"), {"setting": setting})
    return DataFinding(column.name, "limits", said, step, edit=line_of(column.name, 'limits = "value"'))


def _bounded(
    counted: Counted, cell: str, column: Column, filled: Callable[[str], str]
) -> tuple[Column, list[DataFinding]]:
    """With bounds that few persons' values neither reach nor pass; and what is said of bounds that a person set."""

    def known(text: str) -> str:
        number = f"TRY_CAST({text} AS DOUBLE)"
        return f"{filled(text)} AND regexp_full_match({text}, {literal(NUMBER)}) AND isfinite({number})"

    findings = list[DataFinding]()
    for end in ("minimum", "maximum"):
        said = getattr(column, end)
        if said is not None and said not in NATURAL:
            beyond = "<=" if end == "minimum" else ">="
            if 0 < counted.reaching(cell, known, f"{beyond} {said!r}::DOUBLE") < counted.least:
                findings.append(_tight(column, end))
    low, high = counted.extremes(cell, known)
    if low is None or high is None:
        return column, findings
    # A yes or no has its bounds by nature, so the draft does not tell how many have either.
    yes_or_no = {low, high} <= {0.0, 1.0}
    least, greatest = (0.0, 1.0) if yes_or_no else (lower_bound(low), upper_bound(high))
    for end, bound, beyond in (("minimum", least, "<"), ("maximum", greatest, ">")):
        # A bound that is the very value of few persons is not published (`publishing`), so it is not proposed.
        sign = beyond if bound in NATURAL else f"{beyond}="
        said = getattr(column, end) is not None
        if not said and math.isfinite(bound) and not counted.outside(known, f"{sign} {bound!r}::DOUBLE"):
            column = replace(column, minimum=bound) if end == "minimum" else replace(column, maximum=bound)
    return column, findings


def _tight(column: Column, end: str) -> DataFinding:
    """A bound of a person's that is the very value of few persons."""
    facts = {"end": end}
    said = Text(
        msgid("its {end} is the very value of a few patients, so the catalogue will not show it: choose a wider one"),
        facts,
    )
    step = Text("--set {setting}", {"setting": shlex.quote(f"{column.name}.{end}=NUMBER")})
    return DataFinding(column.name, "bounds", said, step, edit=line_of(column.name, f"{end} = NUMBER"))
