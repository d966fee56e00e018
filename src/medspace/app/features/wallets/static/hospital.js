// What the wallet says to a hospital and to the authority: OpenID4VCI, OpenID4VP, commitments.

import { opened, shown } from "./cards.js";
import { canonical, hex, hmac, newKey, publicJwk, randomBytes, read, sign, thumbprint, verified } from "./jose.js";
import { keyFor } from "./recovery.js";

const GRANT = "urn:ietf:params:oauth:grant-type:pre-authorized_code";
const MESSAGE = "urn:medspace:wallet-message:1";
const CARD = "patient-card";

/** A refusal of a hospital in its own words, or that it cannot be reached (`away`). */
export class Refused extends Error {
  constructor(said, away = false) {
    super(said.sentence ?? "");
    this.code = said.code ?? "";
    this.next = said.next_step ?? "";
    this.away = away;
  }
}

async function call(url, settings, language) {
  let answer, said;
  try {
    const headers = { "Accept-Language": language, ...settings.headers };
    answer = await fetch(url, { ...settings, headers, credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
    said = await answer.json();
  } catch {
    throw new Refused({}, true);
  }
  if (!answer.ok) throw new Refused(said);
  return said;
}

export class Hospitals {
  constructor(language) {
    this.language = language;
  }

  get(url) {
    return call(url, {}, this.language);
  }

  post(url, body, headers = {}) {
    const settings = { method: "POST", body: canonical(body), headers: { "Content-Type": "application/json", ...headers } };
    return call(url, settings, this.language);
  }

  form(url, fields) {
    return call(url, { method: "POST", body: new URLSearchParams(fields) }, this.language);
  }

  /** The hospital and the code of an invitation; null where it is none. */
  static offer(link) {
    try {
      const said = JSON.parse(new URL(link).searchParams.get("credential_offer"));
      const origin = new URL(said.credential_issuer).origin;
      return { origin, code: said.grants[GRANT]["pre-authorized_code"] };
    } catch {
      return null;
    }
  }

  async proof(origin, privateKey, jwk, more = {}) {
    const { c_nonce: nonce } = await this.post(`${origin}/oid4vci/nonce`, {});
    const header = { alg: "ES256", typ: "openid4vci-proof+jwt", jwk };
    return sign(privateKey, header, { aud: origin, iat: Math.floor(Date.now() / 1000), nonce, ...more });
  }

  async receive(offer, pin, root) {
    const fields = { grant_type: GRANT, "pre-authorized_code": offer.code, tx_code: pin };
    const { access_token: token } = await this.form(`${offer.origin}/oid4vci/token`, fields);
    const key = await newKey();
    const jwk = await publicJwk(key.publicKey);
    const recovery = await thumbprint((await keyFor(root, offer.origin)).jwk);
    const wish = {
      credential_configuration_id: CARD,
      proofs: { jwt: [await this.proof(offer.origin, key.privateKey, jwk)] },
      recovery,
    };
    const found = await this.post(`${offer.origin}/oid4vci/credential`, wish, { Authorization: `Bearer ${token}` });
    return this.taken(offer.origin, key, jwk, found);
  }

  async recover(origin, root) {
    const key = await newKey();
    const jwk = await publicJwk(key.publicKey);
    const old = await keyFor(root, origin);
    const recovery = await this.proof(origin, old.privateKey, old.jwk, { binds: await thumbprint(jwk) });
    const found = await this.post(`${origin}/wallet/recover`, { recovery, proof: await this.proof(origin, key.privateKey, jwk) });
    return this.taken(origin, key, jwk, found);
  }

  async taken(origin, key, jwk, found) {
    const metadata = await this.get(`${origin}/.well-known/jwt-vc-issuer`);
    const about = await this.get(`${origin}/wallet/about`);
    const card = found.credentials[0].credential;
    if (metadata.issuer !== origin) throw new Error("another issuer");
    const claims = await opened(card, origin, metadata.jwks.keys, jwk);
    const { name, did, authority, forms } = about;
    return { origin, name, did, authority, forms, keys: metadata.jwks.keys, key, jwk, card, pseudonym: claims.patient,
      role: claims.role, number: 0, consents: [] };
  }

  /** Sign a message for a hospital, and get its answer; nothing is signed but what is said. */
  async say(place, said) {
    const { request } = await this.post(`${place.origin}/oid4vp/requests`, said);
    const asked = await verified(request, place.keys, "oauth-authz-req+jwt");
    const verifier = `decentralized_identifier:${place.did}`;
    const [data, more] = asked.transaction_data;
    const wanted = canonical({ ...said, type: MESSAGE, credential_ids: ["card"] });
    const right = more === undefined && canonical(read(data)) === wanted && asked.client_id === verifier;
    if (!right || asked.response_uri !== `${place.origin}/oid4vp/responses` || asked.exp * 1000 <= Date.now() || !asked.nonce) {
      throw new Error("the hospital wants something else signed");
    }
    const text = await shown(place.card, place.key.privateKey, verifier, asked.nonce, data);
    const fields = { vp_token: canonical({ card: [text] }), state: asked.state };
    return (await this.form(asked.response_uri, fields)).outcome;
  }

  async next(place) {
    const { last } = await this.say(place, { act: "state" });
    place.number = Math.max(place.number, last) + 1;
    return place.number;
  }

  async consent(place, form) {
    const number = await this.next(place);
    const consent = {
      resourceType: "Consent",
      status: "active",
      identifier: [{ system: `${place.origin}/forms`, value: `${form.id}|${form.version}` }],
      scope: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/consentscope", code: "research" }] },
      category: [{ coding: [{ system: "http://loinc.org", code: "59284-0" }] }],
      patient: { reference: `Patient/${place.pseudonym}` },
      dateTime: new Date().toISOString(),
      provision: form.provision,
    };
    const { id, receipt } = await this.say(place, { act: "consent", number, form: form.id, consent });
    const claims = await opened(receipt, place.origin, place.keys, place.jwk);
    if (claims.consent !== id || claims.number !== number) throw new Error("another receipt");
    return { id, form, number, time: consent.dateTime, receipt, digest: claims.digest };
  }

  /** A withdrawal as it is kept before anything is sent: what it says, and the salt of its commitment. */
  static async withdrawal(consent) {
    const said = { act: "withdraw", consent: consent.id, time: new Date().toISOString() };
    const salt = randomBytes(32);
    return { said, salt: hex(salt), commitment: await hmac(salt, canonical(said)), told: "", stated: "" };
  }

  async commit(place, withdrawal) {
    if (withdrawal.stated) return;
    const base = baseOf(place.authority);
    const { statement } = await this.post(`${base}/wallet/commitments`, { commitment: withdrawal.commitment });
    withdrawal.stated = statement;
  }

  async tell(place, withdrawal) {
    if (withdrawal.told) return;
    const number = await this.next(place);
    const { acknowledgement } = await this.say(place, { ...withdrawal.said, number, commitment: withdrawal.commitment });
    const claims = await verified(acknowledgement, place.keys, "medspace-withdrawal+jwt");
    if (claims.commitment !== withdrawal.commitment) throw new Error("another acknowledgement");
    withdrawal.told = acknowledgement;
  }

  async uses(place) {
    return (await this.say(place, { act: "uses" })).uses;
  }
}

/** Where a did:web is reached. */
function baseOf(did) {
  const [host, ...path] = did.replace("did:web:", "").split(":");
  const name = decodeURIComponent(host);
  const local = /^(localhost|127\.0\.0\.1)(:|$)/.test(name);
  return [`${local ? "http" : "https"}://${name}`, ...path].join("/");
}

