"""Runs: seats, rounds, faults, checkpoints and ledger entries, whatever the task computes."""
