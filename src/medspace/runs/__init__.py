"""Together? Runs of one task over several sites: seats, rounds, faults, checkpoints, ledger entries."""
