import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { findRuntimeFile } from "../../src/executors/script/runtime-files.js";
import { createLineSplitter } from "../../src/executors/script/line-splitter.js";
import type { ChildEnd, LaunchedChild } from "./launched-child.js";
import type { ForkWalls } from "./launcher.js";
import { findProcess } from "./process-table.js";
import { readLine } from "./read-line.js";

/** What a forked process becomes before it runs anything of a user's. */
export interface ForkRequest {
  readonly cwd: string;
  /** With the execution's marker, which also takes the place of the zygote's own in `/proc`. */
  readonly env: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** A virtual environment to take packages from. */
  readonly prefix?: string | undefined;
  readonly walls: ForkWalls;
  /** Takes the sockets that listen on the ports of the walls. */
  serve?(port: number, server: Server): void;
}

/** A Python process that has loaded what scripts need, and forks one that waits for its job whenever it is asked to. */
export interface Zygote {
  isRunning(): boolean;
  /** @throws Error when the fork cannot be had as it was asked for; nothing is left of it then. */
  fork(request: ForkRequest): Promise<LaunchedChild>;
  /** Ends it, and with it every process that it forked. */
  close(): Promise<void>;
}

/** What a zygote is started with. */
export interface ZygoteOptions {
  readonly interpreter: string;
  readonly env: Readonly<Record<string, string>>;
}

const FOLDER_PREFIX = "headrace-zygote-";
const START_LIMIT_MS = 30_000;
const FORK_LIMIT_MS = 10_000;
/** Control, stdout and stderr; where it has a namespace, what process 1 says of the end. */
const SOCKETS = 4;

const endSchema = z.object({
  exitCode: z.number().nullable().default(null),
  signal: z.string().nullable().default(null),
});
const answerSchema = z.union([
  z.object({ ready: z.number() }),
  z.object({ forked: z.number(), pid: z.number() }),
  z.object({ failed: z.number(), reason: z.string() }),
  z.object({ exited: z.number(), ...endSchema.shape, alone: z.boolean() }),
]);
const listenerSchema = z.object({ id: z.number(), port: z.number() });
type Answer = z.infer<typeof answerSchema>;

/** A value that comes later, for whoever waits. */
interface Later<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: Error): void;
}

function later<Value>(): Later<Value> {
  let resolve: Later<Value>["resolve"] = () => undefined;
  let reject: Later<Value>["reject"] = () => undefined;
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => undefined); // whoever awaits it sees the error
  return { promise, resolve, reject };
}

/** A fork that was asked for and is not there yet. */
interface Pending {
  readonly pid: Later<number>;
  readonly sockets: readonly Later<Socket>[];
  /** What listens on a port of its own loopback. */
  listener(port: number): Later<Server>;
}

