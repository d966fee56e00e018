// Verifies entries and whole logs where it runs: Merkle trees (RFC 9162), signed notes and checkpoints (C2SP signed-note,
// tlog-checkpoint), members lists (compact JWS, RFC 7515). It needs WebCrypto and nothing else, and asks nobody.
//
// Each check is { step, holds, code, facts }: `holds` is true, false, or null where an earlier check that it builds on failed.

const utf8 = new TextEncoder();
const HASH_SIZE = 32;
const KEY_SIZE = 32;
const SIGNATURE_SIZE = 64;
const ED25519 = 1; // signature type of C2SP signed-note
const LONGEST_NOTE = 256 * 1024;
const MOST_SIGNATURES = 64;
const DASH = "\u2014 ";
const MEMBERS_TYPE = "medspace-members+jwt";
// RFC 7515 4.1: header parameters that carry or point to a key, or change how the rest is read.
const KEY_CARRIERS = ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc"];
export const ENTRY_FORMAT = "medspace-entry-1";
export const LOG_FORMAT = "medspace-log-1";

// --- bytes

export const bytesOf = (text) => utf8.encode(text);

const joined = (...parts) => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

export const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const fromHex = (text) => {
  if (typeof text !== "string" || !/^(?:[0-9a-f]{2})*$/.test(text)) throw new Error("hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
};

export const base64Of = (bytes) => btoa(String.fromCharCode(...bytes));

// One spelling for each value only: what is decoded must be spelled the same again (RFC 4648 3.5).
export const fromBase64 = (text) => {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  let again = "";
  for (let at = 0; at < bytes.length; at += 0x8000) again += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  if (btoa(again) !== text) throw new Error("base64");
  return bytes;
};

export const fromBase64url = (text) => {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new Error("base64url");
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return fromBase64(plain + "=".repeat((4 - (plain.length % 4)) % 4));
};

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

const signedBy = async (key, message, signature) => {
  if (key.length !== KEY_SIZE || signature.length !== SIGNATURE_SIZE) return false;
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
};

// --- Merkle trees

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (entry) => sha256(joined(LEAF, entry));
export const nodeHash = (left, right) => sha256(joined(NODE, left, right));

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const bitLength = (value) => (value ? value.toString(2).length : 0);
const bitCount = (value) => value.toString(2).replaceAll("0", "").length;

// RFC 9162 2.1.3.2, in two parts as `medspace.ledger.merkle.verify_inclusion`: bits of the index say on which side a sibling
// is, up to where the paths of this leaf and of the last one meet; from there all siblings are on the left.
export const verifyInclusion = async (index, size, leaf, proof, root) => {
  if (!isCount(index) || !isCount(size) || index >= size) return false;
  if (!leaf.length || !root.length || proof.some((one) => !one.length)) return false;
  const below = bitLength(BigInt(index) ^ BigInt(size - 1));
  if (proof.length !== below + bitCount(BigInt(index) >> BigInt(below))) return false;
  let result = leaf;
  for (const [at, sibling] of proof.entries()) {
    const right = at >= below || (BigInt(index) >> BigInt(at)) & 1n;
    result = await (right ? nodeHash(sibling, result) : nodeHash(result, sibling));
  }
  return same(result, root);
};

// A whole tree, from its leaf hashes: the root that it had at any size.
export class MerkleTree {
  #levels;

  constructor(levels) {
    this.#levels = levels;
  }

  static async over(leaves) {
    const levels = [leaves];
    for (let level = leaves; level.length > 1; ) {
      const pairs = Array.from({ length: level.length >> 1 }, (_, at) => nodeHash(level[2 * at], level[2 * at + 1]));
      level = await Promise.all(pairs);
      levels.push(level);
    }
    return new MerkleTree(levels);
  }

  get size() {
    return this.#levels[0].length;
  }

  async root(size) {
    if (!isCount(size) || size > this.size) throw new RangeError(`a tree of ${this.size} leaves had no root at size ${size}`);
    if (!size) return sha256(new Uint8Array());
    const parts = []; // the complete subtrees that it is made up of, left to right
    for (let start = 0, level = bitLength(BigInt(size)) - 1; level >= 0; level -= 1) {
      const width = 2 ** level;
      if (size - start >= width) {
        parts.push(this.#levels[level][start / width]);
        start += width;
      }
    }
    let result = parts.pop();
    while (parts.length) result = await nodeHash(parts.pop(), result);
    return result;
  }
}

// --- signed notes

// The note that a text holds; throws where it is none.
export const readNote = (content) => {
  if (content.length > LONGEST_NOTE) throw new Error("note");
  const end = content.lastIndexOf("\n\n");
  const lines = content.slice(end + 2);
  const text = content.slice(0, end + 1);
  if (end < 0 || !lines.endsWith("\n") || text === "\n" || /[\u0000-\u0009\u000b-\u001f]/.test(text)) throw new Error("note");
  const signatures = lines.slice(0, -1).split("\n").map(readSignature);
  if (signatures.length > MOST_SIGNATURES) throw new Error("note");
  return { text, signatures };
};

const readSignature = (line) => {
  const space = line.indexOf(" ", DASH.length);
  const name = line.slice(DASH.length, space);
  if (!line.startsWith(DASH) || space < 0 || !name || /[+\s\u0000-\u001f]/.test(name)) throw new Error("note");
  const content = fromBase64(line.slice(space + 1));
  if (content.length <= 4) throw new Error("note");
  return { name, keyId: content.slice(0, 4), signature: content.slice(4) };
};

// What a note says of a log; throws where it says nothing of one.
export const readCheckpoint = (text) => {
  const lines = text.slice(0, -1).split("\n");
  const [origin, size, root] = lines;
  if (lines.length < 3 || !lines.every(Boolean) || !/^(?:0|[1-9][0-9]{0,18})$/.test(size)) throw new Error("checkpoint");
  const digest = fromBase64(root);
  if (digest.length !== HASH_SIZE || !isCount(Number(size))) throw new Error("checkpoint");
  return { origin, size: Number(size), root: digest };
};

export const keyId = async (name, key) => (await sha256(joined(bytesOf(`${name}\n`), Uint8Array.of(ED25519), key))).slice(0, 4);

// Whether the key signed the note in that name. One wrong signature in its name makes the answer no.
export const noteSignedBy = async (note, name, key) => {
  const wanted = await keyId(name, key);
  const mine = note.signatures.filter((line) => line.name === name && same(line.keyId, wanted));
  const held = await Promise.all(mine.map((line) => signedBy(key, bytesOf(note.text), line.signature)));
  return held.length > 0 && held.every(Boolean);
};

// --- members lists

// The members list, if the authority signed it; throws where it did not, or where it is none.
export const readMembers = async (text, authorityKey) => {
  const parts = text.split(".");
  if (parts.length !== 3) throw new Error("members");
  const header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(fromBase64url(parts[0])));
  if (header.alg !== "EdDSA" || header.typ !== MEMBERS_TYPE || KEY_CARRIERS.some((name) => name in header)) throw new Error("members");
  const message = bytesOf(text.slice(0, text.lastIndexOf(".")));
  if (!(await signedBy(authorityKey, message, fromBase64url(parts[2])))) throw new Error("members");
  const said = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(fromBase64url(parts[1])));
  const keys = new Map(said.members.map((member) => [member.did, fromBase64url(member.public_key)]));
  if (keys.size !== said.members.length || [...keys.values()].some((key) => key.length !== KEY_SIZE)) throw new Error("members");
  keys.set(said.iss, authorityKey); // the authority has a log of its own
  return { issuer: said.iss, issued: said.iat, expires: said.exp, keys };
};

