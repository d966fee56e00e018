// SD-JWT VC for a holder: check a card that arrives, show it bound to one request (RFC 9901).

import { read, sha256, sign, verified } from "./jose.js";

const MOST = 512;

/** The claims of a card that one of the issuer's keys has signed, for the key of that thumbprint; top level only. */
export async function opened(text, issuer, keys, mine) {
  const [issued, ...rest] = text.split("~");
  if (rest.length === 0 || rest.length > MOST || rest.at(-1) !== "") throw new Error("no card");
  const payload = await verified(issued, keys, "dc+sd-jwt");
  if (payload.iss !== issuer || payload.exp * 1000 <= Date.now()) throw new Error("issuer or time");
  const { kty, crv, x, y } = payload.cnf.jwk;
  if (JSON.stringify({ kty, crv, x, y }) !== JSON.stringify(mine)) throw new Error("another key");
  const claims = { ...payload };
  for (const part of rest.slice(0, -1)) {
    const [, name, value] = read(part);
    if (!payload._sd.includes(await sha256(part)) || name in payload || name === "_sd" || name === "...") {
      throw new Error("a part that is not signed");
    }
    claims[name] = value;
  }
  return claims;
}

/** The card with the holder's signature, for one verifier, one nonce and one message. */
export async function shown(text, privateKey, audience, nonce, data) {
  const claims = {
    aud: audience,
    iat: Math.floor(Date.now() / 1000),
    nonce,
    sd_hash: await sha256(text),
    transaction_data_hashes: [await sha256(data)],
    transaction_data_hashes_alg: "sha-256",
  };
  return text + (await sign(privateKey, { alg: "ES256", typ: "kb+jwt" }, claims));
}
