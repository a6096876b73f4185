import { execFile } from "node:child_process";
import { promisify } from "node:util";

const SYSTEM_PYTHON = "/usr/bin/python3";

/**
 * The real path of the Python interpreter for scripts: the setting, else the system's, else `python3` on PATH.
 * Asked of the interpreter itself: what PATH names may be a shim that costs 90 ms at each start.
 * @throws Error in words for the operator when there is none, or it is older than 3.9.
 */
export async function resolvePython(setting?: string): Promise<string> {
  const candidates = setting ? [setting] : [SYSTEM_PYTHON, "python3"];
  for (const candidate of candidates) {
    const found = await ask(candidate);
    if (!found) continue;
    if (found.minor < 9)
      throw new Error(`${candidate} is Python 3.${found.minor}; scripts need 3.9 or newer`);
    return found.path;
  }
  throw new Error(
    setting
      ? `PYTHON=${setting} cannot be run`
      : "No Python was found: install python3, or name an interpreter in PYTHON",
  );
}

async function ask(command: string): Promise<{ path: string; minor: number } | undefined> {
  try {
    const { stdout } = await promisify(execFile)(
      command,
      ["-I", "-c", "import sys; print(sys.version_info[1]); print(sys.executable)"],
      { timeout: 10_000, encoding: "utf8" },
    );
    const [minor, path] = stdout.trim().split("\n");
    return path ? { path, minor: Number(minor) } : undefined;
  } catch {
    return undefined;
  }
}