// --- what is proven

const held = (step, facts = {}) => ({ step, holds: true, code: step, facts });
const broken = (step, matter, facts = {}) => ({ step, holds: false, code: `${step}.${matter}`, facts });
const open = (step) => ({ step, holds: null, code: step, facts: {} });

const attempt = async (work) => {
  try {
    return await work();
  } catch {
    return null;
  }
};

const iso = (seconds) => new Date(seconds * 1000).toISOString();

// Who signs: the list that the authority signed, the key that it names, what that key signed. `trusted` is null where any fails.
const checkSigner = async ({ origin, checkpoint, members }, authorityKey) => {
  const list = await attempt(() => readMembers(members, authorityKey));
  if (!list) return { checks: [broken("members", "not_signed"), open("key"), open("checkpoint")], trusted: null };
  const checks = [held("members", { issuer: list.issuer, issued: iso(list.issued), expires: iso(list.expires) })];
  const key = list.keys.get(origin);
  if (!key) return { checks: [...checks, broken("key", "no_member", { origin }), open("checkpoint")], trusted: null };
  checks.push(held("key", { origin, key: base64url(key) }));
  const signed = await signedState(checkpoint, origin, key);
  if (signed.code) return { checks: [...checks, broken("checkpoint", signed.code, { origin })], trusted: null };
  checks.push(held("checkpoint", { origin, size: signed.state.size, root: hexOf(signed.state.root) }));
  return { checks, trusted: { state: signed.state, note: signed.note, key, list } };
};

