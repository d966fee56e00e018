"""Did they? Merkle log, checkpoints, proofs, bundles, offline audit, lineage. Pure; the log itself is a port."""
