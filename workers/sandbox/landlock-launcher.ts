import { execFile } from "node:child_process";
import { createServer, type Server } from "node:net";
import { promisify } from "node:util";
import { resolvePython } from "../../src/executors/script/python-interpreter.js";
import type { SandboxCommand } from "../../src/executors/types.js";
import { type Egress, listEgressEnv } from "./egress.js";
import { type IsolationPolicy, listStepMounts } from "./isolation-policy.js";
import { buildLaunchPlan, type LaunchTools } from "./launch-plan.js";
import type { Launcher } from "./launcher.js";
import { loadSandboxFile } from "./sandbox-files.js";

/** What the Landlock level is built from. */
export interface LandlockDeps {
  readonly python: string;
  /** The program that restricts itself and becomes the command. */
  readonly script: string;
  /** The kernel's version of Landlock: TCP from 4 on, signals and abstract sockets from 6 on. */
  readonly version: number;
  readonly policy: IsolationPolicy;
  readonly tools: LaunchTools;
  readonly egress: Egress;
}

const TCP_SINCE = 4;
const SCOPES_SINCE = 6;
/** What programs read of themselves, and of the machine. */
const SELF = ["/proc"];
const DEVICES = [
  "/dev/null",
  "/dev/zero",
  "/dev/full",
  "/dev/random",
  "/dev/urandom",
  "/dev/tty",
  "/dev/pts",
];

/** @returns the launcher with its weaknesses, or in words what the machine lacks for it. */
export async function openLandlock(options: {
  readonly python?: string | undefined;
  readonly policy: IsolationPolicy;
  readonly tools: LaunchTools;
  readonly egress: Egress;
}): Promise<{ launcher: Launcher; reasons: string[] } | string> {
  const { policy, tools, egress } = options;
  const python = await resolvePython(options.python).catch(() => undefined);
  if (!python) return "Landlock is set up by python3, which was not found";
  if (!tools.prlimit) return "prlimit is missing (apt-get install util-linux)";
  const script = await loadSandboxFile("landlock.py");
  const version = await findVersion(python, script);
  if (version < 1) return "the kernel has no Landlock, or it is off";
  const launcher = createLandlockLauncher({ python, script, version, policy, tools, egress });
  return { launcher, reasons: listReasons(version, tools, policy) };
}

/** Walls around files and TCP that a process puts up for itself and its children; no namespace is needed. */
function createLandlockLauncher(deps: LandlockDeps): Launcher {
  return {
    async prepare(command, { env, user }, notify) {
      const isTrusted = command.identity === "worker";
      if (isTrusted) return { ...buildLaunchPlan(command, deps.tools, user !== undefined), env };
      const proxy =
        command.network && deps.version >= TCP_SINCE ? await openProxy(deps.egress, notify) : undefined;
      const rules = toRules(command, deps, proxy ? [proxy.port] : []);
      const wrapped = {
        ...command,
        command: deps.python,
        args: ["-I", "-S", "-c", deps.script, JSON.stringify(rules), command.command, ...command.args],
      };
      const proxyEnv = proxy ? listEgressEnv(`http://127.0.0.1:${proxy.port}`) : {};
      return {
        ...buildLaunchPlan(wrapped, deps.tools, user !== undefined),
        env: { ...proxyEnv, ...env },
        end: () => proxy?.stop(),
      };
    },
  };
}

/** A port of the step's own on this machine's loopback, the only one that Landlock lets it connect to. */
async function openProxy(
  egress: Egress,
  notify: (line: string) => void,
): Promise<{ port: number; stop(): void }> {
  const server: Server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    stop: egress.serveProxy(server, { notify }),
  };
}

function toRules(command: SandboxCommand, { policy }: LandlockDeps, ports: readonly number[]) {
  const mounts = listStepMounts(policy, {
    command: command.command,
    workdir: command.cwd,
    readOnlyPaths: command.readOnlyPaths ?? [],
  });
  const readable = mounts.flatMap((mount) =>
    mount.kind === "readOnly" && mount.source === undefined ? [mount.path] : [],
  );
  return {
    readable: [...readable, "/etc/nsswitch.conf", "/etc/hosts", ...SELF],
    writable: [command.cwd],
    devices: DEVICES,
    ports,
    seccomp: policy.seccomp?.toString("base64") ?? "",
  };
}

async function findVersion(python: string, script: string): Promise<number> {
  const { stdout } = await promisify(execFile)(python, ["-I", "-S", "-c", script, "--probe"], {
    env: {},
  }).catch(() => ({ stdout: "0" }));
  return Number(stdout.trim()) || 0;
}

function listReasons(version: number, tools: LaunchTools, policy: IsolationPolicy): string[] {
  return [
    "User code sees the names of other processes, may use UDP, and can reach Unix sockets that are open to every user",
    ...(version < TCP_SINCE
      ? [
          "This kernel's Landlock does not hold TCP (Linux 6.7 does): user code reaches local network addresses",
        ]
      : []),
    ...(version < SCOPES_SINCE
      ? ["This kernel's Landlock does not hold signals and abstract sockets (Linux 6.12 does)"]
      : []),
    ...(policy.seccomp ? [] : [`No filter of system calls (io_uring for one) on ${process.arch}`]),
    ...(tools.unshare ? [] : ["User namespaces are not allowed here: network: false still lets UDP through"]),
  ];
}
