"""What may be learned with a neural network, as data: its layers, how it is trained, what its hospitals demand.

The canonical form holds no fractions, as that of a GLM (`glm.task`), whose columns, target and rules on rows it has.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.engine import MASKED_SUMS
from medspace.core.hashing import digest
from medspace.core.misfits import MisfitError, fit
from medspace.core.text import Fact, Text, msgid
from medspace.learning.glm.task import HOLDOUTS, Fraction, GlmTask, Name, fraction
from medspace.learning.glm.task import parse as parse_table
from medspace.learning.net.densenet import BN_SIZE, DenseBlocks
from medspace.learning.net.heads import BINARY, OutputHead
from medspace.learning.net.images import Augmentation, ImageForm, ImageInput
from medspace.learning.net.searching import FEWEST_TRIALS, MOST_TRIALS, Search
from medspace.learning.reading import remembering
from medspace.runs.errors import TaskInvalidError

NET = "net"
Activation = Literal["relu", "tanh"]
Strategy = Literal["fedavg", "fedprox", "fedadam", "fedyogi", "fedadagrad", "scaffold", "cyclic"]
ClassWeights = Literal["none", "balanced"]
Schedule = Literal["constant", "steps"]
FALLS = ((0.85, 0.1), (0.6, 0.3))  # of the rounds: from where on, to which share of the rate
ADAPTIVE = ("fedadam", "fedyogi", "fedadagrad")

MOST_WEIGHTS = 16_384  # of a net: its state and its totals are JSON that every site keeps
MOST_LAYERS, WIDEST_LAYER = 8, 1024
MOST_EPOCHS, MOST_UPDATES, LARGEST_BATCH = 100, 10_000, 1_000_000
LARGEST_SEED = 2**53 - 1
MOST_TURNS, LONGEST_NAME = 256, 512
FEWEST_CLASSES, MOST_CLASSES = 3, 20


@dataclass(frozen=True, slots=True)
class LocalTraining:
    """What every hospital does in a round: stochastic gradient descent on its own rows.

    `rate` is the learning rate. It goes through its rows `epochs` times, in mini-batches of `batch` rows (0: of all);
    with `updates` it takes so many steps instead, however many rows it has. `l2` / 2 times the sum of squares of the
    weights, without biases, is added to the mean loss, and with FedProx `proximal` / 2 times the squared distance to
    where the round began (Li et al. 2020). With `momentum` a step goes on with that share of the one before it.
    By the `schedule` `steps` the rate falls to 3/10 after three fifths of the rounds, and to 1/10 near their end.
    """

    rate: float = 0.05
    epochs: int = 1
    updates: int | None = None
    batch: int = 32
    l2: float = 0.0
    proximal: float = 0.0
    class_weights: ClassWeights = "none"
    momentum: float = 0.0
    schedule: Schedule = "constant"

    def document(self) -> JsonObject:
        """The canonical form."""
        return {
            "rate": repr(self.rate),
            "epochs": self.epochs,
            **({} if self.updates is None else {"updates": self.updates}),
            "batch": self.batch,
            "l2": repr(self.l2),
            "proximal": repr(self.proximal),
            "class_weights": self.class_weights,
            **({"momentum": repr(self.momentum)} if self.momentum else {}),
            **({"schedule": self.schedule} if self.schedule != "constant" else {}),
        }

    def of_round(self, number: int, rounds: int) -> "LocalTraining":
        """What is done in round `number` of `rounds`, from 1."""
        done = (number - 1) / rounds
        share = next((share for start, share in FALLS if done >= start), 1.0) if self.schedule == "steps" else 1.0
        return replace(self, rate=self.rate * share)


@dataclass(frozen=True, slots=True)
class ServerStep:
    """What is made of the mean update of a round (Reddi et al. 2021): `rate` times it, or an adaptive step."""

    strategy: Strategy = "fedavg"
    rate: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.999
    tau: float = 1e-3

    def document(self) -> JsonObject:
        """The canonical form."""
        said: JsonObject = {"strategy": self.strategy, "server_rate": repr(self.rate)}
        if self.strategy not in ADAPTIVE:
            return said
        return said | {"beta1": repr(self.beta1), "beta2": repr(self.beta2), "tau": repr(self.tau)}


@dataclass(frozen=True)
class NetTask:
    """A multilayer perceptron; without `layers`, logistic regression by gradient descent.

    With `classes`, the target is which of these codes its column holds, lowest first where they are `ordinal`;
    without, it is yes or no. `layers` are the widths of the hidden layers. `clip` bounds the Euclidean norm of what
    one hospital may change in a round. `validation` is the share of each hospital's persons that is set apart: their
    loss says which round was best, and after `patience` rounds (0: never) without a better one training ends. `seed`
    decides the first weights and, with a secret of each site, the order of its rows. `table` is the task of a GLM
    with the same target (of classes: whether it is the last one), features and rows: from it come columns, missing
    values, split, questions, and what sites demand. Its `max_rounds` counts every question: moments, training,
    evaluation. With `images` the input are the images beside the table, whose features are then the means of their
    channels. With a `cycle`, the DIDs of hospitals, one of them trains in each round, by turns, and its change is the
    step (Chang et al. 2018): the total shows it to all others. With a `search`, values of the training are chosen
    first (`searching`), within the same rounds.
    """

    table: GlmTask
    classes: tuple[str, ...] = ()
    ordinal: bool = False
    layers: tuple[int, ...] = ()
    activation: Activation = "relu"
    local: LocalTraining = LocalTraining()
    server: ServerStep = ServerStep()
    clip: float = 5.0
    validation: float = 0.0
    patience: int = 0
    seed: int = 0
    images: ImageInput | None = None
    cycle: tuple[str, ...] = ()
    search: Search | None = None

    @cached_property
    def head(self) -> OutputHead:
        """What the last layer stands for."""
        if not self.classes:
            return BINARY
        return OutputHead("ordinal" if self.ordinal else "classes", len(self.classes))

    @property
    def before(self) -> int:
        """The questions before training: the moments, and what is mitigated with."""
        return 1 + (self.table.mitigate is not None and self.table.mitigate.balances)

    @property
    def rounds(self) -> int:
        """The rounds of training at most: all questions but those before, the evaluation, and that of thresholds."""
        plan = self.table.mitigate
        return self.table.max_rounds - self.before - 1 - (plan is not None and plan.equal is not None)

    def tried(self, trial: int) -> "NetTask":
        """The task with the values of one trial of its search; as it is, if it has none."""
        if self.search is None:
            return self
        one = self.search.trials[trial]
        local = replace(
            self.local,
            rate=self.local.rate if one.rate is None else one.rate,
            l2=self.local.l2 if one.l2 is None else one.l2,
        )
        rate = self.server.rate if one.server_rate is None else one.server_rate
        return replace(self, local=local, server=replace(self.server, rate=rate))

    def turn(self, number: int) -> str | None:
        """Whose turn round `number` of training is, from 1; None where all hospitals train together."""
        return self.cycle[(number - 1) % len(self.cycle)] if self.cycle else None

    def document(self) -> JsonObject:
        """The canonical form: JSON without fractions."""
        table = self.table.document()
        for name in ("family", "intercept", "standardise", "tolerance", "l2"):
            del table[name]
        if self.classes:
            table |= {"target": self.table.target.column, "classes": list(self.classes), "ordinal": self.ordinal}
        if "mitigate" in table:
            table["mitigate"] = {name: one for name, one in table["mitigate"].items() if name != "validation"}
        if self.images is not None:
            table |= {"features": [], "images": self.images.document()}
        cycle = {"cycle": list(self.cycle)} if self.cycle else {}
        search = {} if self.search is None else {"search": self.search.document()}
        return table | {
            "task": NET,
            "layers": list(self.layers),
            "activation": self.activation,
            **self.local.document(),
            **self.server.document(),
            "clip": repr(self.clip),
            "validation": repr(self.validation),
            "patience": self.patience,
            "seed": self.seed,
            **cycle,
            **search,
        }

    def digest(self) -> str:
        """The digest of the canonical form."""
        return digest(self.document())


Values = Annotated[list[Fraction], msgspec.Meta(max_length=MOST_TRIALS)]


class _SearchForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The values that are tried, in all combinations."""

    rate: Values = []
    l2: Values = []
    server_rate: Values = []
    rounds: Annotated[int, msgspec.Meta(ge=1, le=50)] = 4


