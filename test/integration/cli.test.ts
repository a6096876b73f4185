import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  type CommandResult,
  headrace,
  makeDataDir,
  type RunningUp,
  removeDataDir,
  startUp,
  stopUp,
} from "../support/headrace-up.js";

const dataDir = makeDataDir();
const settings = { DATA_DIR: dataDir, PORT: "0" };
const scratch = mkdtempSync(join(tmpdir(), "headrace-cli-"));
let up: RunningUp;

const run = async (...args: string[]): Promise<CommandResult> => await headrace(args, settings);

async function runJson<T>(...args: string[]): Promise<T> {
  const done = await run(...args, "--json");
  if (done.code !== 0) throw new Error(`${args.join(" ")}: exit code ${done.code}\n${done.stderr}`);
  return JSON.parse(done.stdout) as T;
}

function manifest(options: { version: string; code: string; timeoutSeconds?: number }): string {
  const file = join(scratch, "greet.yaml");
  writeFileSync(join(scratch, "greet.py"), options.code);
  const text = `kind: Mcp
name: cli-greet
mcpType: python_script
version: ${options.version}
config: { codeFile: ./greet.py, timeoutSeconds: ${options.timeoutSeconds ?? 60} }
inputSchema: { type: object, properties: { name: { type: string } }, required: [name] }
---
kind: Workflow
name: cli-greeting
definition:
  inputs: { type: object, properties: { name: { type: string } }, required: [name] }
  steps:
    - id: greet
      uses: mcp:cli-greet@${options.version}
      inputs: { name: { input: /name } }
`;
  writeFileSync(file, text);
  return file;
}

const GREET = 'def main(name):\n    print("about to greet")\n    return {"text": "Hello " + name}\n';

