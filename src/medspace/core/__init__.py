"""Words every room shares: ids, clock, canonical JSON, hashes, signatures, decisions, errors. No I/O."""
