import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as sendRequest,
  type ServerResponse,
} from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Where a request is passed on to. */
export interface RelayTarget {
  /** Opens a connection; rejects when nobody listens. */
  connect(): Promise<Duplex>;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
}

/** Nobody answered in time, or not in HTTP; nothing has been sent to the client yet. */
export class RelayError extends Error {
  constructor(cause: unknown) {
    super("The other side did not answer", { cause });
    this.name = "RelayError";
  }
}

/** An answer has to begin within this time. */
const HEAD_LIMIT_MS = 60_000;
const CONNECT_LIMIT_MS = 10_000;

/**
 * Passes a request on and streams its answer back.
 * @param writeHead sends status and headers; what it returns replaces the body, and the rest is dropped.
 * @throws RelayError as long as nothing was sent
 */
export async function relayRequest(
  request: IncomingMessage,
  response: ServerResponse,
  target: RelayTarget,
  writeHead: (answer: IncomingMessage) => Promise<string | undefined> | undefined | void,
): Promise<void> {
  const upstream = await open(request, target, {});
  response.once("close", () => upstream.destroy());
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    upstream.once("response", resolve);
    upstream.once("error", reject);
  });
  request.pipe(upstream);
  const answer = await answered.catch((error: unknown) => {
    throw new RelayError(error);
  });
  upstream.setTimeout(0);
  upstream.on("error", () => response.destroy());
  const body = await writeHead(answer);
  if (body !== undefined) response.end(body);
  else await pipeline(answer, response).catch(() => response.destroy());
}

/**
 * Passes an upgrade on and joins the two connections.
 * @param head what the client has sent already
 * @returns when both are joined: `closed` resolves when they are no more, `end` cuts them.
 * @throws RelayError when the other side does not switch protocols
 */
export async function relayUpgrade(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  target: RelayTarget,
): Promise<{ readonly closed: Promise<void>; end(): void }> {
  const { upgrade } = request.headers;
  const upstream = await open(request, target, { connection: "Upgrade", upgrade });
  const joined = new Promise<{ answer: IncomingMessage; other: Duplex; first: Buffer }>((resolve, reject) => {
    upstream.once("upgrade", (answer, other, first) => resolve({ answer, other, first }));
    upstream.once("response", (answer) => {
      answer.resume();
      reject(new Error(`it answered ${answer.statusCode}`));
    });
    upstream.once("error", reject);
    client.once("close", () => upstream.destroy());
  });
  upstream.end();
  const { answer, other, first } = await joined.catch((error: unknown) => {
    upstream.destroy();
    throw new RelayError(error);
  });
  upstream.setTimeout(0);
  client.write(describeSwitch(answer));
  if (first.length > 0) client.write(first);
  if (head.length > 0) other.write(head);
  const end = (): void => {
    client.destroy();
    other.destroy();
  };
  const closed = Promise.allSettled([pipeline(client, other), pipeline(other, client)]).then(end);
  return { closed, end };
}

async function open(
  request: IncomingMessage,
  { connect, path, headers }: RelayTarget,
  more: OutgoingHttpHeaders,
): Promise<ClientRequest> {
  let socket: Duplex;
  try {
    socket = await withinLimit(connect());
  } catch (error) {
    throw new RelayError(error);
  }
  const upstream = sendRequest({
    method: request.method,
    path,
    headers: { ...headers, ...more },
    createConnection: () => socket,
    timeout: HEAD_LIMIT_MS,
  });
  upstream.once("timeout", () => upstream.destroy(new Error("no answer in time")));
  return upstream;
}

async function withinLimit(connecting: Promise<Duplex>): Promise<Duplex> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("not connected in time")), CONNECT_LIMIT_MS);
  });
  // a connection that comes too late is nobody's
  connecting.catch(() => undefined);
  try {
    return await Promise.race([connecting, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function describeSwitch(answer: IncomingMessage): string {
  const lines = ["HTTP/1.1 101 Switching Protocols"];
  for (const [name, value] of Object.entries(answer.headers)) {
    if (name === "set-cookie" || value === undefined) continue;
    lines.push(`${name}: ${Array.isArray(value) ? value.join(", ") : value}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}
