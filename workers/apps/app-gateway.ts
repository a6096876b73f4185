import { mkdtemp, open as openFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { AppPage } from "../../src/executors/types.js";
import type { Logger } from "../../src/observability/logger.js";
import { GATEWAY_HEADER, type GatewayPass } from "../../src/services/apps/gateway-pass.js";
import { withoutHopByHop } from "../../src/outgoing/hop-by-hop.js";
import { relayRequest, relayUpgrade } from "../../src/services/apps/relay.js";
import { connectAppSocket } from "./app-socket.js";
import { readValues } from "./link-server.js";
import type { LiveApp } from "./live-app.js";

/** The door through which APIs reach this worker's apps. */
export interface AppGateway {
  readonly socket: string;
  /** For APIs on other machines; null unless the setting offers it. */
  readonly url: string | null;
  /** Whom it serves; until then nobody. */
  serve(find: (appId: string) => LiveApp | undefined): void;
  close(): Promise<void>;
}

/** What a gateway depends on. */
export interface AppGatewayDeps {
  readonly pass: GatewayPass;
  readonly logger: Logger;
  /** The setting `APPS_ADVERTISE`. */
  readonly advertise?: string | undefined;
  readonly maxSubmitBytes: number;
}

/** The path below an app's own at which pages that run in the browser send values back. */
const SUBMIT_PATH = "/_headrace/submit";

/** Opens the gateway: a unix socket that this user alone may use, and a port if the setting offers one. */
export async function openAppGateway(deps: AppGatewayDeps): Promise<AppGateway> {
  const folder = await mkdtemp(join(tmpdir(), "headrace-apps-"));
  const socket = join(folder, "gateway.sock");
  let find: (appId: string) => LiveApp | undefined = () => undefined;
  const servers = [makeServer(deps, (id) => find(id))];
  await listen(servers[0] as Server, { path: socket });
  if (deps.advertise !== undefined) {
    const { hostname, port } = new URL(deps.advertise);
    const server = makeServer(deps, (id) => find(id));
    servers.push(server);
    await listen(server, { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) });
  }
  return {
    socket,
    url: deps.advertise ?? null,
    serve(given) {
      find = given;
    },
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function listen(
  server: Server,
  where: { path: string } | { host: string; port: number },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, resolve);
  });
}

function makeServer(deps: AppGatewayDeps, find: (appId: string) => LiveApp | undefined): Server {
  const server = createServer((request, response) => {
    const found = admit(deps, find, request);
    if (!("app" in found)) return refuse(response, found.status);
    const done = found.app.use();
    response.once("close", done);
    serve(deps, found, request, response).catch((error: unknown) => {
      deps.logger.debug({ err: error, appId: found.app.id }, "an app did not answer");
      if (response.headersSent) response.destroy();
      else refuse(response, 502);
    });
  });
  server.on("upgrade", (request: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on("error", () => client.destroy());
    const found = admit(deps, find, request);
    if (!("app" in found) || found.app.serving?.kind !== "process") return client.destroy();
    const done = found.app.use();
    const target = toTarget(found, found.app.serving.socketName, request);
    relayUpgrade(request, client, head, target).then(
      ({ closed }) => void closed.then(done),
      () => {
        done();
        client.destroy();
      },
    );
  });
  return server;
}

interface Admitted {
  readonly app: LiveApp;
  /** Path and query below the app's root. */
  readonly path: string;
}

/** Which app a request is for, if it has been judged by one of our APIs. */
function admit(
  { pass }: AppGatewayDeps,
  find: (appId: string) => LiveApp | undefined,
  request: IncomingMessage,
): Admitted | { readonly status: number } {
  const [, appId = "", path = ""] = /^\/([0-9a-f-]{36})(\/.*)$/.exec(request.url ?? "") ?? [];
  if (!pass.isValid(appId, request.headers[GATEWAY_HEADER])) return { status: 401 };
  const app = find(appId);
  if (!app) return { status: 404 };
  return app.isUp ? { app, path } : { status: 503 };
}

function toTarget({ app, path }: Admitted, socketName: string, request: IncomingMessage) {
  const { [GATEWAY_HEADER]: _pass, ...headers } = withoutHopByHop(request.headers);
  return {
    path,
    headers: { ...headers, host: "localhost" },
    connect: async () => await connectAppSocket(app.folder, socketName),
  };
}

async function serve(
  deps: AppGatewayDeps,
  found: Admitted,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { serving } = found.app;
  if (serving?.kind === "process") {
    const target = toTarget(found, serving.socketName, request);
    return await relayRequest(request, response, target, (answer) => {
      const { [GATEWAY_HEADER]: _mark, ...headers } = withoutHopByHop(answer.headers);
      response.writeHead(answer.statusCode ?? 502, headers);
    });
  }
  const [path = "/"] = found.path.split("?");
  if (path === SUBMIT_PATH && request.method === "POST")
    return await takeSubmit(deps, found.app, request, response);
  const method = request.method ?? "GET";
  const page = method === "GET" || method === "HEAD" ? serving?.findPage({ method, path }) : undefined;
  if (!page) return refuse(response, 404);
  await sendPage(page, method, response);
}

async function sendPage(page: AppPage, method: string, response: ServerResponse): Promise<void> {
  if (page.file === undefined) {
    response.writeHead(200, page.headers);
    response.end(method === "HEAD" ? undefined : page.body);
    return;
  }
  let handle;
  try {
    handle = await openFile(page.file);
  } catch {
    return refuse(response, 404);
  }
  const found = await handle.stat();
  if (!found.isFile()) {
    await handle.close();
    return refuse(response, 404);
  }
  response.writeHead(200, { ...page.headers, "Content-Length": found.size });
  if (method !== "HEAD") return await pipeline(handle.createReadStream(), response);
  await handle.close();
  response.end();
}

async function takeSubmit(
  { maxSubmitBytes }: AppGatewayDeps,
  app: LiveApp,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxSubmitBytes) return refuse(response, 413);
    parts.push(chunk);
  }
  const values = readValues(Buffer.concat(parts).toString("utf8"));
  const answer =
    values === undefined
      ? ({ ok: false, error: "That is no { values } in JSON" } as const)
      : await app.submit(values);
  response.writeHead(answer.ok ? 200 : 422, { "Content-Type": "application/json; charset=utf-8" });
  response.end(JSON.stringify(answer));
}

/** The header tells that it is the gateway's answer, not the app's. */
function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { [GATEWAY_HEADER]: "refused" });
  response.end();
}
