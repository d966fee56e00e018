"""What consents mean for uses: by the route `consent`, only rows of patients who consent to this use are opened."""

from collections import OrderedDict

from medspace.connector.model import Agreement
from medspace.connector.usage import rules
from medspace.connector.usage.calls import AdmissibleStep, Visit
from medspace.connector.usage.conditions import PERMITTED, Grounds, Lasting, Leaving, Neutral, Wish
from medspace.connector.usage.model import Job, QuestionOutcome
from medspace.core.clock import instant
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Grant, RowScope, Step
from medspace.policy import odrl
from medspace.policy.consent.model import ConsentParty, seconds
from medspace.policy.credentials import CONSENT_ROUTE, passes_by
from medspace.policy.model import UseRequest
from medspace.services.consents import commitments, decisions, editions
from medspace.services.consents.model import COUNTED, ConsentEdition, CountedUse
from medspace.services.consents.register import Reached, Register

CLAUSE = "consent"
NO_TERMS, NO_PURPOSE, NOBODY = "consent.no_terms", "consent.purpose", "consent.nobody"
CODES = frozenset({NO_TERMS, NO_PURPOSE, NOBODY})
_KEPT = 64  # uses whose tree is kept in memory


class ConsentCondition(Neutral):
    """Keeps the route `consent`: a use counts those who consent to it, states whom it counts, and ends with them.

    Asked in each transaction that admits, releases or cuts off, and reads the consents there: from the moment at
    which a withdrawal is recorded, no new use counts her, and what counted her ends or is withheld.
    """

    routes = frozenset({CONSENT_ROUTE})

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self._register = Register()
        self._trees: OrderedDict[tuple[str, frozenset[str]], tuple[str, list[bytes]]] = OrderedDict()

    def examine(self, tx: Transaction, wish: Wish) -> Decision:
        """Whether a use may begin or be resumed; its purpose is not known yet."""
        if not by_consent(wish.agreement) or editions.current(tx, wish.agreement.dataset) is not None:
            return PERMITTED
        return _no_terms()

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """Whether a step is answered, and on the rows of whom."""
        if not by_consent(visit.agreement):
            return PERMITTED, Grant()
        edition = editions.current(tx, visit.job.asset)
        if edition is None:
            return _no_terms(), Grant()
        if visit.request.purpose is None:
            return _no_purpose(), Grant()
        found = self._reached(tx, edition, visit.request, visit.job.user, self._touched(visit.job.kind, visit.step))
        if not self._counted(tx, visit.job.id) <= found.patients:
            return rules.rows_of_use(same=False), Grant()
        if not found.patients:
            return _nobody(), Grant()
        stated, leaves = self._tree(tx, visit.job.id, found.patients)
        scope = (RowScope(edition.terms.column, found.patients),)
        return PERMITTED, Grant(scope=scope, noted={"patients": stated, "leaves": len(leaves)})

    def released(self, tx: Transaction, leaving: Leaving) -> Decision:
        """Whether an output may leave, or leave again: not once a patient whom the use counts is out."""
        touched = self._touched(leaving.job.kind, leaving.step)
        return self._stands(tx, leaving.agreement, leaving.job.id, leaving.request, touched)

    def lasts(self, tx: Transaction, lasting: Lasting) -> Decision:
        """Whether a use may go on while nothing is asked."""
        last = self._last(tx, lasting.job.id)
        touched = None if last is None else self._touched(lasting.job.kind, last)
        return self._stands(tx, lasting.agreement, lasting.job.id, lasting.request, touched)

    def spend(self, tx: Transaction, asking: AdmissibleStep) -> None:
        """Keep the leaves of what the entry of the admission states, so that it can be proved later."""
        if "patients" in asking.grant.noted:
            edition = editions.current(tx, asking.visit.job.asset)
            patients = _named(asking.grant.scope, edition)
            self._keep(tx, asking.visit.job, asking.visit.step, patients)

    def left(self, tx: Transaction, leaving: Leaving) -> None:
        """Keep them where nothing new was asked, and an answer left all the same."""
        if by_consent(leaving.agreement):
            self._keep(tx, leaving.job, leaving.step, self._counted(tx, leaving.job.id))

    def _keep(self, tx: Transaction, job: Job, step: Step, patients: frozenset[str]) -> None:
        stated, leaves = self._tree(tx, job.id, patients)
        identity = f"{job.id} {stated}"
        if patients and tx.get(COUNTED, identity) is None:
            touched = self._touched(job.kind, step)
            columns = None if touched is None else tuple(sorted(touched))
            tx.insert(COUNTED, CountedUse(identity, job.id, stated, b"".join(leaves).hex(), columns))

    def _stands(
        self, tx: Transaction, made: Agreement, use: str, request: UseRequest, touched: editions.Touched
    ) -> Decision:
        if not by_consent(made):
            return PERMITTED
        edition = editions.current(tx, made.dataset)
        if edition is None:
            return _no_terms()
        counted = self._counted(tx, use)
        if not counted:
            return PERMITTED
        found = self._reached(tx, edition, request, made.consumer, touched)
        return PERMITTED if counted <= found.patients else rules.rows_of_use(same=False)

    def _reached(
        self, tx: Transaction, edition: ConsentEdition, request: UseRequest, user: str, touched: editions.Touched
    ) -> Reached:
        """Whom a use reaches; with that brake off (attack tests), everybody of whom anything is known."""
        self._register.follow(tx)
        parties = {ConsentParty.USER: user, ConsentParty.HOLDER: self._grounds.holder.did}
        asked = editions.request(edition.terms, request.purpose, request.action, parties, touched)
        if not self._grounds.brakes.consent:
            return Reached(self._register.known(), frozenset(), 0)
        now = 0 if request.time is None else seconds(request.time)
        key = editions.key(edition, asked)
        found = self._register.reached(asked, key, now, edition.upto, after_death=edition.terms.after_death)
        if not found.undecided:  # nobody on whom a person could have decided
            return found
        return found.with_decided(decisions.allowed(tx, edition, asked.purpose or "", self._register.number))

    def _touched(self, kind: str, step: Step) -> editions.Touched:
        try:
            return self._grounds.looked_at(kind, step)
        except (KeyError, TypeError, ValueError):  # a task that its engine will refuse
            return None

    def _counted(self, tx: Transaction, use: str) -> frozenset[str]:
        """Whom a use has counted so far, as its last question was admitted."""
        book = self._grounds.holder.notebook
        asked = [one for one in book.of_use(tx, use) if not one.rowless and one.outcome not in _UNCOUNTED]
        if not asked:
            return frozenset()
        last = max(asked, key=lambda one: one.entry)
        admission = book.admission(last, self._grounds.brakes, instant(last.time))
        return _named(admission.scope, editions.current(tx, last.asset))

    def _last(self, tx: Transaction, use: str) -> Step | None:
        asked = [one for one in self._grounds.holder.notebook.of_use(tx, use) if not one.rowless]
        return self._grounds.holder.notebook.shown(max(asked, key=lambda one: one.entry)) if asked else None

    def _tree(self, tx: Transaction, use: str, patients: frozenset[str]) -> tuple[str, list[bytes]]:
        key = (use, patients)
        found = self._trees.get(key)
        if found is None:
            secret = self._grounds.holder.notebook.sealer.key("consent", use)
            mine = commitments.all_leaves(self._register.salts(tx, patients), use)
            leaves = commitments.filled(mine, secret, use)
            found = self._trees[key] = (commitments.root(leaves), leaves)
            if len(self._trees) > _KEPT:
                self._trees.popitem(last=False)
        return found