/** Starts a zygote and waits until it can fork. @throws Error when it cannot be started. */
export async function startZygote({ interpreter, env }: ZygoteOptions): Promise<Zygote> {
  const [program, harness, folder] = await Promise.all([
    findRuntimeFile("zygote.py"),
    findRuntimeFile("harness.py"),
    // private to this user: nobody else can connect
    mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`)),
  ]);
  void sweepFolders();
  const state = createState();
  const address = join(folder, "socket");
  const server = await listen(address, (socket) => void state.takeSocket(socket));
  const child = spawn(interpreter, ["-I", "-S", "-u", "-X", "utf8", program], {
    cwd: "/",
    detached: true,
    // over the last one, listening sockets come as Node.js hands them between its own processes
    stdio: ["pipe", "pipe", "pipe", "ipc"],
    env,
  }) as ChildProcessWithoutNullStreams;
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const cleanUp = async (): Promise<void> => {
    state.lose();
    server.close();
    await rm(folder, { recursive: true, force: true });
  };
  void ended.then(cleanUp);
  child.stdin.on("error", () => undefined); // its exit is handled above
  child.stdout.on("data", (chunk: Buffer) => state.answers.push(chunk));
  const said = keepTail(child);
  // it must not keep a worker alive that has nothing else to do
  child.unref();
  child.channel?.unref();
  child.on("message", (message, handle) => state.takeListener(message, handle as Server | undefined));
  for (const pipe of [child.stdin, child.stdout, child.stderr]) (pipe as Socket).unref();
  child.stdin.write(`${JSON.stringify({ address, token: state.token, harness })}\n`);
  try {
    await within(START_LIMIT_MS, state.ready.promise);
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`The Python zygote did not start: ${said() || (error as Error).message}`, {
      cause: error,
    });
  }
  return {
    isRunning: () => !state.isLost(),
    fork: (request) => forkChild(state, child, request),
    async close() {
      child.ref();
      child.kill("SIGKILL");
      await ended;
      await cleanUp();
    },
  };
}

/** Deletes the folders of workers that were killed. */
async function sweepFolders(): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const pid = name.startsWith(FOLDER_PREFIX) ? Number(name.slice(FOLDER_PREFIX.length).split("-")[0]) : 0;
    if (!Number.isInteger(pid) || pid <= 0 || findProcess(pid)) continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

type State = ReturnType<typeof createState>;

function createPending(): Pending {
  const listeners = new Map<number, Later<Server>>();
  return {
    pid: later<number>(),
    sockets: Array.from({ length: SOCKETS }, () => later<Socket>()),
    listener(port) {
      const listener = listeners.get(port) ?? later<Server>();
      listeners.set(port, listener);
      return listener;
    },
  };
}

/** What is known of a zygote's forks. */
function createState() {
  const token = randomBytes(16).toString("hex");
  const ready = later<number>();
  const pending = new Map<number, Pending>();
  const ends = new Map<number, Later<ChildEnd>>();
  let isLost = false;
  let count = 0;

  function take(answer: Answer): void {
    if ("ready" in answer) ready.resolve(answer.ready);
    else if ("forked" in answer) {
      ends.set(answer.pid, later());
      pending.get(answer.forked)?.pid.resolve(answer.pid);
    } else if ("failed" in answer) pending.get(answer.failed)?.pid.reject(new Error(answer.reason));
    else {
      const { exited, exitCode, signal, alone } = answer;
      ends.get(exited)?.resolve({ exitCode, signal: signal as NodeJS.Signals | null, isAlone: alone });
      ends.delete(exited);
    }
  }

  return {
    token,
    ready,
    isLost: () => isLost,
    answers: createLineSplitter((line) => take(answerSchema.parse(JSON.parse(line)))),
    endOf: (pid: number) => ends.get(pid)?.promise,
    open(): { id: number; fork: Pending; close(): void } {
      const id = (count += 1);
      const fork = createPending();
      if (isLost) fork.pid.reject(new Error("The Python zygote has ended"));
      pending.set(id, fork);
      return { id, fork, close: () => pending.delete(id) };
    },
    /** The first line of a connection says whose it is. */
    async takeSocket(socket: Socket): Promise<void> {
      socket.on("error", () => undefined);
      const [said, id, number] = (await readLine(socket).catch(() => "")).split(" ");
      const wanted = said === token ? pending.get(Number(id))?.sockets[Number(number)] : undefined;
      if (wanted) wanted.resolve(socket);
      else socket.destroy();
    },
    takeListener(message: unknown, server: Server | undefined): void {
      const { id, port } = listenerSchema.parse(message);
      const fork = pending.get(id);
      if (server && fork) fork.listener(port).resolve(server);
      else server?.close();
    },
    /** Its forks die with it. */
    lose(): void {
      isLost = true;
      const error = new Error("The Python zygote has ended");
      ready.reject(error);
      for (const { pid } of pending.values()) pid.reject(error);
      for (const end of ends.values()) end.resolve({ exitCode: null, signal: "SIGKILL", isAlone: false });
      ends.clear();
    },
  };
}

async function forkChild(state: State, zygote: ChildProcess, request: ForkRequest): Promise<LaunchedChild> {
  const { id, fork, close } = state.open();
  const { user, walls, serve, ...rest } = request;
  const ports = walls.ports ?? [];
  zygote.stdin?.write(`${JSON.stringify({ id, ...rest, ...walls, ...user })}\n`);
  let pid: number | undefined;
  const opened: Socket[] = [];
  for (const socket of fork.sockets) void socket.promise.then((one) => opened.push(one));
  try {
    return await within(
      FORK_LIMIT_MS,
      (async () => {
        pid = await fork.pid.promise;
        const ended = state.endOf(pid);
        const wanted = fork.sockets.slice(0, walls.namespaces ? SOCKETS : SOCKETS - 1);
        const [control, stdout, stderr, report] = (await Promise.all(
          wanted.map((socket) => socket.promise),
        )) as [Socket, Socket, Socket, Socket?];
        const answer = await readLine(control);
        if (answer === "+") {
          for (const port of ports) serve?.(port, await fork.listener(port).promise);
        }
        if (answer !== "+" || !ended) throw new Error(answer.slice(1) || "The fork ended at once");
        const pipes = { stdin: control, stdout, stderr, control };
        const closed = haveClosed([control, stdout, stderr]);
        return { pid, isWarm: true, pipes, ended: report ? endFirst(ended, report) : ended, closed };
      })(),
    );
  } catch (error) {
    // what was not wanted as it came must not run on: the zygote says when it is gone
    if (pid !== undefined && state.endOf(pid)) process.kill(pid, "SIGKILL");
    for (const socket of opened) socket.destroy();
    for (const port of ports) void fork.listener(port).promise.then((server) => server.close());
    throw error;
  } finally {
    close();
  }
}

/** Whatever comes first: process 1 says that nothing is left beside it, or the zygote that it has ended itself. */
async function endFirst(ended: Promise<ChildEnd>, report: Socket): Promise<ChildEnd> {
  const told = readLine(report)
    .then((line): ChildEnd => {
      const { exitCode, signal } = endSchema.parse(JSON.parse(line));
      return { exitCode, signal: signal as NodeJS.Signals | null, isAlone: true };
    })
    .catch(() => ended); // it was killed
  const end = await Promise.race([ended, told]);
  report.destroy();
  return end;
}

/** The other end closes once no process of the execution has it any more. */
async function haveClosed(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.once("end", () => socket.destroy());
          socket.once("close", () => resolve());
        }),
    ),
  );
}

function listen(address: string, onSocket: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, onSocket);
    server.once("error", reject);
    server.listen(address, () => resolve(server));
    server.unref();
  });
}

/** The last line that it wrote to stderr: why it did not start. */
function keepTail(child: ChildProcess): () => string {
  let tail = "";
  child.stderr?.on("data", (chunk: Buffer) => (tail = (tail + chunk.toString("utf8")).slice(-2_000)));
  return () => tail.trim().split("\n").at(-1) ?? "";
}

async function within<Value>(limitMs: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
