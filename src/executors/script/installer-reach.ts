import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { portOf } from "../../outgoing/outgoing-guard.js";

/** What installers of packages may reach: what the operator has named for them, and the registries where nothing is. */
export interface InstallerReach {
  /** Each as `host:port`. */
  readonly hosts: readonly string[];
  /** Files and folders of this machine: certificates, constraints, indexes on disk. */
  readonly paths: readonly string[];
  /** The proxy by which this machine reaches them, with its credentials. */
  readonly proxy: string | undefined;
}

const SYSTEM_FILES = ["/etc/pip.conf", "/etc/xdg/pip/pip.conf", "/etc/npmrc"];
/** Where the packages of the Python Package Index lie. */
const PYPI = ["pypi.org:443", "files.pythonhosted.org:443"];
const NPM = "registry.npmjs.org:443";
const PROXY = /^(?:https?|all)_proxy$/i;

/** Reads it from the installers' environment and the files that it and the system have for them. */
export function findInstallerReach(env: Readonly<Record<string, string>>): InstallerReach {
  const own = [env["PIP_CONFIG_FILE"], env["npm_config_userconfig"], env["npm_config_globalconfig"]];
  const npm = join(dirname(dirname(process.execPath)), "etc/npmrc");
  const files = [...own, ...SYSTEM_FILES, npm].filter(
    (path) => path !== undefined && isFile(path),
  ) as string[];
  const lines = [
    ...Object.entries(env)
      .filter(([name]) => !PROXY.test(name) && name.toUpperCase() !== "NO_PROXY")
      .map(([name, value]) => `${name.toLowerCase().replace(/^(?:pip|npm_config)_/, "")}=${value}`),
    ...files.flatMap(readLines),
  ];
  const words = lines.flatMap((line) => line.split(/[\s=,"']+/));
  const hosts = words.flatMap(toHost);
  return {
    hosts: [...new Set([...hosts, ...listDefaults(lines, hosts)])],
    paths: [...new Set([...files, ...words.flatMap(toPath)])],
    proxy: Object.entries(env).find(([name, value]) => PROXY.test(name) && URL.canParse(value))?.[1],
  };
}

function listDefaults(lines: readonly string[], hosts: readonly string[]): string[] {
  const has = (setting: RegExp): boolean => lines.some((line) => setting.test(line));
  const usesPypi =
    hosts.includes("pypi.org:443") || !(has(/^\s*index[-_]url\s*=/) || has(/^\s*no[-_]index\s*=\s*[1ty]/i));
  return [...(usesPypi ? PYPI : []), ...(has(/^\s*registry\s*=/) ? [] : [NPM])];
}

function toHost(word: string): string[] {
  if (!/^https?:\/\//i.test(word) || !URL.canParse(word)) return [];
  const url = new URL(word);
  return [`${url.hostname.replace(/^\[|\]$/g, "")}:${portOf(url)}`];
}

/**
 * A `simple` index leads to packages that lie beside it (the layout of mirrors such as bandersnatch): then the folder of
 * both is meant. Never a folder at the root: nobody keeps packages in `/etc` itself.
 */
function toPath(word: string): string[] {
  const isUrl = word.startsWith("file:") && URL.canParse(word);
  const path = (isUrl ? fileURLToPath(word) : word).replace(/\/+$/, "");
  const shown = isUrl && basename(path) === "simple" ? dirname(path) : path;
  return /^\/[^/]+\/./.test(shown) && existsSync(path) ? [shown] : [];
}

function readLines(path: string): string[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => !/^\s*[#;]/.test(line));
}

function isFile(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
