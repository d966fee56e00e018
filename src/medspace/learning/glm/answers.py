"""The messages between coordinator and sites: what a round asks, what an answer holds, and which answers are valid.

An invalid answer is never repaired: its site is named and its numbers are not used.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.learning.glm.design import Layout
from medspace.learning.glm.evaluation import Quality, Tally
from medspace.learning.glm.maths import Curvature, Moments
from medspace.learning.glm.mitigating import MitigatedForm
from medspace.learning.glm.task import GlmTask
from medspace.runs.errors import AnswerInvalidError

MOMENTS = "glm.moments"
NEWTON = "glm.newton"
EVALUATION = "glm.evaluation"
OUTPUTS = {"moments": MOMENTS, "newton": NEWTON, "evaluation": EVALUATION}
MOST_ROWS = 2**53 - 1
PLACE = re.compile(r"\$[.\w\[\]]*")
HUGE = 1e150  # products of two such numbers still fit a double
SLACK = 1e-4  # relative; the rounding of released sums, each by itself

Form = TypeVar("Form")


class _Echo(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    task: str
    round: int
    n: int  # rows
    persons: int


class MomentsForm(_Echo, frozen=True, kw_only=True):
    """Sums over the rows of the fit; `joined` says per feature how many levels were not counted at the site."""

    joined: list[int]
    missing: list[int]
    sums: list[float]
    squares: list[float]
    target_sum: float


class NewtonForm(_Echo, frozen=True, kw_only=True):
    """Sums at the beta that was asked about."""

    deviance: float
    gradient: list[float]
    hessian: list[list[float]]


class EvaluationForm(_Echo, frozen=True, kw_only=True):
    """The site's own quality and the sums for the pooled one."""

    quality: Quality
    tally: Tally


class BetaForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What the rounds after the first ask about; `groups` are those that the model is judged for (`grouping`).

    `mitigated` is what is done for one kind of groups (`mitigating`).
    """

    beta: list[float]
    layout: Layout
    groups: list[list[int]] = []
    mitigated: MitigatedForm | None = None


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """What the answer of one site must fit: the task and its digest, the round, the width of beta, the site's n."""

    task: GlmTask
    digest: str
    round: int
    width: int
    rows: int | None  # what the site said in the round of moments of this fit
    total: int  # what all sites said then
    min_cohort: int


def question(beta: Sequence[float], layout: Layout, mitigated: MitigatedForm | None = None) -> JsonObject:
    """The inputs of a step that is about a beta."""
    inputs: JsonObject = msgspec.to_builtins(BetaForm([*beta], layout, mitigated=mitigated))
    return inputs


def read_moments(site: str, values: Mapping[str, Any], expected: ExpectedAnswer) -> tuple[Moments, MomentsForm]:
    """The moments of one site, and all that it said with them.

    Raises:
        AnswerInvalidError: they cannot be right.
    """
    check = _Check(site, expected.round)
    form = check.form(values, MomentsForm)
    check.echo(form, expected)
    columns = [len(feature.columns) for feature in expected.task.features]
    check.that(
        len(form.missing) == len(form.joined) == len(columns) and len(form.sums) == len(form.squares) == sum(columns),
        msgid("it has the wrong shape"),
    )
    sums, squares = check.finite(form.sums), check.finite(form.squares)
    check.finite([form.target_sum])
    check.that(all(0 <= count <= form.n for count in form.missing), msgid("its counts are not counts"))
    levels = [len(feature.levels) for feature in expected.task.features]
    fits = all(0 <= count <= most for count, most in zip(form.joined, levels, strict=True))
    check.that(fits, msgid("its counts are not counts"))
    present = form.n - np.repeat(np.asarray(form.missing, dtype=np.float64), columns)
    bound = np.square(sums) <= squares * present * (1.0 + SLACK)  # Cauchy-Schwarz
    check.that(bool((squares >= 0.0).all() and bound.all()), msgid("its sums contradict each other"))
    coded = np.repeat([feature.coded for feature in expected.task.features], columns)
    check.that(
        bool((sums[coded] == squares[coded]).all() and (sums[coded] >= 0.0).all()),
        msgid("its counts are not counts"),
    )
    if expected.task.family == "binomial":
        check.that(0.0 <= form.target_sum <= form.n, msgid("its counts are not counts"))
    if expected.task.family == "poisson":
        check.that(form.target_sum >= 0.0, msgid("its counts are not counts"))
    if expected.task.missing == "drop":
        check.that(not any(form.missing), msgid("its sums contradict each other"))
    return Moments(form.n, tuple(form.missing), sums, squares, form.target_sum), form


def read_curvature(site: str, values: Mapping[str, Any], expected: ExpectedAnswer) -> Curvature:
    """The deviance, gradient and Hessian of one site.

    Raises:
        AnswerInvalidError: they cannot be right.
    """
    check = _Check(site, expected.round)
    form = check.form(values, NewtonForm)
    check.echo(form, expected)
    check.that(
        len(form.gradient) == len(form.hessian) == expected.width
        and all(len(row) == expected.width for row in form.hessian),
        msgid("it has the wrong shape"),
    )
    gradient, hessian = check.finite(form.gradient), check.finite(form.hessian)
    check.finite([form.deviance])
    check.that(form.deviance >= -SLACK * form.n, msgid("its deviance is negative"))
    diagonal = np.diag(hessian)
    check.that(
        bool((hessian == hessian.T).all() and (diagonal >= 0.0).all()),
        msgid("its Hessian is not positive semidefinite"),
    )
    root = np.sqrt(diagonal)
    check.that(
        bool((np.abs(hessian) <= np.outer(root, root) * (1.0 + SLACK)).all()),
        msgid("its Hessian is not positive semidefinite"),
    )
    if expected.task.family != "poisson":
        # Squares of a scaled column sum to at most the rows of all sites; weights as in `_check_intercept`.
        most = expected.total * (0.25 if expected.task.family == "binomial" else 1.0) * (1.0 + SLACK)
        check.that(bool((diagonal <= most).all()), msgid("its Hessian is too large for its rows"))
    if expected.task.intercept:
        _check_intercept(check, expected.task, form, float(gradient[0]), float(hessian[0, 0]))
    return Curvature(form.n, max(form.deviance, 0.0), gradient, hessian)


