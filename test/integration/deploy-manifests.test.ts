import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { Ajv } from "ajv";
import { parse, parseAllDocuments } from "yaml";
import { loadSettings } from "../../src/config/load-settings.js";
import { settingsSchema } from "../../src/config/settings-schema.js";
import { workerGroupSchema } from "../../src/contracts/api/worker-groups.js";
import { healthRoutes } from "../../src/http/routes/health.js";
import { workerGroupRoutes } from "../../src/http/routes/worker-groups.js";
import { readGroupMetrics } from "../../src/services/worker-groups/group-metrics.js";

const deploy = fileURLToPath(new URL("../../deploy", import.meta.url));
const chart = join(deploy, "helm/headrace");
const read = (path: string): string => readFileSync(path, "utf8");
const templates = readdirSync(join(chart, "templates"))
  .map((name) => read(join(chart, "templates", name)))
  .join("\n");
const manifests = readdirSync(join(deploy, "kubernetes")).map((name) =>
  read(join(deploy, "kubernetes", name)),
);
const values = parse(read(join(chart, "values.yaml"))) as {
  settings: Record<string, string>;
  workers: Record<string, { concurrency: number; drainSeconds: number }>;
};
const isSetting = (name: string): boolean => name in settingsSchema.shape;

describe("the Helm chart", () => {
  const validate = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true }).compile(
    JSON.parse(read(join(chart, "values.schema.json"))) as object,
  );

  it("has values that its schema accepts, and a schema that refuses others", () => {
    expect([validate(values), validate.errors]).toEqual([true, null]);
    const withGroup = (name: string, group: object) => ({ ...values, workers: { [name]: group } });
    expect(validate(withGroup("GPU", values.workers["default"] ?? {}))).toBe(false);
    expect(validate(withGroup("gpu", { ...values.workers["default"], concurrency: 0 }))).toBe(false);
    expect(validate({ ...values, workers: {} })).toBe(false);
  });

  it("sets nothing but settings that exist, to values that they take", () => {
    const inTemplates = [...templates.matchAll(/- name: ([A-Z][A-Z0-9_]+)\n/g)].map(([, name]) => name ?? "");
    expect(inTemplates.length).toBeGreaterThan(6);
    const ours = inTemplates.filter((name) => name !== "POD_IP");
    expect([...ours, ...Object.keys(values.settings)].filter((name) => !isSetting(name))).toEqual([]);
    const environment = {
      ...values.settings,
      PRODUCTION: "true",
      HOST: "0.0.0.0",
      DATABASE_URL: "postgres://db",
      JWT_SECRET: "j".repeat(32),
      ENCRYPTION_KEY: "e".repeat(32),
      ADMIN_PASSWORD: "a long password",
      METRICS_TOKEN: "token",
      APPS_ADVERTISE: "http://10.0.0.1:3100",
      WORKER_HEALTH_PORT: "3001",
    };
    expect(loadSettings({ environment })).toMatchObject({ SANDBOX: "landlock", TRUST_PROXY: 1 });
  });

  it("names every secret that production demands where it asks for the Secret", () => {
    const [, named = ""] = /# A Secret with ([^\n]+)/.exec(read(join(chart, "values.yaml"))) ?? [];
    const names = [...named.matchAll(/[A-Z_]{6,}/g)].map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(["DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEY"]));
    expect(names.filter((name) => !isSetting(name))).toEqual([]);
  });

  it("probes paths that exist, on the ports that the image and the settings have", () => {
    const readiness = () => Promise.resolve({ ready: true, checks: [], missing: [] });
    const paths = healthRoutes({ readiness }).map(({ path }) => path);
    const probed = [...templates.matchAll(/httpGet: \{ path: ([^,]+),/g)].map(([, path]) => path);
    expect(probed.length).toBeGreaterThan(3);
    expect(probed.filter((path) => !paths.includes(path ?? ""))).toEqual([]);
    expect(read(join(deploy, "../Dockerfile"))).toContain("PORT=3000");
    expect(templates).toContain("containerPort: 3000");
    // an API that is taken away when no worker lives could not tell an autoscaler that work waits
    expect(read(join(chart, "templates/api.yaml"))).not.toContain("path: /health/ready");
  });
});

describe("autoscaling", () => {
  const all = [templates, ...manifests].join("\n");

  it("asks for metrics that Headrace has", async () => {
    const group = { name: "default", waiting: 1, running: 1, delayed: 0, workers: 1, slots: 16 };
    const metrics = await readGroupMetrics({ list: () => Promise.resolve([group]) }, () => undefined);
    const asked = [...all.matchAll(/(headrace_group_[a-z_]+)\{/g)].map(([, name]) => name ?? "");
    expect(new Set(asked)).toEqual(new Set(["headrace_group_steps_waiting", "headrace_group_steps_running"]));
    for (const name of asked) expect(metrics).toContain(`${name}{group="default"} 1`);
  });

  it("asks the API for fields that a worker group has, at a path that exists", () => {
    const triggers = manifests
      .flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as ScaledObject))
      .filter(({ kind }) => kind === "ScaledObject")
      .flatMap(({ spec }) => spec.triggers);
    const [, one] = workerGroupRoutes({ groups: { list: fail, get: fail } });
    const paths = triggers.map(({ metadata }) => new URL(metadata.url).pathname);
    expect(paths.map((path) => path.replace(/[^/]+$/, ":name"))).toEqual([one?.path, one?.path]);
    expect(triggers.map(({ metadata }) => metadata.valueLocation)).toEqual(["waiting", "running"]);
    for (const { metadata } of triggers)
      expect(workerGroupSchema.shape).toHaveProperty(metadata.valueLocation);
    // another namespace's name: KEDA does not live in ours
    for (const { metadata } of triggers) expect(new URL(metadata.url).hostname).toMatch(/\.svc$/);
  });

  it("consists of manifests that parse, without doubled keys", () => {
    const documents = manifests.flatMap((text) => parseAllDocuments(text));
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
    expect(documents.map((document) => (document.toJS() as { kind: string }).kind).toSorted()).toEqual([
      "HorizontalPodAutoscaler",
      "ScaledObject",
      "Secret",
      "TriggerAuthentication",
    ]);
  });
});

interface ScaledObject {
  readonly kind: string;
  readonly spec: { readonly triggers: { readonly metadata: { url: string; valueLocation: string } }[] };
}

function fail(): never {
  throw new Error("not called");
}
