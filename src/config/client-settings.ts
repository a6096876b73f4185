import { z } from "zod";
import { readRawSettings, SettingsError, type SettingsSource } from "./load-settings.js";
import { settingsSchema } from "./settings-schema.js";

const clientSettingsSchema = settingsSchema.pick({ HOST: true, PORT: true, DATA_DIR: true }).extend({
  /** Where the API is; unset: this machine's. */
  HEADRACE_URL: z
    .string()
    .regex(/^https?:\/\//, "must be an http:// or https:// URL")
    .optional(),
  /** An API key or access token; unset: the one that `headrace up` leaves in the data folder. */
  HEADRACE_TOKEN: z.string().min(1).optional(),
  /** Any value turns colours off (no-color.org). */
  NO_COLOR: z.string().optional(),
});

/** What the command line's client commands need to know; never the server's secrets. */
export type ClientSettings = Readonly<z.infer<typeof clientSettingsSchema>>;

/**
 * Reads the settings of client commands.
 * @throws SettingsError naming each bad setting on one line.
 */
export function loadClientSettings(source: SettingsSource = {}): ClientSettings {
  const raw = readRawSettings(Object.keys(clientSettingsSchema.shape), source);
  const parsed = clientSettingsSchema.safeParse(raw);
  if (parsed.success) return Object.freeze(parsed.data);
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
  throw new SettingsError(`Bad setting: ${faults.join("; ")}`);
}
