import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Api, startApi } from "../../src/api.js";
import { newId } from "../../src/core/ids.js";
import { createAuthServices } from "../../src/services/auth/auth-services.js";
import { openSession } from "../../src/services/auth/sessions.js";
import { sendRequest } from "../support/http-client.js";
import { openTestPlatform, type TestPlatform } from "../support/open-test-platform.js";

/** This machine and the metadata service, as people write them to get past a filter. */
const SPELLINGS = [
  ...[
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0.0.0.0",
  ],
  ...[
    "127.0.0.1.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[::127.0.0.1]",
  ],
  ...["169.254.169.254", "2852039166", "0xa9fea9fe", "10.0.0.1", "[fd00:ec2::254]", "[fe80::1]"],
];

let opened: TestPlatform;
let api: Api;
let token: string;
let witness: Server;
let port: number;
let connections = 0;

/** Every field of the API that makes a call to where a user says, when it is saved, tested or run. */
const FIELDS: readonly {
  readonly name: string;
  readonly path: string;
  readonly pointer: string;
  body(host: string): object;
}[] = [
  ...(["postgresql", "mysql"] as const).map((dbType) => ({
    name: `host of ${dbType}`,
    path: "/api/v1/external-db-configs",
    pointer: "/host",
    // a host is written without the brackets that URLs need
    body: (host: string) => ({
      name: `db-${newId()}`,
      dbType,
      host: host.replaceAll(/[[\]]/g, ""),
      port,
      databaseName: "x",
      username: "u",
      password: "p",
    }),
  })),
  {
    name: "base URL of a provider of models",
    path: "/api/v1/llm-providers",
    pointer: "/baseUrl",
    body: (host) => ({ name: `p-${newId().slice(-12)}`, baseUrl: `http://${host}:${port}/v1`, apiKey: "k" }),
  },
  {
    name: "URL of a Model Context Protocol server",
    path: "/api/v1/mcp-definitions",
    pointer: "/version/config/transport/url",
    body: (host) => ({
      name: `m-${newId()}`,
      mcpType: "mcp_package",
      version: {
        version: "1.0.0",
        config: {
          type: "mcp_package",
          transport: { kind: "http", url: `http://${host}:${port}/mcp` },
          tool: "x",
        },
      },
    }),
  },
  {
    name: "repository of an app",
    path: "/api/v1/mcp-definitions",
    pointer: "/version/config/gitRepoUrl",
    body: (host) => ({
      name: `g-${newId()}`,
      mcpType: "streamlit_app",
      version: {
        version: "1.0.0",
        config: { type: "streamlit_app", gitRepoUrl: `https://${host}:${port}/x.git` },
      },
    }),
  },
  {
    name: "URL of an HTTP step",
    path: "/api/v1/workflow-definitions",
    pointer: "/definition/steps/0/inputs/url/value",
    body: (host) => ({
      name: `w-${newId()}`,
      definition: {
        steps: [{ id: "call", uses: "builtin:http", inputs: { url: { value: `http://${host}:${port}/` } } }],
      },
    }),
  },
];

describe("fields that name where a call goes", () => {
  beforeAll(async () => {
    witness = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => witness.listen(0, "127.0.0.1", resolve));
    ({ port } = witness.address() as AddressInfo);
    opened = await openTestPlatform({ LOG_LEVEL: "fatal" });
    api = await startApi(opened.platform);
    const id = newId();
    await opened.platform.knex("users").insert({ id, email: "admin@example.com", name: "A", role: "admin" });
    const { sessionId } = await openSession(opened.platform.knex, id, null);
    token = createAuthServices(opened.platform).accessTokens.issue({ userId: id, sessionId }).accessToken;
  });
  afterAll(async () => {
    await api.close();
    await opened.close();
    await new Promise((resolve) => witness.close(resolve));
  });

  it.each(FIELDS.map((field) => [field.name, field] as const))(
    "%s: no private address in any spelling",
    async (_name, field) => {
      for (const host of SPELLINGS) {
        const answer = await sendRequest(Number(new URL(api.address).port), {
          method: "POST",
          path: field.path,
          token,
          body: field.body(host),
        });
        const faults = (answer.body["errors"] as unknown as { path: string }[] | undefined)?.map(
          ({ path }) => path,
        );
        expect([host, answer.status, faults]).toEqual([host, 422, [field.pointer]]);
      }
      expect(connections).toBe(0);
    },
  );

  it("control: the witness would have seen them", async () => {
    await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    expect(connections).toBe(1);
  });
});
