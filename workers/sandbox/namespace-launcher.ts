import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import type { SandboxCommand } from "../../src/executors/types.js";
import { type BubblewrapFeatures, buildBubblewrapArgs, encodeBubblewrapArgs } from "./bubblewrap-args.js";
import { type Egress, EGRESS_PORT, listEgressEnv } from "./egress.js";
import { type IsolationPolicy, listFixedMounts, listStepMounts, type Mount } from "./isolation-policy.js";
import {
  buildLaunchPlan,
  computeLimits,
  type LaunchTools,
  listLimits,
  PROCESS_LIMIT_ARG,
} from "./launch-plan.js";
import type { ForkLaunch, Launch, Launcher, LaunchIdentity } from "./launcher.js";
import type { NamespaceListeners } from "./namespace-listeners.js";
import { listToolEnv, serveTool } from "./tool-network.js";

/** What the namespace level is built from. */
export interface NamespaceLauncherDeps {
  readonly bubblewrap: string;
  readonly prlimit: string;
  /** For the worker's own tools. */
  readonly tools: LaunchTools;
  readonly features: BubblewrapFeatures;
  readonly policy: IsolationPolicy;
  /** The ways out; without them no step has any network. */
  readonly network?: { readonly listeners: NamespaceListeners; readonly egress: Egress } | undefined;
  /** Whether processes are counted for each user namespace by itself (Linux 5.14), so that users may be shared. */
  readonly countsPerNamespace: boolean;
}

/** Descriptors of bubblewrap's, after the four of every child. */
const ARGS_FD = 4;
const SECCOMP_FD = 5;
const INFO_FD = 6;
const BLOCK_FD = 7;
/** Of bubblewrap and the limits in front of it: nothing of a step's environment may steer these. */
const OWN_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/** Walls of bubblewrap: namespaces of its own, a read-only system, no network but what is opened for it. */
export function createNamespaceLauncher(deps: NamespaceLauncherDeps): Launcher {
  const listMounts = createStepMountLister(deps.policy);
  return {
    async prepare(command, identity, notify) {
      if (command.identity === "worker" && !(command.tool && deps.network)) {
        return { ...buildLaunchPlan(command, deps.tools, false), env: identity.env };
      }
      const ports = listPorts(command, deps);
      const options = encodeBubblewrapArgs(toOptions(command, identity, deps, ports.length > 0));
      const opened = new AbortController();
      return {
        ...toWords(command, identity, deps),
        env: { PATH: OWN_PATH, [identity.marker.name]: identity.marker.value },
        extraPipes: 4,
        hasKeepers: true,
        async begin(child) {
          const pipes = child.stdio.slice(ARGS_FD) as Duplex[];
          for (const pipe of pipes) pipe.on("error", () => undefined); // its end says what happened
          const [args, seccomp, info, block] = pipes as [Duplex, Duplex, Duplex, Duplex];
          args.end(options);
          seccomp.end(deps.policy.seccomp ?? Buffer.alloc(0));
          if (ports.length > 0) await openPorts({ info, identity, ports, deps, notify, opened });
          else info.resume();
          block.end("1");
        },
        end: () => opened.abort(),
      };
    },
    prepareFork: (command, identity, notify) =>
      prepareFork(command, identity, { ...deps, listMounts }, notify),
    async close() {
      await deps.network?.listeners.close();
    },
  };
}

/** How long what is known of an installation counts: its folders do not move, but one may be put in its place. */
const KNOWN_FOR_MS = 10_000;

type StepMountLister = (command: SandboxCommand) => readonly Mount[];

/** The mounts of forks, of which those that follow one another share what they see of the machine. */
function createStepMountLister(policy: IsolationPolicy): StepMountLister {
  let known: { readonly key: string; readonly until: number; readonly mounts: readonly Mount[] } | undefined;
  return ({ command, cwd: workdir, readOnlyPaths = [] }) => {
    const view = { command, workdir, readOnlyPaths };
    const key = JSON.stringify([command, readOnlyPaths]);
    const now = performance.now();
    if (known?.key !== key || known.until < now)
      known = { key, until: now + KNOWN_FOR_MS, mounts: listFixedMounts(policy, view) };
    return listStepMounts(policy, view, known.mounts);
  };
}

