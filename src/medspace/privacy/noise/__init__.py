"""Differential privacy of sums: clipping, noise, and what it costs.

    clipping      each person's numbers, cut to a norm and rounded to integers; what one person can change
    sigma         how large the noise of one site is
    gaussian      integer noise of that size, drawn exactly
    accounting    what noisy sums cost (rho of zCDP), and that as an epsilon at a delta
    composition   what all releases reveal together, as tightly as can be proven
    budget        whether a use fits into what the holder allows

Every site adds its own noise before its integers are masked, so that nobody ever sees a sum with less of it than all
honest sites have added. What is debited is worked out in exact integers; doubles appear only where people read them.
"""
