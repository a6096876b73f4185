import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "@jest/globals";
import type { JsonValue } from "../../core/json.js";
import { EvaluationError } from "../evaluation-types.js";
import { createSafeEvaluator } from "./safe-evaluator.js";

const evaluator = createSafeEvaluator();
afterAll(() => evaluator.close());

/** Whether a process is one of this evaluator's. */
function isEvaluationProcess(pid: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    return (
      parent === process.pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("evaluation-process")
    );
  } catch {
    return false;
  }
}

/** The error of a promise that must reject within `limitMs`. */
async function failureOf(promise: Promise<unknown>, limitMs = 2000): Promise<string> {
  const startedAt = Date.now();
  const outcome = await promise.then(
    (value) => `gave ${JSON.stringify(value)?.slice(0, 200)}`,
    (error: unknown) => {
      expect(error).toBeInstanceOf(EvaluationError);
      return (error as Error).message;
    },
  );
  expect(Date.now() - startedAt).toBeLessThan(limitMs);
  return outcome;
}

const bindings = {
  input: { date: "2026-01-02", rows: [{ n: 1 }, { n: 2 }], text: `${"a".repeat(41)}!` },
  steps: { load: { output: { rows: [{ name: "x" }] } }, "my-step": { output: 7 } },
};

describe("evaluate", () => {
  it.each<[string, JsonValue | undefined]>([
    ["steps.load.output.rows[0].name", "x"],
    ["input.date > '2026-01-01'", true],
    ["$sum(input.rows.n)", 3],
    ["input.rows.n", [1, 2]],
    ["input.nothing", undefined],
    ["steps.`my-step`.output", 7],
    ["{ 'a': input.rows[n = 2] }", { a: { n: 2 } }],
    ["$replace('a1b22', /[0-9]+/, '#')", "a#b#"],
    ["$match('2026-01-02', /(\\d+)-(\\d+)/).groups", ["2026", "01"]],
    ["$split('aXbxc', /x/i)", ["a", "b", "c"]],
    ["$contains('é', /^.$/)", true],
  ])("%s", async (expression, expected) => {
    expect(await evaluator.evaluate(expression, bindings)).toEqual(expected);
  });

  it("does not blame an expression for a machine that stands still", async () => {
    await evaluator.evaluate("1", bindings);
    const pids = readdirSync("/proc").filter(isEvaluationProcess).map(Number);
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    const wake = setTimeout(() => pids.forEach((pid) => process.kill(pid, "SIGCONT")), 2500);
    try {
      expect(await evaluator.evaluate("$sum(input.rows.n)", bindings)).toBe(3);
    } finally {
      clearTimeout(wake);
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
  });

  it("treats names of prototypes as data", async () => {
    const input = JSON.parse('{ "__proto__": { "x": 1 }, "constructor": "c" }') as JsonValue;
    expect(await evaluator.evaluate("input.__proto__.x", { input })).toBe(1);
    expect(await evaluator.evaluate("input.constructor", { input })).toBe("c");
    expect(await evaluator.evaluate("steps.__proto__", bindings)).toBeUndefined();
    expect(await evaluator.evaluate("steps.constructor", bindings)).toBeUndefined();
    expect(await evaluator.evaluate("$lookup(input, 'toString')", bindings)).toBeUndefined();
    await evaluator.evaluate('{ "__proto__": { "polluted": true } }', bindings);
    expect(await evaluator.evaluate("input.polluted", bindings)).toBeUndefined();
  });

  it("keeps nothing between evaluations", async () => {
    await evaluator.evaluate("($leak := 'secret'; $leak)", bindings);
    expect(await evaluator.evaluate("$leak", bindings)).toBeUndefined();
  });

  it.each([
    ["a function", "$sum", /function/],
    ["a lambda inside", "{ 'f': function($x) { $x } }", /function/],
    ["no number", "$power(10, 400)", /represented|hold/i],
    ["a wrong type", "'a' - 1", /number/i],
    ["a user's own error", "$error('nope')", /nope/],
  ])("refuses %s", async (_name, expression, message) => {
    expect(await failureOf(evaluator.evaluate(expression, bindings))).toMatch(message);
  });

  it.each([
    ["a regular expression that backtracks", "$match(input.text, /^(a+)+$/)", /gave undefined/],
    ["a padding bomb", "$length($pad('x', 3e8))", /memory|long/],
    [
      "a doubling string",
      "($d := function($s, $n) { $n = 0 ? $s : $d($s & $s, $n - 1) }; $length($d('xxxxxxxx', 60)))",
      /memory|long|deep/,
    ],
    ["endless recursion", "($f := function($x) { 1 + $f($x) }; $f(1))", /deep|long|memory/],
    ["an endless tail loop", "($f := function($x) { $f($x + 1) }; $f(1))", /long/],
    ["an array bomb", "$map([1..10000000], function($v) { [1..1000] })", /long|memory|exceed|maximum|10/i],
    ["a quadratic sort", "$sort([1..300000], function($a, $b) { $a < $b })", /long|memory/],
    ["a huge result", "[1..900000].{ 'abcdefghij': 'abcdefghijklmnop' }", /long|memory|larger/],
  ])("survives %s", async (_name, expression, message) => {
    expect(await failureOf(evaluator.evaluate(expression, bindings))).toMatch(message);
    expect(await evaluator.evaluate("1 + 1", {})).toBe(2);
  });

  it("serves others while a bomb goes off", async () => {
    const bomb = failureOf(evaluator.evaluate("($f := function($x) { $f($x + 1) }; $f(1))", {}), 3000);
    const startedAt = Date.now();
    const values = await Promise.all([1, 2, 3, 4].map((n) => evaluator.evaluate(`${n} * 2`, {})));
    expect(values).toEqual([2, 4, 6, 8]);
    expect(Date.now() - startedAt).toBeLessThan(2000);
    await bomb;
  });
});

describe("validate and inspectSchema", () => {
  const schema = {
    type: "object",
    properties: { date: { type: "string", format: "date" }, n: { type: "integer" } },
    required: ["date"],
    additionalProperties: false,
  };

  it("names every fault of a value with its pointer", async () => {
    expect(await evaluator.validate(schema, { date: "2026-01-02" })).toEqual([]);
    const faults = await evaluator.validate(schema, { n: "1", "a/b": 1 });
    expect(faults.map((fault) => fault.path).sort()).toEqual(["/a~1b", "/date", "/n"]);
    expect((await evaluator.validate(schema, { date: "2026-13-01" }))[0]?.path).toBe("/date");
  });

  it("keeps schemas with the same $id apart", async () => {
    const one = { $id: "https://x.test/s", type: "string" };
    const other = { $id: "https://x.test/s", type: "number" };
    expect(await evaluator.validate(one, "a")).toEqual([]);
    expect(await evaluator.validate(other, 1)).toEqual([]);
    expect(await evaluator.validate(other, "a")).toHaveLength(1);
  });

  it.each<[string, JsonValue, string]>([
    ["a wrong type", { properties: { a: { type: "strin" } } }, "/properties/a/type"],
    ["a remote reference", { $ref: "https://example.com/s.json" }, ""],
    ["another dialect", { $schema: "http://json-schema.org/draft-07/schema#" }, "/$schema"],
    ["an endless reference", { $ref: "#" }, ""],
    ["an async schema", { $async: true }, "/$async"],
    ["a backreference", { pattern: "(a)\\1" }, ""],
    ["too deep a schema", deepSchema(100), ""],
    ["too large a schema", { description: "x".repeat(300_000) }, ""],
  ])("refuses %s", async (_name, faulty, path) => {
    const faults = await evaluator.inspectSchema(faulty);
    expect(faults[0]?.path).toBe(path);
    expect(faults[0]?.message).not.toBe("");
  });

  it("accepts a plain schema, and patterns in linear time", async () => {
    expect(await evaluator.inspectSchema(schema)).toEqual([]);
    const startedAt = Date.now();
    const faults = await evaluator.validate({ type: "string", pattern: "^(a+)+$" }, `${"a".repeat(40)}!`);
    expect(faults).toHaveLength(1);
    expect(Date.now() - startedAt).toBeLessThan(2000);
  });

  it("ends a schema that takes too long: a fault of what was to be checked, not of the platform", async () => {
    const value = Array.from({ length: 30_000 }, (_, n) => ({ n }));
    expect(await evaluator.validate({ uniqueItems: true }, value)).toEqual([
      { path: "", message: expect.stringMatching(/schema.*too long/) },
    ]);
  });
});

describe("inspectExpression", () => {
  it.each<[string, string[]]>([
    ["steps.load.output.rows[0].name", ["load"]],
    ["$$.steps.a.output & $.steps.b.output", ["a", "b"]],
    ["$map(input.rows, function($r) { $r.n + steps.c.output })", ["c"]],
    ["steps.`my-step`.output", ["my-step"]],
    ["$lookup(steps, 'my-step').output", ["my-step"]],
    ["input.steps.load", []],
    ["input.rows[steps = 1]", []],
    ["input.rows[$$.steps.d.output = id]", ["d"]],
    ["input.rows.{ 'k': secrets, 'v': $$.steps.e.output }", ["e"]],
    ["(steps.f.output; input.x ? steps.g : steps.h)", ["f", "g", "h"]],
    ["input ~> |rows|{ 'n': steps }|", []],
    ["run.id & item.name", []],
    ["input.rows^(steps)", []],
    ["($secret := steps.a.output; $map(input, function($secrets) { $secrets & $secret }))", ["a"]],
  ])("%s reads %j", async (expression, stepIds) => {
    const facts = await evaluator.inspectExpression(expression);
    expect(facts.error).toBeUndefined();
    expect(facts.stepIds.sort()).toEqual(stepIds);
  });

  it.each([
    ["steps.[", /JSONata/],
    ["", /JSONata/],
    ["secrets.API_TOKEN", /secret/],
    ["$$.secret.x", /secret/],
    ["$secrets.API_TOKEN", /secret/],
    ["$map(input.rows, function($row) { $row & $Secret })", /secret/],
    ["$keys(steps)", /name each step/],
    ["env.HOME", /only input, steps, run and item/],
    ["items.name", /only input/],
    ["$match(input, /(a)\\1/)", /regular expression/],
  ])("refuses %s", async (expression, message) => {
    expect((await evaluator.inspectExpression(expression)).error).toMatch(message);
  });

  it.each<[string, string[]]>([
    ["item.name & $string(itemIndex)", ["item", "itemIndex"]],
    ["$$.item = 1 or $lookup(steps, 'a').item", ["item", "steps"]],
    ["input.rows[item = 1].itemIndex", ["input"]],
    ["$map(run.labels, function($v) { $v & $$.item })", ["item", "run"]],
    ["item.", []],
  ])("%s has the root names %j", async (expression, names) => {
    expect((await evaluator.inspectExpression(expression)).rootNames.sort()).toEqual(names);
  });

  it("refuses what is nested too deeply", async () => {
    expect((await evaluator.inspectExpression("(".repeat(9000))).error).toMatch(/JSONata|deep/);
    expect((await evaluator.inspectExpression("[".repeat(4000) + "]".repeat(4000))).error).toMatch(
      /deep|JSONata|time/,
    );
  });

  it("inspects thousands at once", async () => {
    const texts = Array.from({ length: 3000 }, (_, n) => `steps.s${n}.output`);
    const startedAt = Date.now();
    const facts = await evaluator.inspectExpressions(texts);
    expect(facts.map((fact) => fact.stepIds[0])).toEqual(texts.map((_, n) => `s${n}`));
    expect(Date.now() - startedAt).toBeLessThan(2000);
  });
});

function deepSchema(depth: number): JsonValue {
  let schema: JsonValue = {};
  for (let level = 0; level < depth; level += 1) schema = { not: schema };
  return schema;
}

describe("the evaluator's process", () => {
  it("dies with a killed parent, even in an endless loop", async () => {
    const program = fileURLToPath(new URL("./runtime/evaluation-process.mjs", import.meta.url));
    const parent = spawn(
      process.execPath,
      [
        "-e",
        `const child = require("node:child_process").fork(${JSON.stringify(program)}, { serialization: "advanced" });
         child.once("message", () => {
           child.send({ id: 1, kind: "evaluate", text: "($f := function($x) { $f($x + 1) }; $f(1))", bindings: {}, timeoutMs: 60000 });
           console.log(child.pid);
         });`,
      ],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    const pid = Number(String(await new Promise((resolve) => parent.stdout.once("data", resolve))));
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    const deadline = Date.now() + 5000;
    while (isAlive(pid) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isAlive(pid)).toBe(false);
  });

  it("closes, and refuses work afterwards", async () => {
    const other = createSafeEvaluator();
    expect(await other.evaluate("1", {})).toBe(1);
    await other.close();
    await other.close();
    await expect(other.evaluate("1", {})).rejects.toThrow(/closed/);
  });
});

/** Alive and not a zombie that nobody has reaped. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("renderTemplate and inspectTemplate", () => {
  it.each<[string, string]>([
    ["Hi {{ name }}{% for row in rows %} {{ row.n }}{% endfor %}", "Hi Bo 1 2"],
    ["{{ rows[0] }} {{ rows }}", '{"n":1} [{"n":1},{"n":2}]'],
    ["{% if nothing %}x{% endif %}{{ nothing | default: 'none' }}", "none"],
  ])("%s", async (template, expected) => {
    const variables = { name: "Bo", rows: [{ n: 1 }, { n: 2 }] };
    expect(await evaluator.renderTemplate(template, variables)).toBe(expected);
  });

  it.each<[string, string, RegExp]>([
    ["a variable that is not there", "{{ nope }}", /undefined variable: nope/],
    ["what prototypes have", "{{ name.constructor.name }}", /undefined variable/],
    ["the prototype itself", "{{ rows.__proto__ }}", /undefined variable/],
    ["an unknown filter", "{{ name | shout }}", /undefined filter/],
    ["a file", '{% include "package.json" %}', /cannot include/],
    ["a file as a partial", '{% render "./package.json" %}', /cannot include/],
    ["a file as a layout", '{% layout "package.json" %}', /cannot include/],
    [
      "an endless loop",
      "{% for a in (1..100000) %}{% for b in (1..100000) %}{% endfor %}{% endfor %}",
      /limit|long/,
    ],
    [
      "a doubling text",
      "{% assign a = 'xxxxxxxx' %}{% for i in (1..60) %}{% assign a = a | append: a %}{% endfor %}",
      /limit|memory/,
    ],
    [
      "a pattern that backtracks",
      "{{ name | strip_html }}{% for i in (1..99999999) %}{% endfor %}",
      /limit|memory|long/,
    ],
  ])("refuses %s", async (_name, template, message) => {
    expect(
      await failureOf(evaluator.renderTemplate(template, { name: "<".repeat(50_000), rows: [] }), 4000),
    ).toMatch(message);
    expect(await evaluator.renderTemplate("{{ a }}", { a: 1 })).toBe("1");
  });

  it("says what a template reads, or why it is none", async () => {
    expect(
      await evaluator.inspectTemplate(
        "{{ a.b }}{% assign c = d %}{{ c }}{% for x in e %}{{ x }}{% endfor %}",
      ),
    ).toEqual({
      variables: ["a", "d", "e"],
    });
    expect((await evaluator.inspectTemplate("{% if a %}")).error).toMatch(
      /is no Liquid template: .*not closed/,
    );
    expect((await evaluator.inspectTemplate('{% include "x" %}')).error).toContain("cannot include");
  });
});
