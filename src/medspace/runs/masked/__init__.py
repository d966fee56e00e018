"""Masked rounds: a run whose sums are opened in total only, among the sites, which check every next question.

Steps of a run, each asked of the seats by a coordinator that carries everything and opens nothing:

    share -> (contribute -> agree -> open -> propose) for each question of the task -> result

- share: each pair of seats agrees on a secret, sealed for the peer (`trust.envelope`).
- contribute: a site adds up its own rows, in integers, and hides the sum under masks (`privacy.masking`): one with
  each peer, which cancel in the total, and one of its own, whose seed it shares out among the seats.
- agree: the sites check one another's contributions and sign who is in the total. Once per question, for one list.
- open: under the signatures of all on one list, each site gives the others what opens the total, and nothing else.
- propose: one site, named by manifest and question, says what to ask next; it is sealed for the sites.
- the next contribute (or result): every site opens the total itself and answers only a question that follows from
  it, by exact arithmetic.

Who must be honest: user and coordinator may be malicious and collude with up to c seats that tell them everything
they see (`core.engine.RunTerms.colluders`). They then learn the totals of the remaining sites, which are at least
`min_sites`, and what follows from them. A seat that lies about its own data steers the fit and learns nothing: that
is not prevented, and a run that it disrupts ends. A site that breaks the protocol is named where its signature shows
it; masks that do not cancel make a total that is out of range, which ends the run and names nobody.

A task may divide the sites into groups, each with masks and a total of its own, and leave out the outermost, which
limits how far a few liars can steer it (`grouping`): under one list that all have signed, and never with fewer sites
in a group than a run without groups must have.

Vectors of more than 64 k numbers are added up by the coordinator, which brings every site the sum; nobody proposes,
each site computes what follows by itself (`vectors`). The coordinator could then add anything to a sum and so
choose the weights of a model; such tasks have a separate, named protection.
"""
