// npm run lock: adds to package-lock.json the optional packages of other platforms that npm left out.
// npm drops an optional package from the lock file when the registry at hand does not carry it, and then refuses
// its own lock file (`npm ci`: "Missing: … from lock file"). Such packages are never installed here: what the lock
// needs of them is their version and the platform they are for.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./ensure-ready.mjs";

const SYSTEMS = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const PROCESSORS = [
  "arm64",
  "arm",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];

const path = join(root, "package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8"));
const added = [];
for (const [parentPath, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    if (isLocked(parentPath, name)) continue;
    const platform = platformOf(name);
    if (!platform || !/^\d+\.\d+\.\d+/.test(version)) {
      console.error(`${name}@${version} is missing from the lock file, and its platform cannot be told.`);
      process.exitCode = 1;
      continue;
    }
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platform,
      ...(parent.dev ? { dev: true } : {}),
      optional: true,
    };
    added.push(name);
  }
}
const isCheck = process.argv.includes("--check");
if (added.length > 0 && isCheck) {
  console.error(
    `package-lock.json lacks ${added.length} packages of other platforms: npm run lock adds them.`,
  );
  process.exit(1);
}
if (added.length > 0) {
  const [self, ...rest] = Object.entries(lock.packages);
  lock.packages = Object.fromEntries([self, ...rest.sort(([one], [other]) => (one < other ? -1 : 1))]);
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(
  added.length > 0 ? `Added ${added.length} packages of other platforms.` : "The lock file is complete.",
);

/** Whether a package is found from another's folder, as Node looks for it: upwards. */
function isLocked(from, name) {
  for (let at = from; ; at = parentFolder(at)) {
    if (lock.packages[`${at === "" ? "" : `${at}/`}node_modules/${name}`]) return true;
    if (at === "") return false;
  }
}

function platformOf(name) {
  const words = name
    .split("/")
    .at(-1)
    .split(/[-.]/)
    .map((word) => word.replace(/^windows$/, "win32"));
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = PROCESSORS.find((processor) => words.includes(processor));
  if (words.includes("wasm32")) return { cpu: ["wasm32"] };
  if (!os) return undefined;
  const libc = words.some((word) => word.startsWith("musl"))
    ? { libc: ["musl"] }
    : words.some((word) => word.startsWith("gnu"))
      ? { libc: ["glibc"] }
      : {};
  return { ...(cpu ? { cpu: [cpu] } : {}), os: [os], ...libc };
}

function parentFolder(at) {
  const end = at.lastIndexOf("/node_modules/");
  return end === -1 ? "" : at.slice(0, end);
}