class _NetForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The fields of its own; the others are those of a GLM, and are read by it."""

    target: Any
    purpose: Any
    task: Literal["net"]
    features: Any = []
    images: ImageForm | None = None
    layers: Annotated[
        list[Annotated[int, msgspec.Meta(ge=1, le=WIDEST_LAYER)]], msgspec.Meta(max_length=MOST_LAYERS)
    ] = []
    classes: Annotated[list[Name], msgspec.Meta(max_length=MOST_CLASSES)] = []
    ordinal: bool = False
    activation: Activation = "relu"
    strategy: Strategy = "fedavg"
    rate: Fraction = 0.05
    epochs: Annotated[int, msgspec.Meta(ge=1, le=MOST_EPOCHS)] = 1
    updates: Annotated[int, msgspec.Meta(ge=1, le=MOST_UPDATES)] | None = None
    batch: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_BATCH)] = 32
    l2: Fraction = 0.0
    proximal: Fraction | None = None
    class_weights: ClassWeights = "none"
    momentum: Fraction = 0.0
    schedule: Schedule = "constant"
    server_rate: Fraction | None = None
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    tau: Fraction = 1e-3
    clip: Fraction = 5.0
    validation: Fraction = 0.0
    patience: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    seed: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_SEED)] = 0
    cycle: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]], msgspec.Meta(max_length=MOST_TURNS)
    ] = []
    search: _SearchForm | None = None
    missing: Any = "indicator+mean"
    evaluation: Any = {}
    judge: Any = None
    mitigate: Any = None
    max_rounds: Any = 32
    min_sites: Any = 2
    min_cohort: Any = 1
    site_faults: Any = "fail"
    protection: Any = MASKED_SUMS


TABLE = (
    "target",
    "features",
    "purpose",
    "missing",
    "evaluation",
    "judge",
    "mitigate",
    "max_rounds",
    "min_sites",
    "min_cohort",
    "site_faults",
    "protection",
)


@remembering
def parse(document: Json) -> NetTask:
    """The task that a JSON object declares.

    Raises:
        TaskInvalidError: with the field and what is wrong with it.
    """
    try:
        form = fit(document, _NetForm)
    except MisfitError as error:
        raise TaskInvalidError(reason=error.reason) from None
    if form.protection != MASKED_SUMS:
        raise _refused(msgid("protection must be one of {names}"), names=MASKED_SUMS)
    images = None if form.images is None else _images(form, form.images)
    table = {name: getattr(form, name) for name in TABLE} | {"family": "binomial", "target": _target(form)}
    table["mitigate"] = _mitigate(form)
    if images is not None:
        table["features"] = [{"name": name} for name in images.columns]
    task = NetTask(
        table=parse_table(table),
        classes=tuple(form.classes),
        ordinal=form.ordinal,
        layers=tuple(form.layers),
        activation=form.activation,
        local=_local(form),
        server=_server(form),
        clip=fraction("clip", form.clip, 1e-6, 1e6),
        validation=fraction("validation", form.validation, 0.0, 1.0),
        patience=form.patience,
        seed=form.seed,
        images=images,
        cycle=tuple(form.cycle),
        search=None if form.search is None else _search(form.search),
    )
    _check(task)
    return task


def _mitigate(form: _NetForm) -> Any:  # noqa: ANN401 - read by the table
    """What is mitigated, with thresholds chosen on the patients that a net sets apart anyway.

    Raises:
        TaskInvalidError: it names others.
    """
    said = form.mitigate
    if not isinstance(said, dict) or "equal" not in said:
        return said
    if "validation" in said:
        raise _refused(msgid("the thresholds of a net are chosen on its own validation: leave it out of mitigate"))
    return {**said, "validation": form.validation}


def _images(form: _NetForm, given: ImageForm) -> ImageInput:
    if form.features:
        raise _refused(msgid("a net for images has no other features"))
    return image_input(given)


def image_input(given: ImageForm) -> ImageInput:
    """What a task says of its images.

    Raises:
        TaskInvalidError: with what is wrong with it.
    """
    varied = Augmentation(
        given.augmentation.flip,
        fraction("turn", given.augmentation.turn, 0.0, 180.0),
        fraction("zoom", given.augmentation.zoom, 0.0, 0.5),
        fraction("colour", given.augmentation.colour, 0.0, 1.0),
    )
    found = ImageInput(
        given.height, given.width, given.channels, tuple(given.filters), given.shrink, varied, _dense(given)
    )
    if not found.fits:
        raise _refused(msgid("the images are too small for so many blocks of filters"))
    return found


def _dense(given: ImageForm) -> DenseBlocks | None:
    """The DenseNet that looks at the images, if they name one; else they name the filters of plain blocks."""
    own = (given.init_features, given.growth_rate, given.blocks, given.bn_size)
    if given.network == "blocks":
        if not given.filters or any(own):
            raise _refused(
                msgid("images have filters, or network = densenet with init_features, growth_rate and blocks")
            )
        return None
    if given.filters or given.init_features is None or given.growth_rate is None or not given.blocks:
        raise _refused(msgid("a densenet has init_features, growth_rate and blocks, and no filters"))
    return DenseBlocks(given.init_features, given.growth_rate, tuple(given.blocks), given.bn_size or BN_SIZE)


def _target(form: _NetForm) -> Json:
    """The target of the table: of several classes, whether it is the last one."""
    if not form.classes:
        return form.target
    if len(set(form.classes)) < max(FEWEST_CLASSES, len(form.classes)) or not isinstance(form.target, str):
        raise _refused(msgid("classes are three or more different codes of the column that target names"))
    return {"column": form.target, "level": form.classes[-1]}


def _local(form: _NetForm) -> LocalTraining:
    proximal = (0.01 if form.strategy == "fedprox" else 0.0) if form.proximal is None else form.proximal
    return LocalTraining(
        rate=fraction("rate", form.rate, 1e-8, 100.0),
        epochs=form.epochs,
        updates=form.updates,
        batch=form.batch,
        l2=fraction("l2", form.l2, 0.0, 1e6),
        proximal=fraction("proximal", proximal, 0.0, 1e6),
        class_weights=form.class_weights,
        momentum=fraction("momentum", form.momentum, 0.0, 0.999),
        schedule=form.schedule,
    )


def _search(given: _SearchForm) -> Search:
    def values(name: str, least: float, most: float) -> tuple[float, ...]:
        found = tuple(fraction(name, one, least, most) for one in getattr(given, name))
        if len(set(found)) < len(found):
            raise _refused(msgid("search names a value of {name} twice"), name=name)
        return found

    rates, penalties = values("rate", 1e-8, 100.0), values("l2", 0.0, 1e6)
    return Search(rates, penalties, values("server_rate", 1e-8, 100.0), given.rounds)


def _server(form: _NetForm) -> ServerStep:
    rate = (0.01 if form.strategy in ADAPTIVE else 1.0) if form.server_rate is None else form.server_rate
    return ServerStep(
        strategy=form.strategy,
        rate=fraction("server_rate", rate, 1e-8, 100.0),
        beta1=fraction("beta1", form.beta1, 0.0, 0.999999),
        beta2=fraction("beta2", form.beta2, 0.0, 0.999999),
        tau=fraction("tau", form.tau, 1e-12, 1.0),
    )


def _check(task: NetTask) -> None:
    if task.validation not in HOLDOUTS or task.validation + task.table.evaluation.holdout > HOLDOUTS[-1] + 1e-9:
        raise _refused(
            msgid("validation must be one of {shares}, and with holdout no more than {most}"),
            shares=", ".join(map(str, HOLDOUTS)),
            most=HOLDOUTS[-1],
        )
    if task.patience and not task.validation:
        raise _refused(msgid("patience needs validation: patients who are set apart, such as validation = 0.2"))
    if (task.local.proximal > 0.0) != (task.server.strategy == "fedprox"):
        raise _refused(msgid("proximal belongs to the strategy fedprox"))
    if (task.server.strategy == "cyclic") is not bool(task.cycle) or len(set(task.cycle)) < len(task.cycle):
        raise _refused(
            msgid("cycle names the hospitals in their order, each once, and belongs to the strategy cyclic")
        )
    if task.search is not None:
        _check_search(task, task.search)
    if task.ordinal and not task.classes:
        raise _refused(msgid("ordinal belongs to classes"))
    if task.classes and task.table.judge is not None:
        raise _refused(msgid("judge is available for a yes/no target only"))
    _check_mitigation(task)
    if task.classes and task.local.class_weights != "none":
        raise _refused(msgid("class_weights are available for a yes/no target only"))
    if most_weights(task) > MOST_WEIGHTS:
        raise _refused(msgid("the net has more than {most} weights"), most=MOST_WEIGHTS)


def _check_mitigation(task: NetTask) -> None:
    plan = task.table.mitigate
    if plan is None:
        return
    if task.rounds < 1:
        raise _refused(msgid("max_rounds leaves no round to train in"))


def _check_search(task: NetTask, search: Search) -> None:
    trials = len(search.trials)
    if not FEWEST_TRIALS <= trials <= MOST_TRIALS:
        raise _refused(
            msgid("search tries {count} combinations; it must be {least} to {most}"),
            count=trials,
            least=FEWEST_TRIALS,
            most=MOST_TRIALS,
        )
    if not task.validation:
        raise _refused(msgid("search needs validation: patients who are set apart, such as validation = 0.2"))
    if task.cycle or task.local.schedule != "constant" or task.table.mitigate is not None:
        raise _refused(msgid("search goes with schedule constant, and neither with the strategy cyclic nor mitigate"))
    if search.cost >= task.rounds:
        raise _refused(
            msgid("search takes {cost} rounds of training, so max_rounds must be {least} or more"),
            cost=search.cost,
            least=search.cost + 3,
        )
    if trials * most_weights(task) > MOST_WEIGHTS:
        raise _refused(msgid("the nets of a search have more than {most} weights together"), most=MOST_WEIGHTS)


def most_weights(task: NetTask) -> int:
    """How many weights and biases there are if every column varies somewhere."""
    inputs, convolved = len(task.table.columns), 0
    if task.images is not None:
        inputs, convolved = task.images.looked, task.images.convolved
    widths = (inputs, *task.layers, task.head.outputs)
    return convolved + sum((inner + 1) * outer for inner, outer in pairwise(widths))


def _refused(sentence: str, **facts: Fact) -> TaskInvalidError:
    return TaskInvalidError(reason=Text(sentence, facts))
