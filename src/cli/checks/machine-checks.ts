import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { findNotebookInterpreter, NOTEBOOK_REMEDY } from "../../executors/notebook/notebook-interpreter.js";
import { resolvePython } from "../../executors/script/python-interpreter.js";
import { runTool } from "../../lifecycle/run-tool.js";
import type { Check } from "../commands/doctor.js";

const OLDEST_NODE = [20, 19] as const;
const LEAST_FREE_BYTES = 2 * 1024 ** 3;

/** The Node.js that runs us. */
export const checkNode: Check = async () => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isNew = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const detail = `${process.versions.node} at ${process.execPath}`;
  if (isNew) return { name: "Node.js", state: "ok", detail };
  return { name: "Node.js", state: "failed", detail, remedy: "install Node.js 20.19 or newer" };
};

/** The interpreter of Python scripts. */
export const checkPython: Check = async (settings) => {
  const name = "Python";
  const remedy = "apt-get install python3 python3-venv, or set PYTHON to an interpreter";
  try {
    const interpreter = await resolvePython(settings.PYTHON);
    const version = await runTool(String(interpreter), ["--version"], { timeoutMs: 10_000 });
    if (version.code !== 0) return { name, state: "failed", detail: `${interpreter} does not run`, remedy };
    return { name, state: "ok", detail: `${version.stdout.trim()} at ${interpreter}` };
  } catch (error) {
    return { name, state: "failed", detail: (error as Error).message, remedy };
  }
};

/** What Jupyter notebooks need: looked for as the executor does. */
export const checkNotebooks: Check = async (settings) => {
  const name = "Notebooks";
  try {
    const { path, hasRenderer } = await findNotebookInterpreter(settings.PYTHON);
    if (hasRenderer) return { name, state: "ok", detail: `ipykernel, nbclient and nbconvert at ${path}` };
    const detail = `ipykernel and nbclient at ${path}, but no nbconvert: notebooks run, without their HTML`;
    return { name, state: "missing", detail, remedy: NOTEBOOK_REMEDY };
  } catch (error) {
    const detail = `${(error as Error).message} (only notebooks need it)`;
    return { name, state: "missing", detail, remedy: NOTEBOOK_REMEDY };
  }
};

/** A browser, for tests of the console. */
export const checkChromium: Check = async () => {
  const name = "Chromium";
  const path = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
  if (path) return { name, state: "ok", detail: path };
  const remedy = "apt-get install chromium";
  return { name, state: "missing", detail: "not found (only tests of the console need it)", remedy };
};

/** Room for the database, artifacts and work folders. */
export const checkDisk: Check = async (settings) => {
  const name = "Disk";
  let folder = resolve(settings.DATA_DIR);
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free for ${settings.DATA_DIR}`;
  if (free >= LEAST_FREE_BYTES) return { name, state: "ok", detail };
  return {
    name,
    state: "failed",
    detail,
    remedy: "free at least 2 GiB, or set DATA_DIR to a folder with room",
  };
};
