import { isIP } from "node:net";
import { z } from "zod";
import { AppError, type FieldFault } from "../errors/app-error.js";
import { type OutgoingGuard, OutgoingRefusedError } from "../outgoing/outgoing-guard.js";
import { ConnectorError } from "./types.js";

const MAX_PEM = 64 * 1024;

/** Text without control characters. */
export function plainText(max: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(max)
    .regex(/^\P{Cc}*$/u, "must not hold control characters");
}

/** A host name or an address; never a path to a socket, a URL or a list. */
export const hostField = z
  .string()
  .max(253)
  .refine(
    (host) => isIP(host) !== 0 || /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?$/.test(host),
    "must be a host name or an IP address",
  );

/** A TCP port. */
export const portField = z.int().min(1).max(65_535);

/** True: TLS with a certificate that is checked. An object adds an authority of one's own, as PEM text, never a file. */
export const sslField = z.union(
  [
    z.boolean(),
    z.strictObject({
      ca: z
        .string()
        .max(MAX_PEM)
        .regex(/^-----BEGIN CERTIFICATE-----/, "must be a certificate in PEM form")
        .optional(),
      serverName: hostField.optional(),
      verify: z
        .boolean()
        .optional()
        .meta({ description: "False accepts every certificate: use it on networks that you trust." }),
    }),
  ],
  { error: "must be true, false or { ca, serverName, verify }" },
);
export type SslSetting = z.infer<typeof sslField>;

/** TLS options of a driver; undefined: no TLS. */
export function toTlsOptions(ssl: SslSetting | undefined, host: string) {
  if (ssl === undefined || ssl === false) return undefined;
  const { ca, serverName, verify = true } = ssl === true ? {} : ssl;
  const servername = serverName ?? (isIP(host) === 0 ? host : undefined);
  return {
    rejectUnauthorized: verify,
    ...(ca === undefined ? {} : { ca }),
    ...(servername === undefined ? {} : { servername }),
  };
}

/** Faults of a host that can be told from its text. */
export function findHostFaults(host: string, port: number, guard: OutgoingGuard): FieldFault[] {
  // a web address, since those are read as browsers and systems read them: 127.1 and 0x7f000001 are loopback
  const url = `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}/`;
  const message = guard.findUrlFault(url, ["http:"]);
  return message === undefined ? [] : [{ path: "/host", message }];
}

/**
 * The one address to connect to, judged by the guard.
 * @throws ConnectorError when there is none.
 */
export async function resolveAddress(host: string, port: number, guard: OutgoingGuard): Promise<string> {
  try {
    const [first] = await guard.resolve(host, port);
    return first?.address ?? host;
  } catch (error) {
    const isRefused = error instanceof OutgoingRefusedError || error instanceof AppError;
    const message = isRefused ? error.message : `The host ${host} is not known`;
    throw new ConnectorError("connection", message, error);
  }
}
