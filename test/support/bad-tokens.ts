import { createHmac, generateKeyPairSync } from "node:crypto";
import jsonwebtoken from "jsonwebtoken";

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Tokens that must open nothing, by what is wrong with them, made from one that is good. */
export function makeBadTokens(good: string, secret: string): Record<string, string> {
  const [head = "", body = "", signature = ""] = good.split(".");
  const payload = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
  const now = Math.floor(Date.now() / 1000);
  const sign = (changes: object, header: object = {}, key: string = secret): string => {
    const text = `${encode({ alg: "HS256", typ: "JWT", ...header })}.${encode({ ...payload, ...changes })}`;
    return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  };
  const without = (name: string): string => {
    const kept = Object.fromEntries(Object.entries(payload).filter(([member]) => member !== name));
    return jsonwebtoken.sign(kept, secret, { algorithm: "HS256", noTimestamp: true });
  };
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = pair.publicKey.export({ type: "spki", format: "pem" }) as string;
  return {
    "K1 expired": sign({ iat: now - 1000, exp: now - 61 }),
    "K1 without exp": without("exp"),
    "K1 not yet valid": sign({ nbf: now + 3600 }),
    "K1 from the future": sign({ iat: now + 3600 * 24 * 365, exp: now + 3600 * 24 * 365 + 900 }),
    ...Object.fromEntries(
      ["none", "None", "nOnE"].map((alg) => [`K2 alg ${alg}`, `${encode({ alg, typ: "JWT" })}.${body}.`]),
    ),
    "K2 no signature": `${head}.${body}.`,
    ...Object.fromEntries(["", "secret", "changeme"].map((key) => [`K3 secret "${key}"`, sign({}, {}, key)])),
    "K4 RS256": jsonwebtoken.sign(payload, pair.privateKey, { algorithm: "RS256" }),
    "K4 HS256 by a public key": sign({}, {}, pem),
    "K4 HS512": jsonwebtoken.sign(payload, secret, { algorithm: "HS512" }),
    "K5 kid": sign({}, { kid: "../../dev/null" }),
    "K5 jku": sign({}, { jku: "http://127.0.0.1:1/keys" }),
    "K5 jwk": sign({}, { jwk: pair.publicKey.export({ format: "jwk" }) }),
    "K5 x5u": sign({}, { x5u: "http://127.0.0.1:1/cert" }),
    "K6 tampered": `${head}.${encode({ ...payload, role: "admin" })}.${signature}`,
    "K7 other issuer": sign({ iss: "elsewhere" }),
    "K7 other audience": sign({ aud: "elsewhere" }),
    "K15 unknown key": `hr_${"A".repeat(43)}`,
    nonsense: "a.b.c",
  };
}
