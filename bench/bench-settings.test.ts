import { expect, test } from "@jest/globals";
import { readBenchSettings } from "./bench-settings.js";

test("a full run has five rounds of all workloads, a quick one three shorter ones", () => {
  expect(readBenchSettings([], {})).toMatchObject({
    rounds: 5,
    isQuick: false,
    windowMs: 5000,
    jsonTo: undefined,
  });
  expect(readBenchSettings([], {})?.workloads.map(({ id }) => id)).toEqual(["W1", "W2", "W3"]);
  expect(readBenchSettings(["--quick"], {})).toMatchObject({ rounds: 3, isQuick: true, windowMs: 2000 });
});

test("--json takes a file, or stdout without one", () => {
  expect(readBenchSettings(["--json", "out.json"], {})?.jsonTo).toBe("out.json");
  expect(readBenchSettings(["--json=out.json"], {})?.jsonTo).toBe("out.json");
  expect(readBenchSettings(["--json"], {})?.jsonTo).toBe("-");
  expect(readBenchSettings(["--json", "--quick"], {})).toMatchObject({ jsonTo: "-", isQuick: true });
});

test("some of the workloads can be chosen", () => {
  expect(readBenchSettings(["--only", "w3,W1"], {})?.workloads.map(({ id }) => id)).toEqual(["W3", "W1"]);
  expect(() => readBenchSettings(["--only", "W9"], {})).toThrow(/--only knows W1, .*not "W9"/);
  expect(readBenchSettings(["--only", "W4"], {})).toMatchObject({ workloads: [], measuresScripts: true });
  expect(readBenchSettings(["--only", "W1"], {})?.measuresScripts).toBe(false);
});

test("growth is measured when it is asked for, as a whole or by topic", () => {
  expect(readBenchSettings([], {})?.growth).toEqual([]);
  expect(readBenchSettings(["--only", "growth"], {})).toMatchObject({
    workloads: [],
    measuresScripts: false,
  });
  expect(readBenchSettings(["--only", "growth"], {})?.growth).toHaveLength(8);
  expect(readBenchSettings(["--only", "W1,disk"], {})).toMatchObject({
    growth: ["disk"],
    workloads: [{ id: "W1" }],
  });
});

test("peers are measured when they are asked for, and never in a quick run", () => {
  expect(readBenchSettings([], {})?.peers).toEqual([]);
  expect(readBenchSettings(["--peers"], {})?.peers).toEqual(["n8n", "restate", "dbos"]);
  expect(readBenchSettings(["--peers", "dbos", "--only", "W1"], {})?.peers).toEqual(["dbos"]);
  expect(() => readBenchSettings(["--peers", "zeebe"], {})).toThrow('not "zeebe"');
  expect(() => readBenchSettings(["--peers", "--quick"], {})).toThrow("--quick");
});

test("what it does not know is refused", () => {
  expect(() => readBenchSettings(["--fast"], {})).toThrow("--fast");
  expect(() => readBenchSettings(["--rounds", "0"], {})).toThrow("--rounds must be 1 to 100");
  expect(() => readBenchSettings(["--profile", "raw"], {})).toThrow('--profile knows only "headrace"');
});

test("the database may be given, help asked for", () => {
  expect(readBenchSettings([], { BENCH_DATABASE_URL: "postgres://db" })?.databaseUrl).toBe("postgres://db");
  expect(readBenchSettings([], { BENCH_DATABASE_URL: "" })?.databaseUrl).toBeUndefined();
  expect(readBenchSettings(["--help"], {})).toBeUndefined();
});
