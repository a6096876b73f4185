import { Pool } from "undici";
import { z } from "zod";
import { ADMIN } from "./installation.js";

/** Calls of an API as a signed-in client makes them, over connections that stay open. */
export interface ApiClient {
  readonly authorization: string;
  /** Starts a run. @returns its id. @throws Error when the answer is not 202. */
  startRun(workflow: string): Promise<string>;
  /** Starts a run and waits for its end. @throws Error when it has not succeeded within a minute. */
  runToEnd(workflow: string): Promise<void>;
  close(): Promise<void>;
}

const endedSchema = z.object({ id: z.string(), status: z.string() });
const signedInSchema = z.object({ accessToken: z.string() });
const startedSchema = z.object({ id: z.string() });
const CONNECTIONS = 32;

/** Signs in. @throws Error when the API refuses. */
export async function signIn(address: string): Promise<ApiClient> {
  const pool = new Pool(address, { connections: CONNECTIONS });
  const post = async (path: string, body: object, headers: Record<string, string>, status: number) => {
    const answer = await pool.request({
      method: "POST",
      path,
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode !== status) throw new Error(`${path}: ${answer.statusCode} ${text.slice(0, 300)}`);
    return JSON.parse(text) as unknown;
  };
  const { accessToken } = signedInSchema.parse(await post("/api/v1/auth/login", ADMIN, {}, 200));
  const authorization = `Bearer ${accessToken}`;
  return {
    authorization,
    startRun: async (workflow) =>
      startedSchema.parse(await post("/api/v1/workflow-runs", { workflow }, { authorization }, 202)).id,
    async runToEnd(workflow) {
      const path = "/api/v1/workflow-runs?wait=60";
      const { id, status } = endedSchema.parse(await post(path, { workflow }, { authorization }, 202));
      if (status !== "succeeded") throw new Error(`run ${id} is ${status}`);
    },
    close: async () => await pool.destroy(),
  };
}
