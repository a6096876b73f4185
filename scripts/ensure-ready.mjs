// Installs and builds what is missing. Node's built-ins only: it runs before there is anything else.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../", import.meta.url));
const OLDEST = [20, 19];
/** Folders of the program, below the root. */
export const SOURCES = ["src", "workers", "migrations", "bench"];
const PARTS = [
  {
    stamp: join(root, "dist", ".built"),
    folders: SOURCES,
    files: ["package-lock.json", "tsconfig.json"],
    isSource,
    build: buildProgram,
  },
  {
    stamp: join(root, "dist", ".built-console"),
    folders: ["dashboard"],
    files: ["package-lock.json"],
    isSource: (name) => /\.(tsx?|css|svg|html|mjs)$/.test(name) && !name.endsWith(".test.ts"),
    build: buildConsole,
  },
];

/** Ends the process with one line when Node is too old. */
export function assertNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  console.error(`Headrace needs Node ${OLDEST.join(".")} or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

/**
 * Brings node_modules and dist up to date.
 * @param {{ withDevelopment?: boolean }} options whether tools for development are wanted even when dist is fresh
 */
export function ensureReady({ withDevelopment = false } = {}) {
  const stale = PARTS.map((part) => ({ ...part, hash: hashSources(part) })).filter(
    ({ stamp, hash }) => !existsSync(stamp) || readFileSync(stamp, "utf8") !== hash,
  );
  const missing = missingPackages({ withDevelopment: withDevelopment || stale.length > 0 });
  if (missing.length > 0) install(missing);
  for (const { stamp, hash, build } of stale) {
    mkdirSync(join(root, "dist"), { recursive: true });
    build();
    writeFileSync(stamp, hash);
  }
}

/** Packages of the lock file that are not installed in that version. Optional ones belong to other platforms. */
function missingPackages({ withDevelopment }) {
  const wanted = readLock(join(root, "package-lock.json"));
  const installed = readLock(join(root, "node_modules", ".package-lock.json"));
  return Object.entries(wanted)
    .filter(
      ([path, entry]) => path !== "" && !entry.link && !entry.optional && (withDevelopment || !entry.dev),
    )
    .filter(([path, entry]) => installed[path]?.version !== entry.version)
    .map(([path]) => path.replace(/^.*node_modules\//, ""));
}

function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).packages : {};
}

function install(missing) {
  console.error(`Installing ${missing.length} packages (this once; it may take a minute) …`);
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--include=dev"], "npm ci");
}

function buildProgram() {
  console.error("Building …");
  run(process.execPath, [join(root, "scripts", "compile.mjs")], "The build");
  removeOrphans();
}

/** The types are checked by `npm run check`: here only what serves the console is made. */
function buildConsole() {
  console.error("Building the console …");
  const vite = join(root, "node_modules", "vite", "bin", "vite.js");
  const config = join(root, "dashboard", "vite.config.mjs");
  const args = [vite, "build", join(root, "dashboard"), "--config", config, "--logLevel", "error"];
  run(process.execPath, args, "The console's build");
}

function run(command, args, what) {
  // stdout belongs to the command that asked for us
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (done.status === 0) return;
  console.error(`${what} failed${done.error ? `: ${done.error.message}` : ""}.`);
  process.exit(1);
}

/** Compiled files whose source is gone: a deleted migration must not run. */
function removeOrphans() {
  for (const folder of SOURCES) {
    const compiled = join(root, "dist", folder);
    if (!existsSync(compiled)) continue;
    for (const name of readdirSync(compiled, { recursive: true })) {
      if (!name.endsWith(".js")) continue;
      if (existsSync(join(root, folder, name.replace(/\.js$/, ".ts")))) continue;
      rmSync(join(compiled, name), { force: true });
      rmSync(join(compiled, `${name}.map`), { force: true });
    }
  }
}

function hashSources({ folders, files, isSource }) {
  const hash = createHash("sha256");
  for (const name of files) hash.update(name).update(readFileSync(join(root, name)));
  for (const folder of folders) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder), { recursive: true }).sort()) {
      if (isSource(name)) hash.update(join(folder, name)).update(readFileSync(join(root, folder, name)));
    }
  }
  return hash.digest("hex");
}

/** Whether a file of the program is compiled. */
export function isSource(name) {
  return name.endsWith(".ts") && !name.endsWith(".test.ts");
}
