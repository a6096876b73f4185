import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** An interpreter that can run notebooks. */
export interface NotebookInterpreter {
  readonly path: string;
  /** Whether nbconvert is there too, which makes the HTML. */
  readonly hasRenderer: boolean;
}

/** How to get what notebooks need, for people. */
export const NOTEBOOK_REMEDY =
  "apt-get install python3-ipykernel python3-nbclient python3-nbconvert, or pip install ipykernel nbclient nbconvert into the interpreter that PYTHON names";

const NEEDED = ["ipykernel", "nbclient"];
const PROBE = `
import importlib.util, json, sys
print(json.dumps({"path": sys.executable, "modules": [name for name in ("ipykernel", "nbclient", "nbconvert") if importlib.util.find_spec(name)]}))
`;

/**
 * The first interpreter that has ipykernel and nbclient: the setting `PYTHON`, `python3` on PATH, the system's.
 * @throws Error that says what is missing where, and how to get it.
 */
export async function findNotebookInterpreter(setting?: string): Promise<NotebookInterpreter> {
  const candidates = [...(setting ? [setting] : []), "python3", "/usr/bin/python3"];
  const lacks: string[] = [];
  for (const candidate of candidates) {
    const found = await ask(candidate);
    const missing = NEEDED.filter((name) => !found?.modules.includes(name));
    if (found && missing.length === 0) {
      return { path: found.path, hasRenderer: found.modules.includes("nbconvert") };
    }
    lacks.push(found ? `${candidate} lacks ${missing.join(" and ")}` : `${candidate} cannot be run`);
  }
  throw new Error(`No Python here can run notebooks: ${lacks.join("; ")}. ${NOTEBOOK_REMEDY}`);
}

async function ask(command: string): Promise<{ path: string; modules: string[] } | undefined> {
  try {
    const { stdout } = await promisify(execFile)(command, ["-I", "-c", PROBE], {
      timeout: 20_000,
      encoding: "utf8",
    });
    return JSON.parse(stdout) as { path: string; modules: string[] };
  } catch {
    return undefined;
  }
}