# Nothing was computed for these, and nothing of them left.
_UNCOUNTED = (QuestionOutcome.REFUSED, QuestionOutcome.FAILED)


def by_consent(made: Agreement) -> bool:
    """Whether rows pass by consent under an agreement, in any of its permissions."""
    return passes_by(odrl.parse(made.policy), CONSENT_ROUTE)


def _named(scope: tuple[RowScope, ...], edition: ConsentEdition | None) -> frozenset[str]:
    """The patients that a scope names: what keeps a route is asked first, so its list is the first of the column."""
    found = [one.values for one in scope if edition and one.within and one.column == edition.terms.column]
    return found[0] if found else frozenset()


def _no_terms() -> Decision:
    asked = Text(msgid("Its holder has said how the dataset is used under consent."))
    return _denied(NO_TERMS, asked, Text(msgid("Nothing was said.")))


def _no_purpose() -> Decision:
    return _denied(NO_PURPOSE, Text(msgid("The task says its purpose.")), Text(msgid("It says none.")))


def _nobody() -> Decision:
    return _denied(NOBODY, Text(msgid("Patients consent to this use.")), Text(msgid("Too few do.")))


def _denied(code: str, asked: Text, held: Text) -> Decision:
    remedy = Text(msgid("Ask the data holder for which purposes patients have consented."))
    return Decision(Verdict.DENY, code, (Premise(CLAUSE, asked, held, satisfied=False, remedy=remedy),))
