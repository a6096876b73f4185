/** A component as it is registered through the API. */
export interface ChaosComponent {
  readonly name: string;
  readonly mcpType: "python_script" | "typescript_script";
  readonly code: string;
}

/** Names of the components, for `uses`. */
export const WORK = "chaos-work";
export const TYPED = "chaos-typed";
export const POISON = "chaos-poison";

/** How long a poisonous step lasts: it is killed before. */
const POISON_SECONDS = 45;

/**
 * Scripts that leave a trace outside the database. Each execution appends to the witness file
 * `<what> <runId> <stepId> <item> <pid> <parent pid> <milliseconds>`: `start`, then `end` with the token that it
 * returns, or `fail`. A line is one write to a file opened for appending, so lines never mix.
 * @param folder may be written to by whatever user steps run as.
 */
export function listComponents(folder: string): ChaosComponent[] {
  return [
    { name: WORK, mcpType: "python_script", code: workCode(folder) },
    { name: TYPED, mcpType: "typescript_script", code: typedCode(folder) },
    { name: POISON, mcpType: "python_script", code: poisonCode(folder) },
  ];
}

const pythonWitness = (folder: string): string => `
import os, time
FOLDER = ${JSON.stringify(folder)}
def note(what, run, step, item, more=""):
    line = f"{what} {run} {step} {item} {os.getpid()} {os.getppid()} {int(time.time() * 1000)} {more}"
    file = os.open(FOLDER + "/witness.log", os.O_WRONLY | os.O_APPEND)
    os.write(file, (line.rstrip() + "\\n").encode())
    os.close(file)
`;

/** Fails its first `fails` executions, counted on disk: a failure counts even if its worker died with it. */
const workCode = (folder: string): string => `${pythonWitness(folder)}
def main(run, step, item=-1, value=0, ms=0, fails=0):
    note("start", run, step, item)
    time.sleep(ms / 1000)
    if fails > 0:
        mark = f"{FOLDER}/{run}.{step}.{item}"
        file = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        failed = os.fstat(file).st_size
        if failed < fails:
            os.write(file, b".")
            note("fail", run, step, item)
            raise RuntimeError("as the seed wants it")
    token = f"{os.getpid()}-{time.time_ns()}"
    note("end", run, step, item, token)
    return {"value": value + 1, "token": token}
`;

const poisonCode = (folder: string): string => `${pythonWitness(folder)}
def main(run, step):
    note("start", run, step, -1, "poison")
    time.sleep(${POISON_SECONDS})
    return {"value": 0}
`;

const typedCode = (folder: string): string => `
import { appendFileSync } from "node:fs";
interface Inputs { run: string; step: string; value: number }
export function main({ run, step, value }: Inputs) {
  const note = (what: string, more = "") =>
    appendFileSync(${JSON.stringify(`${folder}/witness.log`)},
      \`\${what} \${run} \${step} -1 \${process.pid} \${process.ppid} \${Date.now()} \${more}\`.trimEnd() + "\\n");
  note("start");
  const token = \`\${process.pid}-\${process.hrtime.bigint()}\`;
  note("end", token);
  return { value: value + 1, token };
}
`;
