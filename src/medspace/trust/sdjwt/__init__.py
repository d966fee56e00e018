"""Credentials of people: what an issuer says of somebody who shows no more of it than is asked for.

Pure functions over frozen values; nothing here fetches anything. SD-JWT is RFC 9901; SD-JWT VC is the IETF's
draft-ietf-oauth-sd-jwt-vc (`dc+sd-jwt`), and the status of one stands in a Token Status List
(draft-ietf-oauth-status-list, `statuslist+jwt`).

    model       `SdJwt` (an SD-JWT taken apart), `DisclosedClaims`, `Held`, `PresentedCard`, `TokenStatusList`
    issuing     `sign_sd_jwt(payload, hidden, key, randomness)`: each hidden path is a disclosure of its own
    reading     `split(text)`; `disclosed(payload, texts)`: the claims of what was signed and disclosed
    proving     `verify_issued` as its holder; `verify_presented` with the binding to the holder's key
    holding     `present(held, paths, key, binding, now)`: what is shown, bound to one verifier and one request
    vc          the rules of SD-JWT VC: its type, its issuer, what is never hidden, where its status stands
    statuslist  `sign_token_status_list`, `verify_token_status_list`, `check_token_status`

Security model: a presentation counts only with a signature by the key that the issuer has put into `cnf`, over the
very disclosures that are shown, for the verifier's own name and a nonce that it has just made. There is no way to
check a presentation without both. Signatures are ES256, ES384 or EdDSA, chosen by the key, never by a header. Sizes,
numbers of disclosures and depth are bounded; a status list unpacks to a bounded size.

Elements of arrays keep their places: what was not disclosed is `HIDDEN` in `DisclosedClaims.placed`, so that an index
means the same to the holder, who knows all elements, and to a verifier, who knows some.
"""
