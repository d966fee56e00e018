"""Verifiable credentials as signed texts: what an issuer says of a holder, proved without asking the issuer.

Pure functions over frozen values; nothing here fetches anything. Both profiles of DCP 1.0 are read and written:
`vc20-bssl/jwt` (VC Data Model 2.0, BitstringStatusList) and `vc11-sl2021/jwt` (VC Data Model 1.1, StatusList2021).

    model          `Credential` (id, types, issuer, subject, claims, valid_from, valid_until, status, schemas, text),
                   `StatusEntry`, `StatusList`, `KeyDocument` (the keys and services of a DID)
    vcjwt          `issuer_of(text)`: who claims to have signed; `verify_credential(text, document, now)`;
                   `sign_credential(draft, key, profile)` of a `CredentialDraft`
    presentations  `sign_presentation(texts, key, holder=, audience=, now=, token_id=)`;
                   `verify_presentation(text, document, audience=, now=)`: the texts of the credentials in it
    status         `verify_status_list(text, document, now)`; `check_status(entry, issuer, lists)`;
                   `sign_status_list(draft, key, profile)` of a `StatusDraft`; `new_bits`, `set_bit`
    keys           `parse_key_document(content, did)`, `did_key(jwk)`, `did_key_document(did)`, `build_key_document`
    idtokens       self-issued ID tokens: `issue_id_token`, `read_id_token`, `prove_id_token`
    believed       `TrustList`: which issuers are believed for which type and claims, signed by the authority;
                   `verify_trust_list`, `believed_type(listed, credential)`,
                   `counted(entry, credential)`: its claims that count
    jose           compact signatures by ES256, ES384, EdDSA and Ed25519 (RFC 9864): `SigningKey`, `split`

The order of a check, everywhere: size, form, algorithm, key of the issuer (by its DID), signature, times; then the
caller looks at the subject, at the list of believed issuers, and at the status lists that the credential names. A
credential that names a status list is only as good as a list that is valid now (fail closed).

Where a document or a status list comes from is the caller's: `trust.ports.KeyDocuments`, and
`adapters.http.documents` which asks did:web and reads did:key. All errors are `CredentialError`, one subclass with
its own code for each rule.
"""
