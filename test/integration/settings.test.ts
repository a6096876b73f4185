import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { parse } from "dotenv";
import { loadClientSettings } from "../../src/config/client-settings.js";
import { loadSettings } from "../../src/config/load-settings.js";
import { settingsSchema } from "../../src/config/settings-schema.js";

const text = readFileSync(fileURLToPath(new URL("../../.env.example", import.meta.url)), "utf8");

describe(".env.example", () => {
  it("lists every setting once, and none that does not exist", () => {
    const listed = [...text.matchAll(/^#?([A-Z][A-Z0-9_]*)=/gm)].map((match) => match[1]);
    expect(listed.toSorted()).toEqual(Object.keys(settingsSchema.shape).toSorted());
  });

  it("gives the defaults: loading it changes nothing", () => {
    expect(loadSettings({ environment: parse(text) })).toEqual(loadSettings({ environment: {} }));
  });
});

describe("settings", () => {
  it.each([
    ["PORT", "70000"],
    ["SANDBOX", "docker"],
    ["REDIS_URL", "http://redis"],
    ["JWT_SECRET", "short"],
    ["WORKER_CONCURRENCY", "0"],
  ])("names a bad %s in one line, without its value", (name, value) => {
    const load = (): unknown => loadSettings({ environment: { [name]: value } });
    expect(load).toThrow(new RegExp(`^Bad setting: ${name} [^\\n]+$`));
    if (name === "JWT_SECRET") expect(load).not.toThrow(value);
  });

  it("puts this machine's name where APPS_ADVERTISE asks for it", () => {
    const { APPS_ADVERTISE } = loadSettings({ environment: { APPS_ADVERTISE: "http://{hostname}:3100" } });
    expect(APPS_ADVERTISE).toBe(`http://${hostname()}:3100`);
    expect(() => loadSettings({ environment: { APPS_ADVERTISE: "http://{host}:3100" } })).toThrow(
      "APPS_ADVERTISE",
    );
  });

  it("demands secrets where others can reach it", () => {
    const load = (): unknown => loadSettings({ environment: { HOST: "0.0.0.0" } });
    expect(load).toThrow("JWT_SECRET, ENCRYPTION_KEY, METRICS_TOKEN, ADMIN_PASSWORD");
  });

  it("lets client commands work where server settings are bad", () => {
    const settings = loadClientSettings({
      environment: { JWT_SECRET: "short", HEADRACE_URL: "https://h.example" },
    });
    expect(settings.HEADRACE_URL).toBe("https://h.example");
    expect(() => loadClientSettings({ environment: { HEADRACE_URL: "ftp://x" } })).toThrow("HEADRACE_URL");
  });
});
