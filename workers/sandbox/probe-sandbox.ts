import { createServer } from "node:net";
import { resolvePython } from "../../src/executors/script/python-interpreter.js";
import type { SandboxCommand } from "../../src/executors/types.js";
import { EGRESS_PORT } from "./egress.js";
import type { OpenSandbox } from "./process-sandbox.js";
import type { Workdirs } from "./workdir.js";

/** What a sandbox must keep from user code to be what it says it is. */
export interface ProbeExpectations {
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
  /** No accounts, no files of the installation, no port of this machine. */
  readonly hidesSystem?: boolean;
  /** Nor other processes and their environments. */
  readonly hidesProcesses?: boolean;
  /** Whether the way out through the proxy must be open. */
  readonly hasEgress?: boolean;
  /** Paths that must not be there, or be empty. */
  readonly hidden?: readonly string[];
}

const LIMIT_SECONDS = 20;
/** Names that a keeper's own environment may have. */
const OWN_NAMES = ["PATH", "PWD", "HEADRACE_EXECUTION"];

/** Run by Node.js inside: says in JSON what it could reach that it should not. */
const PROGRAM = `
const fs = require("fs"), net = require("net");
const { port, egressPort, hidesSystem, hidesProcesses, hidden, ownNames } = JSON.parse(process.argv[1]);
fs.writeFileSync("artifacts/node", "");
const faults = [];
const readable = (path) => { try { return fs.readFileSync(path).length > 0; } catch { return false; } };
const entries = (path) => { try { return fs.readdirSync(path).length; } catch { return readable(path) ? 1 : 0; } };
if (hidesSystem) {
  if (readable("/etc/passwd")) faults.push("/etc/passwd can be read");
  for (const path of hidden) if (entries(path) > 0) faults.push(path + " can be read");
}
if (hidesProcesses) {
  const pids = fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  if (pids.length > 8) faults.push("other processes can be seen");
  const names = pids.filter((pid) => pid !== String(process.pid)).flatMap((pid) => {
    try { return fs.readFileSync("/proc/" + pid + "/environ", "latin1").split("\\0"); } catch { return []; }
  }).map((entry) => entry.split("=")[0]).filter((name) => name !== "" && !ownNames.includes(name));
  if (names.length > 0) faults.push("the environment of another process can be read");
}
const reach = (port) => new Promise((resolve) => {
  const socket = net.connect(port, "127.0.0.1");
  socket.once("connect", () => { socket.destroy(); resolve(true); });
  socket.once("error", () => resolve(false));
});
(async () => {
  if (hidesSystem && await reach(port)) faults.push("the machine's own ports can be reached");
  if (egressPort && !(await reach(egressPort))) faults.push("the proxy cannot be reached");
  console.log(JSON.stringify(faults));
})();
`;

/**
 * Runs what steps run, as they run, and has it try to get out.
 * @returns the first thing that is not as it should be, or undefined.
 */
export async function probeSandbox(
  sandbox: OpenSandbox,
  workdirs: Workdirs,
  expectations: ProbeExpectations,
): Promise<string | undefined> {
  const python = await resolvePython(expectations.python).catch(() => undefined);
  const bait = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => bait.listen(0, "127.0.0.1", resolve));
  const workdir = await workdirs.make();
  try {
    const run = { env: {}, cwd: workdir, memoryMb: 512, timeoutSeconds: LIMIT_SECONDS, network: true };
    const args = ["-e", PROGRAM, JSON.stringify(toQuestions(expectations, bait.address()))];
    const node = await tryOut(sandbox, { ...run, command: process.execPath, args });
    if (node.fault !== undefined) return `${process.execPath} cannot run there (${node.fault})`;
    const [reached] = JSON.parse(node.stdout) as string[];
    if (reached !== undefined) return reached;
    if (python === undefined) return undefined;
    const code = "import json, socket, ssl; open('artifacts/python', 'w').close()";
    const { fault } = await tryOut(sandbox, { ...run, command: python, args: ["-I", "-c", code] });
    return fault === undefined ? undefined : `${python} cannot run there (${fault})`;
  } finally {
    bait.close();
    await workdirs.remove(workdir);
  }
}

function toQuestions(
  expectations: ProbeExpectations,
  address: ReturnType<ReturnType<typeof createServer>["address"]>,
) {
  const { hidesSystem = false, hidesProcesses = false, hasEgress = false, hidden = [] } = expectations;
  const port = typeof address === "object" ? address?.port : undefined;
  const egressPort = hasEgress ? EGRESS_PORT : undefined;
  return { port, egressPort, hidesSystem, hidesProcesses, hidden, ownNames: OWN_NAMES };
}

async function tryOut(
  sandbox: OpenSandbox,
  command: SandboxCommand,
): Promise<{ fault?: string; stdout: string }> {
  const texts = { stdout: "", stderr: "" };
  try {
    const child = await sandbox.start(command);
    child.onStdout((chunk) => (texts.stdout += chunk.toString()));
    child.onStderr((chunk) => (texts.stderr += chunk.toString()));
    child.endInput();
    const timer = setTimeout(() => void child.kill(0), command.timeoutSeconds * 1_000);
    const exit = await child.exited;
    clearTimeout(timer);
    if (exit.exitCode === 0) return texts;
    const said = texts.stderr.trim().split("\n").at(-1);
    return { ...texts, fault: said || `it ended with ${exit.signal ?? `exit code ${exit.exitCode}`}` };
  } catch (error) {
    return { ...texts, fault: error instanceof Error ? error.message : String(error) };
  }
}
