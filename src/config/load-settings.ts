import { existsSync, readFileSync } from "node:fs";
import { parse } from "dotenv";
import { type Settings, settingsSchema } from "./settings-schema.js";

/** A setting that is missing or not valid. `message` is one line that names it. */
export class SettingsError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SettingsError";
  }
}

/** Where settings come from; by default the process's environment over `.env` in the working directory. */
export interface SettingsSource {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly envFile?: string;
}

/**
 * Reads, checks and freezes the settings.
 * @throws SettingsError naming each bad setting on one line.
 */
export function loadSettings(source: SettingsSource = {}): Settings {
  const parsed = settingsSchema.safeParse(readRawSettings(Object.keys(settingsSchema.shape), source));
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
    throw new SettingsError(`Bad setting: ${faults.join("; ")}`);
  }
  assertComplete(parsed.data);
  assertFitForHost(parsed.data);
  return Object.freeze(parsed.data);
}

/**
 * The unparsed values of some settings: the environment over `.env`, `NAME_FILE` over `NAME`, empty as unset.
 * @throws SettingsError when a `NAME_FILE` cannot be read.
 */
export function readRawSettings(
  names: readonly string[],
  source: SettingsSource = {},
): Record<string, string | undefined> {
  const environment = source.environment ?? process.env;
  const file = source.envFile ?? ".env";
  const fromFile = source.environment === undefined && existsSync(file) ? parse(readFileSync(file)) : {};
  return Object.fromEntries(names.map((name) => [name, readSetting(name, environment, fromFile)]));
}

type Source = Readonly<Record<string, string | undefined>>;

function readSetting(name: string, environment: Source, fromFile: Source): string | undefined {
  const path = environment[`${name}_FILE`] ?? fromFile[`${name}_FILE`];
  if (path) {
    try {
      return readFileSync(path, "utf8").trim();
    } catch {
      throw new SettingsError(`Bad setting: ${name}_FILE names a file that cannot be read`);
    }
  }
  const value = environment[name] ?? fromFile[name];
  return value === "" ? undefined : value;
}

/** What makes no sense without another setting. */
function assertComplete(settings: Settings): void {
  const pairs = [
    ["OIDC_ISSUER", "OIDC_CLIENT_ID"],
    ["OIDC_CLIENT_ID", "OIDC_ISSUER"],
    ["OIDC_ROLE_CLAIM", "OIDC_ROLE_MAP"],
    ["OIDC_ROLE_MAP", "OIDC_ROLE_CLAIM"],
  ] as const;
  for (const [name, needed] of pairs) {
    if (settings[name] !== undefined && settings[needed] === undefined)
      throw new SettingsError(`Bad setting: ${name} demands ${needed}`);
  }
}

/** Node-RED's lesson: a server that others can reach never starts with made-up or missing credentials. */
function assertFitForHost(settings: Settings): void {
  const isLoopback = ["127.0.0.1", "::1", "localhost"].includes(settings.HOST);
  const demanded = [
    ...(settings.PRODUCTION || !isLoopback ? (["JWT_SECRET", "ENCRYPTION_KEY"] as const) : []),
    ...(isLoopback ? [] : (["METRICS_TOKEN", "ADMIN_PASSWORD"] as const)),
  ];
  const missing = demanded.filter((name) => settings[name] === undefined);
  if (missing.length > 0) {
    const why = isLoopback ? "PRODUCTION" : `HOST=${settings.HOST}`;
    throw new SettingsError(`Bad setting: ${why} demands ${missing.join(", ")}`);
  }
}
