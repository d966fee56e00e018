"""A patient's wallet for Python programs; see `medspace.app.features.wallets.wallet`."""

from importlib.util import find_spec

if find_spec("medspace.app.features.wallets"):  # it goes with its feature
    from medspace.app.features.wallets.wallet import HospitalPlace, KeptGiven, KeptWithdrawal, Wallet

    __all__ = ["HospitalPlace", "KeptGiven", "KeptWithdrawal", "Wallet"]
