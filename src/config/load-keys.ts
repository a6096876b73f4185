import { createHash, hkdfSync, randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
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
  /** Further keys: what they made can still be read, and nothing new is made with them. */
  readonly readable?: readonly EncryptionKey[];
  /** The keys as they are stored now, where a command may have renewed them while this process runs. */
  readReadable?(): readonly EncryptionKey[];
}

/**
 * The keys from the settings; what they leave out is made once and kept in `<DATA_DIR>/keys.json` (mode 600).
 * Two processes that start at once end up with the same keys.
 * @throws SettingsError when the file cannot be read or written.
 */
export function loadKeys(settings: KeySettings): Keys {
  const isGiven = settings.JWT_SECRET !== undefined && settings.ENCRYPTION_KEY !== undefined;
  const kept = isGiven ? undefined : loadKeptKeys(settings.DATA_DIR);
  const present = settings.ENCRYPTION_KEY ?? kept?.encryptionKey ?? "";
  const others = [...(settings.DECRYPTION_KEYS ?? []), ...(kept?.oldEncryptionKeys ?? [])];
  const readable = others.filter((each) => each !== present).map(deriveEncryptionKey);
  return Object.freeze({
    jwtSecret: settings.JWT_SECRET ?? kept?.jwtSecret ?? "",
    encryption: {
      ...deriveEncryptionKey(present),
      ...(readable.length > 0 && { readable }),
      ...(settings.ENCRYPTION_KEY === undefined && { readReadable: () => readKeptEncryptionKeys(settings) }),
    },
  });
}

function readKeptEncryptionKeys({ DATA_DIR }: KeySettings): EncryptionKey[] {
  const { encryptionKey, oldEncryptionKeys = [] } = loadKeptKeys(DATA_DIR);
  return [encryptionKey, ...oldEncryptionKeys].map(deriveEncryptionKey);
}

/** The settings that keys come from. */
export type KeySettings = Pick<Settings, "DATA_DIR" | "JWT_SECRET" | "ENCRYPTION_KEY"> &
  Partial<Pick<Settings, "DECRYPTION_KEYS">>;

/**
 * Puts a new encryption key into `<DATA_DIR>/keys.json`; what the present one made stays readable.
 * @throws SettingsError when the key comes from the settings, or the file cannot be written.
 */
export function renewKeptEncryptionKey(settings: KeySettings): void {
  if (settings.ENCRYPTION_KEY !== undefined)
    throw new SettingsError(
      "ENCRYPTION_KEY is set: put the new key there, and the present one in DECRYPTION_KEYS",
    );
  const { encryptionKey, oldEncryptionKeys = [], ...kept } = loadKeptKeys(settings.DATA_DIR);
  replaceKeptKeys(settings.DATA_DIR, {
    ...kept,
    encryptionKey: makeKey(),
    oldEncryptionKeys: [encryptionKey, ...oldEncryptionKeys],
  });
}

/** Forgets the old keys of `<DATA_DIR>/keys.json`, once nothing is left that they made. */
export function forgetKeptEncryptionKeys(settings: KeySettings): void {
  if (settings.ENCRYPTION_KEY !== undefined && settings.JWT_SECRET !== undefined) return;
  const { oldEncryptionKeys, ...kept } = loadKeptKeys(settings.DATA_DIR);
  if (oldEncryptionKeys !== undefined) replaceKeptKeys(settings.DATA_DIR, kept);
}

/** The ids of the keys that {@link forgetKeptEncryptionKeys} would take away, without those that settings still give. */
export function listForgettableKeys(settings: KeySettings): string[] {
  if (settings.ENCRYPTION_KEY !== undefined && settings.JWT_SECRET !== undefined) return [];
  const { encryptionKey, oldEncryptionKeys = [] } = loadKeptKeys(settings.DATA_DIR);
  const given = [settings.ENCRYPTION_KEY ?? encryptionKey, ...(settings.DECRYPTION_KEYS ?? [])];
  return oldEncryptionKeys
    .filter((each) => !given.includes(each))
    .map((each) => deriveEncryptionKey(each).id);
}

function replaceKeptKeys(folder: string, keys: KeptKeys): void {
  const path = join(folder, "keys.json");
  const made = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(made, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600, flag: "wx", flush: true });
    renameSync(made, path);
  } catch {
    rmSync(made, { force: true });
    throw new SettingsError(`Bad setting: DATA_DIR: ${path} cannot be written`);
  }
}

function makeKey(): string {
  return randomBytes(48).toString("base64url");
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
  /** The newest first. */
  readonly oldEncryptionKeys?: readonly string[];
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
    jwtSecret: makeKey(),
    encryptionKey: makeKey(),
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
