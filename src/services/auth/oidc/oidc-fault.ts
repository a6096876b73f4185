/** Why a sign-in through the provider did not come about, in words that the sign-in page knows. */
export type OidcFault =
  /** The answer does not belong to a sign-in that this browser began, or that began too long ago. */
  | "stale"
  /** The provider refused, or the person did. */
  | "refused"
  /** The provider's answer is not valid: issuer, signature, nonce, code. */
  | "invalid"
  /** The provider does not answer. */
  | "unreachable"
  /** The provider does not vouch for the e-mail address. */
  | "unverified"
  /** The address belongs to somebody who is somebody else at the provider. */
  | "taken"
  /** No role, or deactivated. */
  | "no-access";

/** Thrown by the parts of it; the flow turns it into an answer and an audit entry. */
export class OidcError extends Error {
  constructor(
    readonly fault: OidcFault,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "OidcError";
  }
}
