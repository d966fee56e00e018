// Bytes, canonical JSON, and signatures by WebCrypto. Nothing here keeps anything.

const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const utf8 = new TextEncoder();

export const encode = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

export const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

export const bytesOf = (text) => utf8.encode(text);

export const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export const randomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

/** One text for one value (RFC 8785, without fractions): members in the order of their UTF-16 code units. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

export const sha256 = async (text) => encode(await crypto.subtle.digest("SHA-256", bytesOf(text)));

export const read = (part) => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(decode(part)));

/** A signing key of which no script can ever read the private part. */
export const newKey = () => crypto.subtle.generateKey(ES256, false, ["sign", "verify"]);

export async function publicJwk(key) {
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", key);
  return { kty, crv, x, y };
}

export const thumbprint = async (jwk) => sha256(canonical(jwk));

export async function sign(privateKey, header, claims) {
  const input = `${encode(bytesOf(canonical(header)))}.${encode(bytesOf(canonical(claims)))}`;
  return `${input}.${encode(await crypto.subtle.sign(ES256, privateKey, bytesOf(input)))}`;
}

/** The header and claims of a JWS that one of these keys has signed; the algorithm is that of the key. */
export async function verified(text, keys, typ) {
  const [head, body, signature, more] = text.split(".");
  const header = read(head);
  if (more !== undefined || header.typ !== typ || "jwk" in header || "crit" in header) throw new Error("header");
  for (const key of keys) {
    const kind = key.crv === "Ed25519" ? { name: "Ed25519" } : ES256;
    const wanted = key.crv === "Ed25519" ? ["EdDSA", "Ed25519"] : ["ES256"];
    if (!wanted.includes(header.alg) || (header.kid !== undefined && header.kid !== key.kid)) continue;
    const { kty, crv, x, y } = key;
    const known = await crypto.subtle.importKey("jwk", y ? { kty, crv, x, y } : { kty, crv, x }, kind, true, ["verify"]);
    if (await crypto.subtle.verify(kind, known, decode(signature), bytesOf(`${head}.${body}`))) return read(body);
  }
  throw new Error("signature");
}

export async function hmac(salt, text) {
  const key = await crypto.subtle.importKey("raw", salt, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return `hmac-sha256:${hex(await crypto.subtle.sign("HMAC", key, bytesOf(text)))}`;
}
