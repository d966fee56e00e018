"""The hospital's own login, by OpenID Connect; `joserfc` reads its signatures (extra `oidc`)."""
