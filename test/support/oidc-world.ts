import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findFreePort } from "./find-free-port.js";

/** A provider that runs, and who signs in there. */
export interface OidcWorld {
  readonly issuer: string;
  /** Says who signs in next, with which claims; an empty subject refuses. */
  set(world: { subject: string; people?: Record<string, object>; codeSeconds?: number }): Promise<void>;
  stop(): void;
}

/** Starts the provider for a client that is called back at this URL. */
export async function startOidcProvider(redirectUri: string): Promise<OidcWorld> {
  const port = await findFreePort();
  const script = fileURLToPath(new URL("oidc-provider.mjs", import.meta.url));
  const child = spawn(process.execPath, ["--no-warnings", script, String(port), redirectUri], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const issuer = await readIssuer(child);
  return {
    issuer,
    async set(world) {
      await fetch(`${issuer}/control`, { method: "POST", body: JSON.stringify(world) });
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

async function readIssuer(child: ChildProcess): Promise<string> {
  return await new Promise((resolve, reject) => {
    let printed = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
    child.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      const issuer = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
      if (issuer !== undefined) resolve(issuer);
    });
    child.once("close", () => reject(new Error(`the provider ended: ${printed}`)));
  });
}

/** A browser as far as redirects and cookies go: one jar for each origin, paths left aside. */
export class RedirectFollower {
  readonly #jars = new Map<string, Map<string, string>>();

  /** Sends one request and keeps its cookies. */
  async get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const jar = this.jar(url);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      redirect: "manual",
      headers: { ...headers, ...(cookie ? { cookie } : {}) },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "") jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  }

  /** The cookies of an origin. */
  jar(url: string): Map<string, string> {
    const { origin } = new URL(url);
    const jar = this.#jars.get(origin) ?? new Map<string, string>();
    this.#jars.set(origin, jar);
    return jar;
  }

  /** Follows redirects until one leads to a URL that begins like this, and returns that URL without going there. */
  async followTo(url: string, prefix: string): Promise<string> {
    let at = url;
    for (let hops = 0; hops < 10; hops += 1) {
      const response = await this.get(at);
      const location = response.headers.get("location");
      if (location === null) throw new Error(`${at} answers ${response.status}: ${await response.text()}`);
      at = new URL(location, at).href;
      if (at.startsWith(prefix)) return at;
    }
    throw new Error("too many redirects");
  }
}
