import { createHmac } from "node:crypto";
import { type Api, startApi } from "../../src/api.js";
import type { Platform } from "../../src/container.js";
import { newId } from "../../src/core/ids.js";
import { type Role, ROLES } from "../../src/core/permissions.js";
import { createAuthServices } from "../../src/services/auth/auth-services.js";
import { openSession } from "../../src/services/auth/sessions.js";
import { sendRequest, type TestRequest, type TestResponse } from "./http-client.js";
import { openTestPlatform } from "./open-test-platform.js";

/** The whole API over a platform of its own; without workers until a test starts one. */
export interface WebhooksApi {
  readonly platform: Platform;
  readonly address: string;
  /** An access token of each role. */
  readonly tokens: Readonly<Record<Role, string>>;
  /** Sends a request as a role; null: without a token. Default: `editor`. */
  request(request: TestRequest & { as?: Role | null }): Promise<TestResponse>;
  /** Makes a workflow of no-op steps that hands its input on; answers its name. */
  addWorkflow(more?: { steps?: object[]; inputs?: object }): Promise<string>;
  /** Makes a webhook; @throws unless it is made. */
  addWebhook(body: object): Promise<TestResponse["body"]>;
  /** Sends a delivery; objects as JSON, text and bytes as they are. */
  deliver(url: unknown, body: unknown, headers?: Record<string, string>): Promise<TestResponse>;
  close(): Promise<void>;
}

/** Bodies above this are refused. */
export const MAX_BODY_BYTES = 1_000_000;

/** Starts it on PostgreSQL alone, with further settings; call `close()` in `afterAll`. */
export async function startWebhooksApi(environment: Record<string, string> = {}): Promise<WebhooksApi> {
  const { platform, close } = await openTestPlatform({
    MAX_BODY_BYTES: String(MAX_BODY_BYTES),
    ...environment,
  });
  const api: Api = await startApi(platform);
  const tokens = await signIn(platform);
  const port = Number(new URL(api.address).port);
  const request: WebhooksApi["request"] = async ({ as = "editor", ...wanted }) =>
    await sendRequest(port, { ...wanted, token: as === null ? undefined : tokens[as] });
  const make = async (path: string, body: object) => {
    const answer = await request({ method: "POST", path, body });
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.body;
  };
  return {
    platform,
    address: api.address,
    tokens,
    request,
    async addWorkflow({ steps, inputs } = {}) {
      const name = `workflow-${newId().slice(-12)}`;
      const keep = { id: "keep", uses: "builtin:noop", inputs: { order: { input: "/order" } } };
      const definition = { ...(inputs ? { inputs } : {}), steps: steps ?? [keep] };
      await make("/api/v1/workflow-definitions", { name, definition });
      return name;
    },
    addWebhook: async (body) => await make("/api/v1/webhooks", { name: `hook ${newId()}`, ...body }),
    async deliver(url, body, headers = {}) {
      const isText = typeof body === "string" || Buffer.isBuffer(body);
      const type: Record<string, string> = isText ? { "content-type": "application/json" } : {};
      return await sendRequest(port, {
        method: "POST",
        path: String(url),
        body,
        headers: { ...type, ...headers },
      });
    },
    async close() {
      await api.close();
      await close();
    },
  };
}

async function signIn({ knex, audit, keys }: Platform): Promise<Record<Role, string>> {
  const auth = createAuthServices({ knex, audit, keys });
  const tokens = {} as Record<Role, string>;
  for (const role of ROLES) {
    const userId = newId();
    await knex("users").insert({ id: userId, email: `${role}@example.com`, name: role, role });
    const { sessionId } = await openSession(knex, userId, null);
    tokens[role] = auth.accessTokens.issue({ userId, sessionId }).accessToken;
  }
  return tokens;
}

/** What a sender signs with. */
export interface Signing {
  readonly secret: unknown;
  readonly body: string | Buffer;
  /** Seconds away from now. */
  readonly offsetSeconds?: number;
}

/** The headers of a signed delivery. */
export function sign({ secret, body, offsetSeconds = 0 }: Signing): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000) + offsetSeconds);
  const hmac = createHmac("sha256", String(secret)).update(`${timestamp}.`).update(body).digest("hex");
  return { "x-headrace-timestamp": timestamp, "x-headrace-signature": `sha256=${hmac}` };
}
