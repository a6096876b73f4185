import { type IncomingHttpHeaders, request as httpRequest } from "node:http";

/** What a test sends. `path` goes out as it is: no client normalises it. */
export interface TestRequest {
  readonly method?: string;
  readonly path: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Sent as JSON, unless it is text or bytes. */
  readonly body?: unknown;
}

/** What came back. */
export interface TestResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body; `{}` when it is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly body: Record<string, never> & { [name: string]: unknown };
}

/** Sends one request to a server on loopback, on a connection of its own. */
export async function sendRequest(port: number, wanted: TestRequest): Promise<TestResponse> {
  const { body } = wanted;
  const isRaw = typeof body === "string" || Buffer.isBuffer(body);
  const bytes = body === undefined ? undefined : Buffer.from(isRaw ? (body as string) : JSON.stringify(body));
  const headers: Record<string, string | string[]> = {
    ...(bytes && !isRaw ? { "content-type": "application/json" } : {}),
    ...(bytes ? { "content-length": String(bytes.length) } : {}),
    ...(wanted.token === undefined ? {} : { authorization: `Bearer ${wanted.token}` }),
    ...wanted.headers,
  };
  return await new Promise((resolve, reject) => {
    let isAnswered = false;
    const request = httpRequest(
      { host: "127.0.0.1", port, method: wanted.method ?? "GET", path: wanted.path, headers, agent: false },
      (response) => {
        isAnswered = true;
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: parse(text) });
        });
        response.on("error", reject);
      },
    );
    // a refused body may end in a reset after the answer has come
    request.on("error", (error) => {
      if (!isAnswered) reject(error);
    });
    request.setTimeout(20_000, () => request.destroy(new Error("no answer within 20 s")));
    request.end(bytes);
  });
}

function parse(text: string): TestResponse["body"] {
  try {
    return (JSON.parse(text) ?? {}) as TestResponse["body"];
  } catch {
    return {};
  }
}
