import { hkdfSync } from "node:crypto";
import type { Keys } from "../../../config/load-keys.js";
import { createCipher } from "../../secrets/cipher.js";
import type { OidcChecks } from "./oidc-provider-client.js";

/** How long a person has at the provider. */
export const OIDC_STATE_SECONDS = 600;

/** A sign-in that is under way at the provider. */
export interface OidcState extends OidcChecks {
  /** Where the browser was told to come back to. */
  readonly redirectUri: string;
  /** The path of this server that the person wanted. */
  readonly next: string;
}

/**
 * Keeps a sign-in that is under way in the browser that began it, encrypted: any process can go on with it, and
 * nobody can finish it in another browser.
 */
export function createOidcStates(keys: Pick<Keys, "jwtSecret">) {
  const key = Buffer.from(hkdfSync("sha256", keys.jwtSecret, "headrace", "oidc-state", 32));
  const cipher = createCipher({ encryption: { id: "oidc-state", key } });
  return {
    /** A text fit for a cookie. */
    seal(state: OidcState): string {
      const untilMs = Date.now() + OIDC_STATE_SECONDS * 1000;
      return cipher
        .seal(JSON.stringify({ ...state, untilMs }), "oidc-state")
        .ciphertext.toString("base64url");
    },
    /** Undefined when it is over, or not ours. */
    unseal(text: string): OidcState | undefined {
      try {
        const sealed = { keyId: "oidc-state", ciphertext: Buffer.from(text, "base64url") };
        const { untilMs, ...state } = JSON.parse(cipher.unseal(sealed, "oidc-state")) as OidcState & {
          untilMs: number;
        };
        return untilMs > Date.now() ? state : undefined;
      } catch {
        return undefined;
      }
    },
  };
}