const base64url = (bytes) => base64Of(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const signedState = async (content, origin, key) => {
  const note = await attempt(() => readNote(content));
  const state = note && (await attempt(() => readCheckpoint(note.text)));
  if (!state) return { code: "malformed" };
  if (state.origin !== origin || !(await noteSignedBy(note, origin, key))) return { code: "wrong_key" };
  return { code: "", note, state };
};

// Signatures beside that of the log's owner, as of witnesses: whose key the list has and which hold; others are not known.
// One of the owner's own with another key, such as ML-DSA, which WebCrypto lacks, is told, and proves nothing here.
const checkWitnesses = async ({ note, state, key: own, list }) => {
  const checked = await keyId(state.origin, own);
  const others = note.signatures.filter((line) => line.name !== state.origin || !same(line.keyId, checked));
  return Promise.all(
    others.map(async (line) => {
      const key = list.keys.get(line.name);
      const known = key && same(line.keyId, await keyId(line.name, key));
      const facts = { name: line.name };
      if (line.name === state.origin) return { step: "other", holds: null, code: "checkpoint.other_key", facts };
      if (!known) return { step: "witness", holds: null, code: "witness.unknown", facts };
      const good = await signedBy(key, bytesOf(note.text), line.signature);
      return good ? held("witness", facts) : broken("witness", "wrong", facts);
    }),
  );
};

const isEntry = (text) => {
  const told = JSON.parse(text);
  return Object.keys(told).join() === "actor,facts,kind,time" && typeof told.kind === "string" && typeof told.facts === "object";
};

// Everything about one entry (`medspace.ledger.entry_proof`): what it says was hashed, and is in the log that its owner signed.
export const verifyEntry = async (proof, authorityKey) => {
  const { checks, trusted } = await checkSigner(proof, authorityKey);
  const readable = (await attempt(() => isEntry(proof.entry))) === true;
  const leaf = await leafHash(bytesOf(String(proof.entry)));
  const facts = { leaf: hexOf(leaf), index: proof.index };
  const entry = readable ? held("entry", facts) : broken("entry", "malformed", facts);
  if (!trusted) return [entry, open("path"), ...checks];
  return [entry, await checkPath(proof, leaf, trusted.state), ...checks, ...(await checkWitnesses(trusted))];
};

const checkPath = async (proof, leaf, state) => {
  const facts = { index: proof.index, size: state.size, hashes: proof.hashes?.length, root: hexOf(state.root) };
  if (proof.size !== state.size) return broken("path", "wrong_size", facts);
  const hashes = await attempt(() => proof.hashes.map(fromHex));
  const leads = hashes && (await verifyInclusion(proof.index, proof.size, leaf, hashes, state.root));
  return leads ? held("path", facts) : broken("path", "wrong_root", facts);
};

// A whole log: `leaves` are the hashes of its entries, in order; `earlier` notes that its owner signed before.
export const verifyLog = async (log, leaves, authorityKey) => {
  const { checks, trusted } = await checkSigner(log, authorityKey);
  if (!trusted) return [open("count"), open("root"), open("history"), ...checks];
  const facts = { count: leaves.length, size: trusted.state.size, root: hexOf(trusted.state.root) };
  if (leaves.length !== trusted.state.size) return [broken("count", "wrong_size", facts), open("root"), open("history"), ...checks];
  const tree = await MerkleTree.over(leaves);
  const whole = same(await tree.root(tree.size), trusted.state.root);
  const root = whole ? held("root", facts) : broken("root", "wrong_root", facts);
  const history = whole ? await checkHistory(log, tree, trusted) : open("history");
  return [held("count", facts), root, history, ...checks, ...(await checkWitnesses(trusted))];
};

const checkHistory = async (log, tree, { key }) => {
  const earlier = log.earlier ?? [];
  for (const text of earlier) {
    const { code, state } = await signedState(text, log.origin, key);
    if (code) return broken("history", "not_signed");
    if (state.size > tree.size) return broken("history", "cut_off", { size: state.size, count: tree.size });
    if (!same(await tree.root(state.size), state.root)) return broken("history", "split_view", { size: state.size });
  }
  return held("history", { earlier: earlier.length });
};

// The leaf hashes of entries as their texts.
export const leavesOf = (entries) => Promise.all(entries.map((entry) => leafHash(bytesOf(entry))));

// What a file holds, as its text; throws where it is neither an entry's proof nor a log.
export const readFile = (text) => {
  const told = JSON.parse(text);
  if (told.format !== ENTRY_FORMAT && told.format !== LOG_FORMAT) throw new Error("format");
  return told;
};

export const verifyFile = async (told, authorityKey) =>
  told.format === ENTRY_FORMAT ? verifyEntry(told, authorityKey) : verifyLog(told, await leavesOf(told.entries), authorityKey);

export const failed = (checks) => checks.some((check) => check.holds === false) || !checks.some((check) => check.holds);
