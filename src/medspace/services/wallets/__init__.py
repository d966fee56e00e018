"""Wallets of patients: the hospital issues their cards, hears what they have signed, and cannot deny it.

    issuing      OpenID4VCI 1.0, pre-authorised code: `offer`, `redeem`, `card_for`; the status list of the cards
    asking       OpenID4VP 1.0 for one verifier: `request_for` a message, `hear` what the wallet has signed
    consents     what a signed message does: a consent, its receipt, a withdrawal, another device, a guardian
    recovering   a printed code has a new key take the place of those that were lost
    commitments  at the authority: that there was a withdrawal by a time, and nothing of whose

A message is transaction data of a presentation of the patient's card (OpenID4VP 1.0 8.4): the holder's signature is
over the card and the message, for this hospital and a nonce of its own. Numbers of messages only grow, for each
patient at each hospital: an old consent that is shown again after a withdrawal has a lower number, and is refused.

Security model: nobody has a session. A key counts for one hospital and is known to nobody else, so two hospitals that
compare what they have find nothing of a wallet in common but the times. Who steals a wallet's file needs its
passphrase; who has both acts until the patient retires the key, from another device or by the printed code. The
hospital knows its patients and could issue a card to a key of its own: the receipt, signed by the hospital for the
patient's key, and the commitment at the authority are what the patient holds against it. A hospital that does not
answer at all is not told from a network that is down; then the commitment says by when the withdrawal was made.
"""
