import { existsSync } from "node:fs";
import { lstat, readdir, realpath, rm } from "node:fs/promises";
import { isIP } from "node:net";
import { join, sep } from "node:path";
import { type OutgoingGuard, OutgoingRefusedError, portOf } from "../../outgoing/outgoing-guard.js";
import { followTool } from "../script/follow-tool.js";
import { type ExecutionContext, ExecutionError, type SandboxCommand } from "../types.js";

/** What is cloned, and where to. */
export interface CloneOptions {
  readonly url: string;
  /** The app's folder; the repository goes into a new folder `name` of it. */
  readonly folder: string;
  readonly name: string;
  readonly context: Pick<ExecutionContext, "sandbox" | "signal" | "emit">;
  readonly guard: OutgoingGuard;
  /** A file with the certificate authorities of this machine. */
  readonly authorities?: string | undefined;
  readonly limits?: Partial<CloneLimits>;
}

/** What a repository may be. */
export interface CloneLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
  readonly timeoutSeconds: number;
}

const DEFAULT_LIMITS: CloneLimits = {
  maxBytes: 256 * 1024 * 1024,
  maxFiles: 20_000,
  timeoutSeconds: 120,
};
const GIT_PLACES = ["/usr/bin/git", "/usr/local/bin/git", "/bin/git"];
const LOOK_EVERY_MS = 250;
const MEMORY_MB = 1_024;

/**
 * Clones the newest commit of a repository, in the sandbox: https alone, to an address that the guard has judged and
 * no other, without submodules, filters, hooks and anybody's configuration. What leaves the tree by a link is refused.
 * @throws ExecutionError `invalid_input` for a refused address, `upstream_error` when git fails, `script_error` for a
 * repository over the limits.
 */
export async function cloneRepository(options: CloneOptions): Promise<void> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const target = join(options.folder, options.name);
  const git = GIT_PLACES.find((place) => existsSync(place));
  if (!git) throw new ExecutionError("internal", "git was not found on the worker: apt-get install git");
  const pinned = await pinAddress(options);
  await runGit(git, pinned, options, limits);
  await rm(join(target, ".git"), { recursive: true, force: true });
  await checkTree(target, limits);
}

/** The guard's verdict on the host, as git's order to connect there and nowhere else. */
async function pinAddress({ url, guard }: CloneOptions): Promise<string[]> {
  try {
    const parsed = guard.assertPublicUrl(url, ["https:"]);
    const addresses = await guard.resolve(parsed.hostname, portOf(parsed));
    if (isIP(parsed.hostname.replace(/^\[|\]$/g, "")) !== 0) return [];
    const list = addresses.map(({ address, family }) => (family === 6 ? `[${address}]` : address)).join(",");
    return ["-c", `http.curloptResolve=${parsed.hostname}:${portOf(parsed)}:${list}`];
  } catch (error) {
    const code = error instanceof OutgoingRefusedError ? "invalid_input" : "upstream_error";
    const reason = error instanceof Error ? error.message : String(error);
    throw new ExecutionError(code, `The repository cannot be cloned: ${reason}`, { cause: error });
  }
}

async function runGit(
  git: string,
  pinned: readonly string[],
  options: CloneOptions,
  limits: CloneLimits,
): Promise<void> {
  const { context, folder, name } = options;
  const child = await context.sandbox.start(toCommand(git, pinned, options, limits));
  let excess: string | undefined;
  const watching = watchSize(join(folder, name), limits, (reason) => {
    excess = reason;
    void child.kill(0);
  });
  const { exit, tail } = await followTool(child, context, "git: ").finally(() => watching.stop());
  if (excess !== undefined) throw tooLarge(excess);
  if (exit.exitCode === 0) return;
  const reason = tail.at(-1) ?? exit.signal ?? exit.exitCode;
  throw new ExecutionError("upstream_error", `git clone failed: ${reason}`, {
    details: { git: tail.join("\n") },
  });
}

function toCommand(
  git: string,
  pinned: readonly string[],
  { url, folder, name, authorities }: CloneOptions,
  { timeoutSeconds }: CloneLimits,
): SandboxCommand {
  const settings = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "http.followRedirects=false",
    "credential.helper=",
    ...(authorities === undefined ? [] : [`http.sslCAInfo=${authorities}`]),
  ];
  return {
    command: git,
    args: [
      ...settings.flatMap((setting) => ["-c", setting]),
      ...pinned,
      ...["clone", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template="],
      ...["--", url, name],
    ],
    env: {
      GIT_ALLOW_PROTOCOL: "https",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_TERMINAL_PROMPT: "0",
      GIT_ASKPASS: "/bin/false",
      GIT_LFS_SKIP_SMUDGE: "1",
    },
    cwd: folder,
    memoryMb: MEMORY_MB,
    timeoutSeconds,
    network: true,
    ...(authorities === undefined ? {} : { readOnlyPaths: [authorities] }),
  };
}

/** Looks at what has arrived while git works: its own limits know of no total. */
function watchSize(
  folder: string,
  limits: CloneLimits,
  onExcess: (reason: string) => void,
): { stop(): void } {
  const deadline = performance.now() + limits.timeoutSeconds * 1000;
  let isOver = false;
  async function look(): Promise<void> {
    while (!isOver) {
      const measured = await measure(folder, limits).catch(() => undefined);
      const reason =
        performance.now() > deadline ? `took longer than ${limits.timeoutSeconds} s` : measured?.excess;
      if (!isOver && reason !== undefined) return onExcess(reason);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS).unref());
    }
  }
  void look();
  return {
    stop() {
      isOver = true;
    },
  };
}

async function checkTree(root: string, limits: CloneLimits): Promise<void> {
  const { excess, links } = await measure(root, limits);
  if (excess !== undefined) throw tooLarge(excess);
  const own = await realpath(root);
  for (const link of links) {
    // one that leads nowhere may lead somewhere later
    const leadsTo = await realpath(link).catch(() => undefined);
    if (leadsTo?.startsWith(own + sep)) continue;
    const message = `The repository's link ${link.slice(root.length + 1)} leaves its tree`;
    throw new ExecutionError("script_error", message, { retryable: false });
  }
}

async function measure(root: string, { maxBytes, maxFiles }: CloneLimits) {
  let bytes = 0;
  let files = 0;
  let excess: string | undefined;
  const links: string[] = [];
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined && excess === undefined; folder = folders.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isSymbolicLink()) links.push(path);
      else bytes += (await lstat(path).catch(() => undefined))?.size ?? 0;
      files += 1;
      if (bytes > maxBytes) excess = `has more than ${maxBytes} bytes`;
      if (files > maxFiles) excess = `has more than ${maxFiles} files`;
    }
  }
  return { excess, links };
}

function tooLarge(reason: string): ExecutionError {
  return new ExecutionError("script_error", `The repository ${reason}`, { retryable: false });
}