describe("the command line", () => {
  beforeAll(async () => {
    up = await startUp(settings);
  });

  afterAll(async () => {
    const done = await stopUp(up);
    removeDataDir(dataDir);
    rmSync(scratch, { recursive: true, force: true });
    expect(done.code).toBe(0);
  });

  describe("headrace apply", () => {
    interface Applied {
      name: string;
      version: string;
      outcome: string;
    }

    it("creates, then leaves alone what has not changed", async () => {
      const file = manifest({ version: "1.0.0", code: GREET });
      const first = await runJson<Applied[]>("apply", "-f", file);
      expect(first.map((applied) => applied.outcome)).toEqual(["created", "created"]);
      const second = await runJson<Applied[]>("apply", "-f", file);
      expect(second.map((applied) => applied.outcome)).toEqual(["unchanged", "unchanged"]);
    });

    it("makes and changes schedules", async () => {
      const file = join(scratch, "schedule.yaml");
      const apply = async (rest: string) => {
        const text = `kind: Schedule\nname: cli greetings\nworkflow: cli-greeting\ninput: { name: Ada }\n${rest}\n`;
        writeFileSync(file, text);
        return await runJson<Applied[]>("apply", "-f", file);
      };
      expect(await apply("cron: 0 9 * * 1-5")).toMatchObject([{ outcome: "created", version: "1" }]);
      expect(await apply("cron: 0 9 * * 1-5")).toMatchObject([{ outcome: "unchanged" }]);
      expect(await apply("everySeconds: 86400")).toMatchObject([{ outcome: "updated", version: "2" }]);
    });

    it("refuses to change a registered version, and says what differs", async () => {
      const done = await run("apply", "-f", manifest({ version: "1.0.0", code: `${GREET}# changed\n` }));
      expect(done.code).toBe(1);
      expect(done.stderr).toContain("cli-greet@1.0.0 is registered with another config");
      expect(done.stderr).toContain("give yours a new version number");
    });

    it("makes a new version of a workflow that has changed", async () => {
      const applied = await runJson<Applied[]>(
        "apply",
        "-f",
        manifest({ version: "1.1.0", code: `${GREET}# 1.1\n` }),
      );
      expect(applied).toMatchObject([
        { name: "cli-greet", version: "1.1.0", outcome: "updated" },
        { name: "cli-greeting", version: "2", outcome: "updated" },
      ]);
    });

    it("finds the examples registered by up", async () => {
      const applied = await runJson<Applied[]>("apply", "-f", "examples");
      expect(new Set(applied.map((entry) => entry.outcome))).toEqual(new Set(["unchanged"]));
    });

    it("names every fault of every file at once, with exit code 2", async () => {
      const file = join(scratch, "bad.yaml");
      writeFileSync(file, "kind: Mcp\nname: x\n---\nkind: Nonsense\n---\n a: [\n");
      const done = await run("apply", "-f", file);
      expect(done.code).toBe(2);
      expect(done.stderr).toMatch(/document 1/);
      expect(done.stderr).toMatch(/document 2\): kind must be/);
      expect(done.stderr).toMatch(/document 3/);
      expect(done.stderr).not.toMatch(/^\s+at /m);
    });
  });

  describe("headrace run", () => {
    interface Run {
      id: string;
      status: string;
      output: unknown;
      artifacts: { name: string }[];
    }

    it("follows a run in plain lines and prints its output", async () => {
      const done = await run("run", "cli-greeting", "--input", '{"name":"Ada"}', "--follow");
      expect(done.stderr).toBe("");
      expect(done.code).toBe(0);
      expect(done.stdout).toContain("step.started greet");
      expect(done.stdout).toContain("greet | about to greet");
      expect(done.stdout).toContain('"text": "Hello Ada"');
    });

    it("runs the main example and leaves its report as an artifact", async () => {
      const ended = await runJson<Run>("run", "city-weather", "--input", '{"fromYear":2015}', "--wait");
      expect(ended.status).toBe("succeeded");
      expect(ended.output).toMatchObject({ days: 730 });
      expect(ended.artifacts.map((artifact) => artifact.name)).toEqual(["report.html"]);
    });

    it("runs the example of retries, conditions and tolerated failures", async () => {
      const ended = await runJson<Run>("run", "climate-watch", "--wait");
      expect(ended.status).toBe("succeeded");
      expect(ended.output).toMatchObject({ summary: expect.stringContaining("not complete") as unknown });
    });

    it("exits with 1 when the run fails, and 2 when it was asked wrongly", async () => {
      const code = 'def main(name):\n    raise ValueError("no " + name)\n';
      await runJson("apply", "-f", manifest({ version: "1.2.0", code }));
      const failed = await run("run", "cli-greeting", "--input", '{"name":"x"}', "--wait");
      expect(failed.code).toBe(1);
      expect(failed.stdout).toContain("script_error in step greet");
      expect((await run("run", "cli-greeting", "--input", "{name")).code).toBe(2);
      expect((await run("run")).code).toBe(2);
      const refused = await run("run", "cli-greeting", "--input", "{}");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("/input");
      expect((await run("run", "no-such-workflow")).stderr).toContain("HTTP 404");
    });

    it("lists, prints logs and cancels", async () => {
      const code = "import time\ndef main(name):\n    print('sleeping', flush=True)\n    time.sleep(600)\n";
      await runJson("apply", "-f", manifest({ version: "1.3.0", code }));
      const started = await runJson<Run>("run", "cli-greeting", "--input", '{"name":"x"}');
      const following = headrace(["logs", started.id, "--follow"], settings);
      const listed = await runJson<Run[]>("runs", "--workflow", "cli-greeting", "--limit", "2");
      expect(listed).toHaveLength(2);
      expect(listed[0]?.id).toBe(started.id);
      const deadline = Date.now() + 20_000;
      while (!(await run("logs", started.id)).stdout.includes("greet | sleeping")) {
        if (Date.now() > deadline) throw new Error("the log line did not arrive in 20 s");
      }
      expect((await run("cancel", started.id)).code).toBe(0);
      expect((await following).stdout).toContain("sleeping");
      const [canceled] = await runJson<Run[]>("runs", "--status", "canceled");
      expect(canceled?.id).toBe(started.id);
      expect((await run("cancel", started.id)).stderr).toContain("HTTP 409");
    });
  });

  describe("headrace validate and export", () => {
    it("accepts files whose components are not registered yet, and finds faults", async () => {
      const file = manifest({ version: "9.0.0", code: GREET });
      const good = await run("validate", "-f", file);
      expect(good.stdout).toContain("apply registers it");
      expect(good.code).toBe(0);
      writeFileSync(file, readFileSync(file, "utf8").replace("input: /name", "input: name"));
      const bad = await run("validate", "-f", file);
      expect(bad.code).toBe(1);
      expect(bad.stdout).toContain("INVALID  Workflow cli-greeting");
    });

    it("exports what apply takes back unchanged", async () => {
      const file = join(scratch, "export.yaml");
      expect((await run("export", "city-weather", "-o", file)).code).toBe(0);
      const applied = await runJson<{ outcome: string }[]>("apply", "-f", file);
      expect(applied).toHaveLength(7);
      expect(new Set(applied.map((entry) => entry.outcome))).toEqual(new Set(["unchanged"]));
    });

    it("exports schedules with their workflows", async () => {
      const file = join(scratch, "schedules.yaml");
      const schedule = (name: string, when: string) =>
        `kind: Schedule\nname: ${name}\nworkflow: city-weather\n${when}\nenabled: false\ninput: { fromYear: 2013 }\n`;
      writeFileSync(
        file,
        `${schedule("cli daily", "cron: 0 6 * * *\ntimezone: Europe/Rome")}---\n${schedule("cli often", "everySeconds: 90")}`,
      );
      expect((await run("apply", "-f", file)).code).toBe(0);
      expect((await run("export", "city-weather", "-o", file)).code).toBe(0);
      const written = readFileSync(file, "utf8");
      expect(written).toContain("timezone: Europe/Rome");
      expect(written).toContain("everySeconds: 90");
      const applied = await runJson<{ kind: string; outcome: string }[]>("apply", "-f", file);
      expect(applied.filter(({ kind }) => kind === "Schedule")).toHaveLength(2);
      expect(new Set(applied.map((entry) => entry.outcome))).toEqual(new Set(["unchanged"]));
    });
  });

  describe("headrace users, migrate and doctor", () => {
    it("makes, lists and deactivates people directly on the database", async () => {
      const made = await runJson<{ email: string; password: string }>(
        "users",
        "create",
        "ada@example.com",
        "--role",
        "editor",
      );
      const login = async (password: string): Promise<number> => {
        const body = JSON.stringify({ email: "ada@example.com", password });
        const headers = { "content-type": "application/json" };
        return (await fetch(`${up.url}/api/v1/auth/login`, { method: "POST", headers, body })).status;
      };
      expect(await login(made.password)).toBe(200);
      const changed = await runJson<{ password: string }>("users", "set-password", "ada@example.com");
      expect(await login(made.password)).toBe(401);
      expect(await login(changed.password)).toBe(200);
      expect((await run("users", "deactivate", "ada@example.com")).code).toBe(0);
      expect(await login(changed.password)).toBe(401);
      expect((await run("users", "list")).stdout).toMatch(/ada@example\.com\s+\S+\s+editor\s+deactivated/);
      expect((await run("users", "activate", "ada@example.com")).code).toBe(0);
      expect(await login(changed.password)).toBe(200);
      expect((await run("users", "set-role", "ada@example.com", "operator")).stdout).toContain("operator");
      expect((await run("users", "set-role", "ada@example.com", "king")).code).toBe(2);
      expect((await run("users", "create", "ada@example.com")).stderr).toContain("taken");
      expect((await run("users", "create", "bob@example.com", "--role", "king")).code).toBe(2);
    });

    it("migrates again without doing anything", async () => {
      expect((await run("migrate")).stdout).toContain("up to date");
    });

    it("checks the machine, with a remedy for all that is wrong", async () => {
      const report = await runJson<{ checks: { state: string; remedy?: string }[] }>("doctor");
      for (const check of report.checks) if (check.state !== "ok") expect(check.remedy).toBeTruthy();
      const broken = await headrace(["doctor"], {
        ...settings,
        PYTHON: "/nowhere/python",
        REDIS_URL: "redis://127.0.0.1:1",
      });
      expect(broken.code).toBe(1);
      expect(broken.stdout).toMatch(/✖ Python/);
      expect(broken.stdout).toMatch(/✖ Redis/);
    });
  });

  describe("headrace without a server", () => {
    it("says how to start one, and never sends the local key elsewhere", async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as { port: number };
      server.close();
      const done = await headrace(["runs"], { ...settings, HEADRACE_URL: `http://127.0.0.1:${port}` });
      expect(done.code).toBe(1);
      expect(done.stderr).toContain(
        `not reachable at http://127.0.0.1:${port} (ECONNREFUSED). Start it with npm start`,
      );
      const other = await headrace(["runs"], { ...settings, HEADRACE_URL: up.url });
      expect(other.stderr).toContain("HTTP 401");
    });

    it("names a bad setting in one line, with exit code 2", async () => {
      const done = await headrace(["api"], { ...settings, PORT: "http" });
      expect(done.code).toBe(2);
      expect(done.stderr).toMatch(/^Bad setting: PORT [^\n]+\n$/);
    });
  });
});
