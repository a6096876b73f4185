import { createHash, hkdfSync, randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SettingsError } from "./load-settings.js";
import type { Settings } from "./settings-schema.js";

/** The keys of an installation. Never logged, never sent. */
export interface Keys {
  /** Signs access tokens. */
  readonly jwtSecret: string;
  /** Encrypts secrets at rest. */
  readonly encryption: EncryptionKey;
}

/** An AES-256 key and the name by which ciphertexts tell which key made them. */
export interface EncryptionKey {
  readonly id: string;
  readonly key: Buffer;
}

/**
 * The keys from the settings; what they leave out is made once and kept in `<DATA_DIR>/keys.json` (mode 600).
 * Two processes that start at once end up with the same keys.
 * @throws SettingsError when the file cannot be read or written.
 */
export function loadKeys(settings: Pick<Settings, "DATA_DIR" | "JWT_SECRET" | "ENCRYPTION_KEY">): Keys {
  const isGiven = settings.JWT_SECRET !== undefined && settings.ENCRYPTION_KEY !== undefined;
  const kept = isGiven ? undefined : loadKeptKeys(settings.DATA_DIR);
  return Object.freeze({
    jwtSecret: settings.JWT_SECRET ?? kept?.jwtSecret ?? "",
    encryption: deriveEncryptionKey(settings.ENCRYPTION_KEY ?? kept?.encryptionKey ?? ""),
  });
}

/** The AES key that belongs to a passphrase. Its id is a digest that says nothing about the key. */
export function deriveEncryptionKey(passphrase: string): EncryptionKey {
  const key = Buffer.from(hkdfSync("sha256", passphrase, "headrace", "encryption-at-rest", 32));
  const id = createHash("sha256").update("headrace key id").update(key).digest("hex").slice(0, 12);
  return { id, key };
}

interface KeptKeys {
  readonly jwtSecret: string;
  readonly encryptionKey: string;
}

function loadKeptKeys(folder: string): KeptKeys {
  const path = join(folder, "keys.json");
  try {
    return readKeptKeys(path) ?? makeKeptKeys(folder, path);
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    throw new SettingsError(`Bad setting: DATA_DIR: ${path} cannot be read or written`);
  }
}

function readKeptKeys(path: string): KeptKeys | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const kept = JSON.parse(text) as Partial<KeptKeys>;
  if (typeof kept.jwtSecret === "string" && kept.jwtSecret.length >= 32) {
    if (typeof kept.encryptionKey === "string" && kept.encryptionKey.length >= 32) return kept as KeptKeys;
  }
  throw new SettingsError(`Bad setting: DATA_DIR: ${path} holds no usable keys`);
}

function makeKeptKeys(folder: string, path: string): KeptKeys {
  mkdirSync(folder, { recursive: true });
  const made = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`;
  const keys: KeptKeys = {
    jwtSecret: randomBytes(48).toString("base64url"),
    encryptionKey: randomBytes(48).toString("base64url"),
  };
  writeFileSync(made, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600, flag: "wx" });
  try {
    // a link appears whole or not at all, and never replaces what another process was quicker to make
    linkSync(made, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(made, { force: true });
  }
  const kept = readKeptKeys(path);
  if (!kept) throw new SettingsError(`Bad setting: DATA_DIR: ${path} cannot be written`);
  return kept;
}
