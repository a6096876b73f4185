import { setTimeout as sleep } from "node:timers/promises";

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly body: { readonly [name: string]: unknown };
  /** Requests that it took, answered or not. */
  readonly tries: number;
}

/** One request. */
export interface Question {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Asked once only; an answer that is lost is status 0. */
  readonly isOnce?: boolean;
}

/** A client that asks again, as people's scripts do: after a broken connection, no answer, or 429 and 5xx. */
export class ChaosClient {
  /** Requests without an answer so far; the API is killed when this is not 0. */
  pending = 0;
  token: string | undefined;
  /** Requests that had to be repeated. */
  repeated = 0;
  readonly #address: () => string;
  readonly #limitMs: number;

  constructor(address: () => string, limitMs: number) {
    this.#address = address;
    this.#limitMs = limitMs;
  }

  /** @throws Error when there was no answer within the limit. */
  async ask(question: Question): Promise<Answer> {
    const deadline = Date.now() + this.#limitMs;
    let last = "";
    for (let tries = 1; Date.now() < deadline; tries += 1) {
      const answer = await this.#send(question).catch((error: unknown) => {
        last = error instanceof Error ? `${error.message} ${String(error.cause ?? "")}` : String(error);
        return undefined;
      });
      if (answer && answer.status < 500 && answer.status !== 429) return { ...answer, tries };
      if (question.isOnce) return { status: answer?.status ?? 0, body: {}, tries };
      if (answer) last = `${answer.status} ${JSON.stringify(answer.body)}`;
      this.repeated += 1;
      await sleep(Math.min(100 * tries, 1000));
    }
    throw new Error(`${question.method ?? "GET"} ${question.path}: no answer, ${last}`);
  }

  async #send({ method = "GET", path, body, headers }: Question): Promise<Omit<Answer, "tries">> {
    this.pending += 1;
    try {
      const response = await fetch(`${this.#address()}${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(15_000),
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Answer["body"]) };
    } finally {
      this.pending -= 1;
    }
  }
}
