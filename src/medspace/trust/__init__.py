"""Who? Identifiers, identity tokens, the members of the space. Later: credentials, wallets, attestation."""
