"""The tables of wallets."""
