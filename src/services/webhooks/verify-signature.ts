import { createHmac, timingSafeEqual } from "node:crypto";

/** How far the sender's clock and the database's may be apart, and how old a delivery may be. */
const WINDOW_SECONDS = 300;

const TIMESTAMP = /^[0-9]{1,12}$/;
const SIGNATURE = /^sha256=[0-9a-f]{64}$/;

/** A delivery, as far as its signature goes. */
export interface SignedDelivery {
  /** `X-Headrace-Timestamp`: unix seconds. */
  readonly timestamp: string | undefined;
  /** `X-Headrace-Signature`: `sha256=` and the HMAC of `timestamp.body` in lower-case hex. */
  readonly signature: string | undefined;
  /** The body as it came. */
  readonly bytes: Buffer;
}

/** Whether a delivery was signed with the secret within the window. The comparison takes the same time either way. */
export function isSignatureValid(delivery: SignedDelivery, secret: string, nowSeconds: number): boolean {
  const { timestamp, signature, bytes } = delivery;
  if (timestamp === undefined || !TIMESTAMP.test(timestamp)) return false;
  if (Math.abs(nowSeconds - Number(timestamp)) > WINDOW_SECONDS) return false;
  if (signature === undefined || !SIGNATURE.test(signature)) return false;
  const expected = createHmac("sha256", secret).update(`${timestamp}.`).update(bytes).digest();
  return timingSafeEqual(expected, Buffer.from(signature.slice("sha256=".length), "hex"));
}