def _check_intercept(check: "_Check", task: GlmTask, form: NewtonForm, slope: float, weight: float) -> None:
    # The column of ones: a weight is at most 1/4 and a residual at most 1 (binomial), a weight is 1 (gaussian).
    most = form.n * (1.0 + SLACK)
    fits = {
        "binomial": 4.0 * weight <= most and abs(slope) <= most,
        "gaussian": abs(weight - form.n) <= SLACK * form.n,
        "poisson": True,
    }
    check.that(fits[task.family], msgid("its sums contradict each other"))


def read_evaluation(site: str, values: Mapping[str, Any], expected: ExpectedAnswer) -> tuple[Quality, Tally]:
    """The quality and the counts of one site.

    Raises:
        AnswerInvalidError: they cannot be right.
    """
    check = _Check(site, expected.round)
    form = check.form(values, EvaluationForm)
    check.echo(form, expected)
    quality, counts = form.quality, form.tally
    check.that(
        quality.rows == counts.rows == form.n and quality.persons == counts.persons == form.persons,
        msgid("its counts contradict each other"),
    )
    missed = quality.rmse if quality.rmse is not None else -1.0
    check.that(quality.deviance is not None, msgid("its sums contradict each other"))
    check.finite([quality.deviance or 0.0, missed, counts.deviance, counts.squared])
    check.that(counts.squared >= 0.0 and missed >= 0.0, msgid("its sums contradict each other"))
    for share in (quality.auc, quality.brier, quality.ece):
        check.that(share is None or 0.0 <= share <= 1.0, msgid("a share is not between 0 and 1"))
    if expected.task.family == "binomial":
        _check_counts(check, expected.task, counts)
    else:
        check.that(not counts.case_first and not counts.bin_rows, msgid("it has the wrong shape"))
    return quality, counts


def _check_counts(check: "_Check", task: GlmTask, counts: Tally) -> None:
    ranks = (counts.case_first, counts.case_last, counts.control_first, counts.control_last)
    bins = (counts.bin_rows, counts.bin_targets, counts.bin_means)
    check.that(
        all(len(table) == task.evaluation.thresholds for table in ranks)
        and all(len(table) == task.evaluation.bins for table in bins),
        msgid("it has the wrong shape"),
    )
    check.that(
        all(0 <= count <= MOST_ROWS for table in (*ranks, counts.bin_rows) for count in table),
        msgid("a count is negative"),
    )
    cases, controls = sum(counts.case_first), sum(counts.control_first)
    check.that(
        cases == sum(counts.case_last)
        and controls == sum(counts.control_last)
        and cases + controls == counts.rows == sum(counts.bin_rows),
        msgid("its counts contradict each other"),
    )
    # Nobody's last bin comes before the first one.
    ordered = all(
        (np.cumsum(last) <= np.cumsum(first)).all()
        for first, last in ((counts.case_first, counts.case_last), (counts.control_first, counts.control_last))
    )
    check.that(ordered, msgid("its counts contradict each other"))
    targets, means = check.finite(counts.bin_targets), check.finite(counts.bin_means)
    rows = np.asarray(counts.bin_rows) * (1.0 + SLACK)
    inside = (targets >= 0.0) & (targets <= rows) & (means >= 0.0) & (means <= rows)
    check.that(bool(inside.all()), msgid("its counts contradict each other"))


@dataclass(frozen=True, slots=True)
class _Check:
    """Refuses an answer, naming the site and the round."""

    site: str
    round: int

    def that(self, holds: bool, otherwise: str, **facts: Fact) -> None:  # noqa: FBT001 - it reads as a sentence
        if not holds:
            raise AnswerInvalidError(site=self.site, round=self.round, reason=Text(otherwise, facts))

    def form(self, values: Mapping[str, Any], kind: type[Form]) -> Form:
        try:
            return msgspec.convert(values, kind)
        except msgspec.ValidationError as error:
            # Only the location is kept: the rest of the message may repeat what a site wrote.
            found = PLACE.search(str(error))
            reason = Text(msgid("it is not a valid answer, at {place}"), {"place": found[0] if found else "$"})
            raise AnswerInvalidError(site=self.site, round=self.round, reason=reason) from None

    def finite(self, values: Any) -> Any:  # noqa: ANN401 - a vector or a matrix, as given
        array = np.asarray(values, dtype=np.float64)
        fits = bool(np.isfinite(array).all()) and bool((np.abs(array) <= HUGE).all())
        self.that(fits, msgid("it holds numbers that are not finite or absurdly large"))
        return array

    def echo(self, form: _Echo, expected: ExpectedAnswer) -> None:
        self.that(form.task == expected.digest, msgid("it answers another task"))
        self.that(form.round == expected.round, msgid("it answers another round"))
        self.that(0 < form.n <= MOST_ROWS, msgid("its number of rows is invalid"))
        self.that(0 < form.persons <= form.n, msgid("its counts contradict each other"))
        least = expected.min_cohort
        self.that(form.persons >= least, msgid("it counts fewer than {least} persons"), least=least)
        known = expected.rows
        self.that(known is None or form.n == known, msgid("its number of rows changed during the run"))
