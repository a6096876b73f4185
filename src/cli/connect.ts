import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type ClientSettings, loadClientSettings } from "../config/client-settings.js";
import { type ApiClient, createApiClient } from "./api-client.js";

const addressSchema = z.object({ url: z.string(), pid: z.number() });

/** Where `headrace up` writes down the address that it serves (PORT=0 takes a free one). */
export function addressFile(dataDir: string): string {
  return join(dataDir, "api.json");
}

/** Where `headrace up` leaves the key of client commands on the same machine. */
export function tokenFile(dataDir: string): string {
  return join(dataDir, "cli-token");
}

/**
 * The API that client commands talk to: HEADRACE_URL with HEADRACE_TOKEN, else this machine's own with the key
 * that `headrace up` left. A local key is never sent to a HEADRACE_URL.
 */
export function connectToApi(settings: ClientSettings = loadClientSettings()): ApiClient {
  if (settings.HEADRACE_URL) {
    return createApiClient({ url: settings.HEADRACE_URL, token: settings.HEADRACE_TOKEN });
  }
  const url = localUrl(settings);
  const token = settings.HEADRACE_TOKEN ?? readIfThere(tokenFile(settings.DATA_DIR))?.trim();
  return createApiClient({ url, token });
}

function localUrl(settings: ClientSettings): string {
  const text = readIfThere(addressFile(settings.DATA_DIR));
  if (text !== undefined) {
    const known = addressSchema.safeParse(JSON.parse(text));
    if (known.success) return known.data.url;
  }
  const host = settings.HOST.includes(":") ? `[${settings.HOST}]` : settings.HOST;
  return `http://${host === "0.0.0.0" || host === "[::]" ? "127.0.0.1" : host}:${settings.PORT}`;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
