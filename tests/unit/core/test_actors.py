"""Who acts: pseudonyms that say nothing, scopes that open what they name and nothing else."""

from medspace.adapters.memory import SeededRandomness
from medspace.adapters.system import SystemRandomness
from medspace.core.actors import Actor, ActorKind, Scope, new_actor
from medspace.ledger.kinds import FactType, fits


def test_a_pseudonym_is_random_and_has_the_form_that_entries_want():
    made = {new_actor(SystemRandomness()) for _ in range(100)}
    assert len(made) == 100
    assert all(fits(FactType.ACTOR, actor) for actor in made)
    assert new_actor(SeededRandomness(1)) == new_actor(SeededRandomness(1)) != new_actor(SeededRandomness(2))


def test_a_name_does_not_fit_where_a_pseudonym_stands():
    for name in ("Dr Li", "actor:Dr Li", "actor:li", "", "did:web:li.example", "actor:" + "0" * 31, None, 7):
        assert not fits(FactType.ACTOR, name)


def test_a_scope_opens_what_names_it_and_nothing_else():
    actor = Actor("actor:1", ActorKind.PERSON, frozenset({Scope.READ, Scope.CHECK}))
    assert actor.may([Scope.READ])
    assert actor.may([Scope.TERMS, Scope.CHECK])
    assert not actor.may([Scope.TERMS])
    assert not actor.may([])


def test_the_owner_may_do_what_no_scope_names():
    owner = Actor("actor:1", ActorKind.OWNER, frozenset())
    assert owner.may([])
    assert owner.may([Scope.KEYS])
