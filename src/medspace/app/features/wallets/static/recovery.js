// The printed code: its seed is kept as a key that only derives, so that no script can read the code again.

import { bytesOf, encode, publicJwk } from "./jose.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const SEED = 16, CHECK = 4;
// PKCS #8 of a P-256 key (RFC 5208, RFC 5915) up to its 32 bytes, without the public part.
const HEAD = Uint8Array.from(
  "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420".match(/../g), (byte) => parseInt(byte, 16));

const check = async (seed) => new Uint8Array(await crypto.subtle.digest("SHA-256", seed)).slice(0, CHECK);

export async function printed(seed) {
  const bytes = [...seed, ...(await check(seed))];
  const bits = bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.match(/.{5}/g).map((five) => LETTERS[parseInt(five, 2)]).join("").match(/.{4}/g).join("-");
}

export async function seedOf(code) {
  const letters = [...code.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("0", "O").replaceAll("1", "I")];
  const values = letters.map((letter) => LETTERS.indexOf(letter));
  if (letters.length !== ((SEED + CHECK) * 8) / 5 || values.includes(-1)) throw new Error("code");
  const bits = values.map((value) => value.toString(2).padStart(5, "0")).join("");
  const bytes = Uint8Array.from(bits.match(/.{8}/g), (eight) => parseInt(eight, 2));
  const seed = bytes.slice(0, SEED);
  if (encode(await check(seed)) !== encode(bytes.slice(SEED))) throw new Error("code");
  return seed;
}

export const kept = (seed) => crypto.subtle.importKey("raw", seed, "HKDF", false, ["deriveBits"]);

/** The key that the code makes for one hospital. */
export async function keyFor(root, origin) {
  const info = bytesOf(`medspace wallet recovery 1\n${origin}`);
  const wide = await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info }, root, 384);
  const number = [...new Uint8Array(wide)].reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const scalar = ((number % (ORDER - 1n)) + 1n).toString(16).padStart(64, "0");
  const raw = Uint8Array.from(scalar.match(/../g), (byte) => parseInt(byte, 16));
  const kind = { name: "ECDSA", namedCurve: "P-256" };
  const whole = await crypto.subtle.importKey("pkcs8", new Uint8Array([...HEAD, ...raw]), kind, true, ["sign"]);
  const jwk = await publicJwk(whole);
  return { jwk, privateKey: await crypto.subtle.importKey("jwk", { ...(await crypto.subtle.exportKey("jwk", whole)) }, kind, false, ["sign"]) };
}

