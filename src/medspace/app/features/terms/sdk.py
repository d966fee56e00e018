"""The SDK's methods to find what is offered and to agree on it."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf

from medspace.app.doors.sdk import MOST, Client
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import WaitingError
from medspace.core.paths import path
from medspace.core.text import msgid


class UnansweredError(WaitingError):
    """The other side has not answered a negotiation within the waiting time."""

    code = "negotiation.unanswered"
    sentence = msgid("{whom} has not answered yet; a person may have to decide there.")
    next_step = msgid(
        "The request stands: `medspace negotiations` shows how it is, `medspace agreements` what came of it."
    )


class TermsClient(Client):
    """The SDK's methods to find what is offered and to agree on it."""

    def catalog(
        self, participant: str | None = None, *, search: str = "", **chosen: Sequence[str]
    ) -> list[JsonObject]:
        """Datasets on offer: of one participant, or of every member of the space.

        All words of `search` are in a dataset's title, description, keywords, columns or holder's name. `chosen` are
        values of `holder` (DIDs), `region`, `kind` (kinds of use), `purpose`, `column`, `concept` (URIs), `until`
        (years, or `open`) and `size` (patients, at least; as text): of each that is named a dataset has one of the
        values. `figures` is what its holder publishes of a dataset: rounded numbers, or None.
        """
        return list(self._found(participant, search, 0, chosen)["datasets"])

    def find(
        self, participant: str | None = None, *, search: str = "", facets: int = 0, **chosen: Sequence[str]
    ) -> JsonObject:
        """As `catalog`, with the `problems` of the members that were not searched in full beside the `datasets`.

        `facets` is how many of the commonest values of each facet are told, each with its `count` of datasets.
        """
        return self._found(participant, search, facets, chosen)

    def _found(
        self, participant: str | None, search: str, facets: int, chosen: Mapping[str, Sequence[str]]
    ) -> JsonObject:
        query: JsonObject = {"search": search} | ({"participant": participant} if participant else {})
        return self._get("/catalog", **query, **({"facets": facets} if facets else {}), **dict(chosen))

    def could(self, use: str, *, purpose: str = "", place: str = "", at: str = "", search: str = "") -> JsonObject:
        """The `datasets` of others that one could use in this way, by what some offer of each says.

        `use` is a kind of use, such as `medspace:train` or `train`; `purpose` its name or its words, `place` where
        one would be (default: one's own region), `at` when. `refused` counts the others by the code of their refusal;
        a holder's label, which nobody else knows, may still refuse.

        Raises:
            SpaceError: there is no such kind of use, purpose, place or time.
        """
        return self._get("/catalog/could", use=use, purpose=purpose, place=place, at=at, search=search)

    def show(self, dataset: str, *, participant: str = "") -> JsonObject:
        """One dataset, one's own or a participant's: its dictionary, its offers in words, the possible next steps.

        `figures` is what its holder publishes of it, in steps: `persons`, and percent of them without a value by
        column in `missing`; None and empty where that is not published, with the reason in `unpublished`.
        """
        return self._get(path("show", dataset), participant=participant)

    def negotiate(self, participant: str, dataset: str, *, offer: str = "", wait: float = 30.0) -> JsonObject:
        """Ask for an agreement on a dataset and wait for the outcome.

        Raises:
            SpaceError: the provider refused; the problem holds `clause`.
            UnansweredError: no outcome within `wait` seconds (a person decides, or a connector is away).
        """
        started = self._post("/negotiations", {"participant": participant, "dataset": dataset, "offer": offer})
        return self._wait(path("negotiations", str(started["id"])), wait, UnansweredError(whom=participant))

    def renewal(self, agreement: str, *, offer: str = "") -> JsonObject:
        """What would differ from an agreement under an offer that its holder makes now: `changes`; `seen`.

        Each change has its `effect` (`loosens`, `tightens` or `differs`) and the sentences `before` and `after`.

        Raises:
            SpaceError: no offer differs, or there is no such agreement or offer.
        """
        return self._get(path("renewals", agreement), offer=offer)

    def renew(self, agreement: str, *, seen: str, offer: str = "", wait: float = 30.0) -> JsonObject:
        """Ask for a new agreement beside one, on the terms that were `seen`, and wait for the outcome.

        Raises:
            SpaceError: the provider refused, or the terms are not those that were seen.
            UnansweredError: no outcome within `wait` seconds.
        """
        started = self._post(path("renewals", agreement), {"seen": seen, "offer": offer})
        waited = UnansweredError(whom=str(started["counterparty"]))
        return self._wait(path("negotiations", str(started["id"])), wait, waited)

    def amend(self, agreement: str, *, seen: str, offer: str = "", wait: float = 30.0) -> JsonObject:
        """Propose a new agreement in place of one, as its user or its holder, on the terms that were `seen`.

        Both sign it; the one before ends in the same moment, and names it as its `successor`.

        Raises:
            SpaceError: the other side refused, or the terms are not those that were seen.
            UnansweredError: no outcome within `wait` seconds (a person decides, or a connector is away).
        """
        started = self._post(path("amendments", agreement), {"seen": seen, "offer": offer})
        waited = UnansweredError(whom=str(started["counterparty"]))
        return self._wait(path("negotiations", str(started["id"])), wait, waited)

    def negotiations(self, *, most: int = MOST) -> list[JsonObject]:
        """The newest negotiations, failed ones with their reason; up to `most`."""
        return self._pages("negotiations", most)

    def watch_negotiation(self, negotiation: str, *, wait: float = inf) -> Iterator[JsonObject]:
        """Each move of a negotiation as it comes, with whose turn it is then; ends after `wait` seconds."""
        return self._watch(path("negotiations", negotiation), wait)

    def answer(self, negotiation: str, *, approve: bool, reason: str = "", seen: str = "") -> JsonObject:
        """As the person whom a negotiation waits for: approve or refuse it, in the `version` that was `seen`."""
        decision = {"approve": approve, "reason": reason, "seen": seen}
        return self._post(path("negotiations", negotiation, "answer"), decision)

    def download(self, participant: str, dataset: str, *, wait: float = 30.0) -> JsonObject:
        """Ask for the rows themselves: under an agreement if there is one, otherwise by negotiating one.

        Raises:
            SpaceError: the holder refused; the problem has `clause`.
        """
        started = self._post("/downloads", {"participant": participant, "dataset": dataset})
        return self._wait(path(str(started["path"]), str(started["id"])), wait, WaitingError(whom=participant))

    def try_policy(self, dataset: str = "", **request: Json) -> JsonObject:
        """Dry run: would a use be allowed, which clause decides, what would change it. Nothing is written.

        It is of one's own `dataset`, or of that of another `participant` as it is offered, or of an `agreement`.
        `request` are `user`, `purpose`, `place`, `format`, `at`, `holders`.

        Raises:
            SpaceError: there is no such dataset, agreement, purpose, place, kind of use or time.
        """
        return self._post("/policy/try", {"dataset": dataset, **request})

    def evaluate_policy(self, policy: Json, request: Json, state: Json = None, *, at: str = "") -> JsonObject:
        """Evaluate any ODRL policy: `permitted`, the `reports` per rule and premise, and the same in `turtle`.

        Each document is JSON-LD (an object or a list), or Turtle as one text. `state` is the state of the world, `at`
        the time of the evaluation. Nothing of this connector takes part in it.

        Raises:
            SpaceError: one of them cannot be read; its code says why.
        """
        return self._post("/policy/evaluate", {"policy": policy, "request": request, "state": state, "at": at})

    def check_policy(self, policy: JsonObject) -> JsonObject:
        """What clashes in the terms of an offer: its `clashes`, each with the fewest clauses that make it one.

        Raises:
            SpaceError: it cannot be read.
        """
        return self._post("/policy/check", {"policy": policy})
