"""Sums over sites that reveal nothing but the sum: double masking, as in SecAgg.

Bonawitz et al., "Practical secure aggregation for privacy-preserving machine learning" (CCS 2017), on the full graph:
the sparse one of Bell et al., "Secure single-server aggregation with (poly)logarithmic overhead" (CCS 2020), saves
nothing for a hundred sites. Site i sends x_i + s_i + sum of p_ij (j after i) - sum of p_ij (j before i) in a ring of
integers: `p_ij` comes from a secret of the pair, `s_i` from a seed of the site's own, which it shares among all
(t of n). Of the sites whose vector came, t open s_i; of those whose vector did not, the others open p_ij; never both.

What holds, and against whom (the proof is theirs, in the random-oracle model, for HKDF and AES-256 as PRFs and
pairwise secrets that nobody else knows):

- User and coordinator, malicious, with up to c sites that follow the protocol and disclose all they see: they learn,
  per round and part, one sum over at least `survivors - c >= min_sites >= 3` others, and nothing else. That takes
  `c < 2t - n`, so that no two lists of survivors are opened, each by t seats (`thresholds`), and that each honest
  site opens a round once, for a list that all survivors signed. The caller of this package must ensure the latter.
- What is opened opens one round and part: seeds are derived from secrets that never leave, under the digest of the
  run's manifest, so two manifests give masks that do not cancel. A lost site's earlier rounds stay closed.
- An opened seed that differs from the commitment is detected, and identifies its sender.

What does not hold:

- The sum itself is revealed. A site that lies about its own data steers the sum unnoticed; with more than c dishonest
  seats (one user's own, say) the others are exposed. An impossible sum ends the round and names nobody, since
  the site that falsified it cannot be identified.
- Nobody can check whether a masked vector is in range: `fixed.fits` is proven for sites that keep to the range.
- A site that masks two vectors with the same seeds reveals their difference: seeds are used once, even after a crash.

The package is pure: names are strings, numbers are integers, randomness is given. No messages, no signatures.
"""
