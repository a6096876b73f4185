import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createEnvironmentCache } from "../../src/executors/script/environment-cache.js";
import { openAppEnvironment } from "../../src/executors/streamlit/app-environment.js";
import { cloneRepository, type CloneLimits } from "../../src/executors/streamlit/clone-repository.js";
import type { ExecutionContext } from "../../src/executors/types.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";

let folder: string;
let worker: WorkerSandbox;

function makeContext(): ExecutionContext {
  return {
    sandbox: worker.sandbox,
    signal: new AbortController().signal,
    emit: { log: () => undefined },
    timeoutSeconds: 120,
  } as unknown as ExecutionContext;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "headrace-apps-test-"));
  execFileSync("chmod", ["755", folder]);
  worker = await createSandbox({ requested: "process", workRoot: join(folder, "work") });
});
afterAll(async () => {
  await worker.sandbox.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Turns what a CGI program says into an answer. */
function answerCgi(output: Readable, response: ServerResponse): void {
  let head = Buffer.alloc(0);
  let isBody = false;
  output.on("data", (chunk: Buffer) => {
    if (isBody) return void response.write(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    isBody = true;
    for (const line of head.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(": ");
      if (name === "Status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    return void response.write(head.subarray(end + 4));
  });
  output.on("end", () => response.end());
}

describe("Streamlit where it cannot be had", () => {
  it("is told of with the ways to get it", async () => {
    const environments = createEnvironmentCache({
      cacheDir: join(folder, "cache"),
      installerEnv: { PIP_NO_INDEX: "1", PIP_CONFIG_FILE: "/dev/null" },
    });
    // an environment without packages is sure to lack it, whatever the machine has
    execFileSync("/usr/bin/python3", ["-m", "venv", "--without-pip", join(folder, "bare")]);
    const python = join(folder, "bare/bin/python");
    await expect(openAppEnvironment({ python, environments }, [], makeContext())).rejects.toMatchObject({
      code: "upstream_error",
      message: expect.stringMatching(/pip install streamlit.*PIP_INDEX_URL/s),
    });
  }, 60_000);
});

describeWith(hasProgram("git"), "Repositories of apps", () => {
  let server: Server;
  let port: number;
  const certificate = () => join(folder, "tls.crt");
  const requests: string[] = [];

  function git(repository: string, ...args: string[]): void {
    const identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    execFileSync("git", ["-C", repository, ...identity, ...args], { stdio: "ignore" });
  }

  /** A repository that a plain file server can serve. */
  function makeRepository(name: string, fill: (root: string) => void): void {
    const source = join(folder, `${name}-source`);
    mkdirSync(source);
    git(source, "init", "-q", "-b", "main");
    writeFileSync(join(source, "app.py"), "print('app')\n");
    fill(source);
    git(source, "add", "-A");
    git(source, "commit", "-q", "-m", "one");
    mkdirSync(join(folder, "served"), { recursive: true });
    execFileSync("git", ["clone", "-q", "--bare", source, join(folder, "served", `${name}.git`)]);
    execFileSync("git", ["-C", join(folder, "served", `${name}.git`), "update-server-info"]);
  }

  /** Speaks git's smart protocol, as hosts of repositories do. */
  async function serve(): Promise<void> {
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    const key = join(folder, "tls.key");
    const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key];
    execFileSync("openssl", [...request, "-out", certificate(), ...subject], { stdio: "ignore" });
    const tls = { key: readFileSync(key), cert: readFileSync(certificate()) };
    server = createServer(tls, (incoming, response) => {
      const url = new URL(incoming.url ?? "/", "https://localhost");
      requests.push(url.pathname);
      if (url.pathname.startsWith("/away")) {
        response.writeHead(302, { Location: `https://localhost:${port}/plain.git${url.pathname.slice(5)}` });
        return response.end();
      }
      const child = execBackend(url, incoming.method ?? "GET", incoming.headers["content-type"] ?? "");
      incoming.pipe(child.stdin);
      answerCgi(child.stdout, response);
      return undefined;
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  }

  function execBackend(url: URL, method: string, contentType: string) {
    return spawn("git", ["http-backend"], {
      env: {
        PATH: process.env["PATH"],
        GIT_PROJECT_ROOT: join(folder, "served"),
        GIT_HTTP_EXPORT_ALL: "1",
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: method,
        CONTENT_TYPE: contentType,
      },
    });
  }

  beforeAll(async () => {
    makeRepository("plain", () => undefined);
    makeRepository("link", (root) => symlinkSync("/etc/passwd", join(root, "leak")));
    makeRepository("inner", (root) => symlinkSync("app.py", join(root, "again.py")));
    makeRepository("large", (root) => writeFileSync(join(root, "data.bin"), randomBytes(3_000_000)));
    makeRepository("module", (root) => {
      writeFileSync(join(root, ".gitmodules"), '[submodule "x"]\n\tpath = x\n\turl = https://localhost/x\n');
      writeFileSync(join(root, ".gitattributes"), "*.py filter=evil\n");
    });
    await serve();
  }, 60_000);
  afterAll(() => void server?.close());

  async function clone(
    name: string,
    more: { limits?: Partial<CloneLimits>; allowed?: string[] } = {},
  ): Promise<string> {
    const workdir = await worker.workdirs.make();
    await cloneRepository({
      url: `https://localhost:${port}/${name}.git`,
      ...{ folder: workdir, name: "app", context: makeContext(), authorities: certificate() },
      guard: createOutgoingGuard({ allowedPrivateHosts: more.allowed ?? ["localhost"] }),
      ...(more.limits ? { limits: more.limits } : {}),
    });
    return join(workdir, "app");
  }

  it("are cloned without their history, submodules and filters", async () => {
    const root = await clone("plain");
    expect(readFileSync(join(root, "app.py"), "utf8")).toBe("print('app')\n");
    expect(() => readFileSync(join(root, ".git/config"))).toThrow(/ENOENT/);
    await clone("inner");
    await clone("module");
    expect(requests.filter((path) => path.startsWith("/x"))).toEqual([]);
  }, 60_000);

  it.each([
    ["a link out of the tree", "link", {}, "script_error", /leak leaves its tree/],
    [
      "more than may be",
      "large",
      { limits: { maxBytes: 1_000_000 } },
      "script_error",
      /more than 1000000 bytes/,
    ],
    ["too many files", "inner", { limits: { maxFiles: 1 } }, "script_error", /more than 1 files/],
    ["a private host that nobody has allowed", "plain", { allowed: [] }, "invalid_input", /must not name/],
    ["what is not there", "absent", {}, "upstream_error", /git clone failed/],
    ["a redirect", "away", {}, "upstream_error", /git clone failed/],
  ])(
    "are refused with %s",
    async (_what, name, more, code, message) => {
      await expect(clone(name, more)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
    },
    60_000,
  );
});