/** The same walls, put up by the fork itself: `zygote.py` does what bubblewrap would. */
function prepareFork(
  command: SandboxCommand,
  { env, user }: LaunchIdentity,
  { listMounts, ...deps }: NamespaceLauncherDeps & { readonly listMounts: StepMountLister },
  notify: (line: string) => void,
): ForkLaunch {
  const { policy, countsPerNamespace } = deps;
  const ports = listPorts(command, deps);
  const opened = new AbortController();
  return {
    env: { ...(ports.length > 0 && command.network ? listEgressEnv() : {}), ...env },
    walls: {
      limits: computeLimits(command, user !== undefined || countsPerNamespace),
      network: false,
      hardened: true,
      namespaces: {
        hostname: policy.hostname,
        mounts: listMounts(command),
      },
      ports: ports.map(({ port }) => port),
      ...(policy.seccomp && { seccomp: policy.seccomp.toString("base64") }),
    },
    serve(number, server) {
      const stop = ports.find(({ port }) => port === number)?.serve(server, notify);
      if (stop) opened.signal.addEventListener("abort", stop, { once: true });
    },
    end: () => opened.abort(),
  };
}

/** One port that a step may connect to, and who serves it. */
interface OpenPort {
  readonly port: number;
  serve(server: Server, notify: (line: string) => void): () => void;
}

function listPorts(
  { network, tool, forwards = [] }: SandboxCommand,
  deps: NamespaceLauncherDeps,
): OpenPort[] {
  const { egress } = deps.network ?? {};
  if (!egress) return [];
  if (tool)
    return [{ port: EGRESS_PORT, serve: (server, notify) => serveTool(egress, server, tool, notify) }];
  const proxy: OpenPort[] = network
    ? [{ port: EGRESS_PORT, serve: (server, notify) => egress.serveProxy(server, { notify }) }]
    : [];
  return [
    ...proxy,
    ...forwards.map(({ port, connect }) => ({
      port,
      serve: (server: Server) => egress.serveForward(server, connect),
    })),
  ];
}

async function openPorts(opening: {
  readonly info: Duplex;
  readonly identity: LaunchIdentity;
  readonly ports: readonly OpenPort[];
  readonly deps: NamespaceLauncherDeps;
  readonly notify: (line: string) => void;
  readonly opened: AbortController;
}): Promise<void> {
  const { identity, ports, deps, notify, opened } = opening;
  const pid = await readChildPid(opening.info);
  // bubblewrap has ended before it began: its exit and what it wrote to stderr say why
  if (pid === undefined) return;
  await Promise.all(
    ports.map(async ({ port, serve }) => {
      const server = await deps.network?.listeners.open({ pid, port, user: identity.user });
      if (!server) return;
      const stop = serve(server, notify);
      if (opened.signal.aborted) stop();
      else opened.signal.addEventListener("abort", stop, { once: true });
    }),
  );
}

function readChildPid(info: Duplex): Promise<number | undefined> {
  return new Promise((resolve) => {
    let text = "";
    info.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const pid = /"child-pid": (\d+)/.exec(text)?.[1];
      if (pid !== undefined) resolve(Number(pid));
    });
    // read to its end: bubblewrap has more to say, and would die of a closed pipe
    info.once("close", () => resolve(undefined));
  });
}

function toOptions(
  command: SandboxCommand,
  { env }: LaunchIdentity,
  { policy, features }: NamespaceLauncherDeps,
  hasPorts: boolean,
): string[] {
  return buildBubblewrapArgs(
    policy,
    {
      command: command.command,
      workdir: command.cwd,
      readOnlyPaths: command.readOnlyPaths ?? [],
      writablePaths: command.tool?.writablePaths ?? [],
      env: {
        ...(hasPorts && command.network ? listEgressEnv() : {}),
        ...env,
        ...(command.tool && listToolEnv(command.tool)),
      },
      ...(policy.seccomp && { seccompFd: SECCOMP_FD }),
      // named even where nobody asks: bubblewrap closes those that it knows, and the command would have the others
      infoFd: INFO_FD,
      blockFd: BLOCK_FD,
    },
    features,
  );
}

function toWords(
  command: SandboxCommand,
  { user }: LaunchIdentity,
  { bubblewrap, prlimit, countsPerNamespace }: NamespaceLauncherDeps,
): Pick<Launch, "command" | "args"> {
  // Set inside where the user is shared: outside it would count the worker and all its steps.
  const countsInside = user === undefined && countsPerNamespace;
  return {
    command: prlimit,
    args: [
      ...listLimits(command, user !== undefined),
      ...["--", bubblewrap, "--args", String(ARGS_FD), "--"],
      ...(countsInside ? [prlimit, PROCESS_LIMIT_ARG, "--"] : []),
      command.command,
      ...command.args,
    ],
  };
}
