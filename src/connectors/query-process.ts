import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { withDeadline } from "./deadline.js";
import { MAX_RESULT_BYTES } from "./result-rows.js";
import { ConnectorError, type QueryProgram, type WalledProgram } from "./types.js";

/** The limits of one request. */
export interface QueryLimits {
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** A program without walls: only the process is its own. */
export function withoutWalls({ command, args }: QueryProgram): WalledProgram {
  return { command, args, env: { LANG: "C.UTF-8" }, inputs: [] };
}

/** Programs start, and may write an answer that is a little longer than its rows. */
const START_SECONDS = 10;
const MAX_ANSWER_BYTES = 4 * MAX_RESULT_BYTES;

/**
 * Asks a program of its own process: a query of an embedded database can take all memory, hang in native code or
 * crash, and none of that may reach the worker. It is killed at the limit.
 * @throws ConnectorError
 */
export async function askProcess<Answer>(
  { command, args, env, inputs }: WalledProgram,
  request: object,
  { seconds, signal }: QueryLimits,
): Promise<Answer> {
  const child = spawn(command, args, {
    cwd: tmpdir(),
    env: { ...env },
    stdio: ["pipe", "pipe", "pipe", ...inputs.map(() => "pipe" as const)],
  });
  const { stdin, stdout, stderr } = child;
  if (!stdin || !stdout || !stderr) throw new Error("A child without pipes");
  feedInputs(child, inputs);
  const kill = () => void child.kill("SIGKILL");
  const answer = new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk);
      else kill();
    });
    stderr.resume();
    stdin.on("error", () => undefined); // its end says what happened
    child.once("error", (error) =>
      reject(new ConnectorError("connection", "The database's program cannot be started", error)),
    );
    child.once("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
  });
  stdin.end(JSON.stringify(request));
  return read<Answer>(await withDeadline({ seconds: seconds + START_SECONDS, signal, stop: kill }, answer));
}

/** Gives a child what it reads from its descriptors from 3 on. */
export function feedInputs({ stdio }: ChildProcess, inputs: WalledProgram["inputs"]): void {
  inputs.forEach((input, at) => {
    const pipe = stdio[3 + at] as Writable;
    pipe.on("error", () => undefined); // its end says what happened
    pipe.end(input);
  });
}

function read<Answer>(text: string): Answer {
  let reply: { value?: Answer; fault?: ConnectorError["fault"]; message?: string };
  try {
    reply = JSON.parse(text) as typeof reply;
  } catch (error) {
    throw new ConnectorError("statement", "The query needs too much memory, or has ended its program", error);
  }
  if (reply.fault !== undefined) throw new ConnectorError(reply.fault, reply.message ?? "It failed");
  return reply.value as Answer;
}

/** A program that the build does not copy: it is found beside the sources. */
export function findProgram(folder: string, name: string): string {
  const beside = new URL(`./${folder}/runtime/${name}`, import.meta.url);
  const inSources = new URL(`../../../src/connectors/${folder}/runtime/${name}`, import.meta.url);
  return fileURLToPath(existsSync(beside) ? beside : inSources);
}
