import type { Random } from "../simulation/random.js";

/** How runs of a kind end when nobody cancels them and no approval is rejected. */
export type Expected = "succeeded" | "failed";

/** One workflow of the mix. */
export interface ChaosWorkflow {
  readonly name: string;
  readonly kind: string;
  readonly definition: object;
  readonly expected: Expected;
  /** How often it is started, beside the others. */
  readonly weight: number;
  drawInput(random: Random): object;
}

interface StepSketch {
  readonly id: string;
  readonly [more: string]: unknown;
}

/** Component that appends to the witness's file; made before the workflows. */
export const SCRIPT_COMPONENT = "chaos-script";
const RETRY = { maxAttempts: 4, backoff: "fixed", delaySeconds: 0.2, jitter: false };
const noInput = () => ({});
const items = (least: number, most: number) => (random: Random) => ({
  items: Array.from({ length: random.int(least, most) }, (_, index) => index),
});

/** Draws the workflows of one run of the suite; called ones come before those that call them. */
export function drawChaosWorkflows(
  random: Random,
  witness: { port: number; scriptFile: string },
): ChaosWorkflow[] {
  const step = (id: string, after: readonly string[] = [], more: object = {}): StepSketch => ({
    id,
    uses: "builtin:http",
    dependsOn: after,
    inputs: {
      method: { value: "POST" },
      url: {
        expression: `"http://127.0.0.1:${witness.port}/" & run.id & "/${id}/" & $string($exists(itemIndex) ? itemIndex : -1)`,
      },
    },
    ...(id.startsWith("flaky") ? { retry: RETRY } : {}),
    ...more,
  });
  const chain = (length: number): StepSketch[] =>
    Array.from({ length }, (_, at) => at)
      .map((at) => step(nameAt(random, at), []))
      .map((sketch, at, all) => ({ ...sketch, dependsOn: at === 0 ? [] : [(all[at - 1] as StepSketch).id] }));
  const noop = (id: string, after: readonly string[]) => ({ id, uses: "builtin:noop", dependsOn: after });
  const each = (id: string, most: number, more: object = {}) =>
    step(id, ["first"], { forEach: { input: "/items" }, maxParallel: most, ...more });
  return [
    workflow("chain", 14, { steps: chain(random.int(3, 6)) }),
    workflow("mapped", 6, {
      steps: [step("first"), step("second", ["first"])],
      outputs: { seen: { step: "second", output: "/body/seen" } },
    }),
    workflow("diamond", 14, { steps: drawDiamond(random, step) }),
    workflow("fan", 6, {
      steps: [
        step("first"),
        ...Array.from({ length: random.int(8, 16) }, (_, at) => step(`leaf${at}`, ["first"])),
        { ...noop("end", []), dependsOn: undefined, runAfter: "allDone" },
      ].map((sketch, _, all) =>
        sketch.id === "end" ? { ...sketch, dependsOn: all.slice(1, -1).map(({ id }) => id) } : sketch,
      ),
    }),
    workflow("graph", 12, { steps: drawGraph(random, step) }),
    workflow(
      "each",
      9,
      { steps: [step("first"), each("item", random.int(2, 5)), step("last", ["item"])] },
      items(4, 24),
    ),
    workflow(
      "some",
      5,
      { steps: [step("first"), each("some", 4, { onError: "continue" }), step("last", ["some"])] },
      items(5, 16),
    ),
    workflow("call", 6, {
      steps: [
        step("first"),
        { id: "call", uses: "workflow:chaos-chain", dependsOn: ["first"] },
        step("last", ["call"]),
      ],
    }),
    workflow(
      "calls",
      4,
      {
        steps: [
          step("first"),
          {
            id: "call",
            uses: "workflow:chaos-diamond",
            dependsOn: ["first"],
            forEach: { input: "/items" },
            maxParallel: 2,
          },
          step("last", ["call"]),
        ],
      },
      items(2, 4),
    ),
    workflow("approval", 5, {
      steps: [
        step("first"),
        { id: "ask", uses: "builtin:approval", dependsOn: ["first"] },
        step("last", ["ask"]),
      ],
    }),
    workflow("wait", 5, {
      steps: [
        step("first"),
        {
          id: "pause",
          uses: "builtin:wait",
          dependsOn: ["first"],
          inputs: { seconds: { value: random.int(1, 20) / 10 } },
        },
        step("last", ["pause"]),
      ],
    }),
    {
      ...workflow("fails", 5, {
        steps: [
          step("first"),
          step("bad", ["first"], { retry: { ...RETRY, maxAttempts: 2 } }),
          step("never", ["bad"]),
        ],
        onFailure: [step("mourn")],
        finally: [step("clean")],
      }),
      expected: "failed",
    },
    workflow("slow", 5, {
      steps: [step("first"), step("slow", ["first"]), step("last", ["slow"])],
      finally: [step("clean")],
    }),
    workflow(
      "limited",
      7,
      {
        steps: [step("first"), step("last", ["first"])],
        concurrency: { limit: random.int(2, 3), key: "input.key", onConflict: "queue" },
      },
      (draw) => ({ key: draw.pick(["red", "green"]) }),
    ),
    workflow("script", 4, {
      steps: [
        step("first"),
        {
          id: "script",
          uses: `mcp:${SCRIPT_COMPONENT}`,
          dependsOn: ["first"],
          inputs: { file: { value: witness.scriptFile }, run: { expression: "run.id" } },
        },
        step("last", ["script"]),
      ],
    }),
  ];
}

/** What the script component runs. */
export const SCRIPT_CODE = `import time

def main(file, run):
    with open(file, "a") as witness:
        witness.write(f"{run} script -1 {int(time.time() * 1000)}\\n")
    time.sleep(0.2)
    return {"run": run}
`;

function workflow(
  kind: string,
  weight: number,
  definition: object,
  drawInput: (random: Random) => object = noInput,
): ChaosWorkflow {
  return { name: `chaos-${kind}`, kind, weight, definition, expected: "succeeded", drawInput };
}

/** A step now and then fails the first time. */
function nameAt(random: Random, at: number): string {
  return random.chance(0.15) ? `flaky${at}` : `step${at}`;
}

type ToStep = (id: string, after?: readonly string[], more?: object) => StepSketch;

function drawDiamond(random: Random, step: ToStep): StepSketch[] {
  const branches = Array.from({ length: random.int(2, 6) }, (_, at) => nameAt(random, at));
  return [
    step("start"),
    ...branches.map((id) => step(id, ["start"])),
    step("join", branches),
    { id: "end", uses: "builtin:noop", dependsOn: ["join"] },
  ];
}

function drawGraph(random: Random, step: ToStep): StepSketch[] {
  const sketches: StepSketch[] = [];
  const count = random.int(5, 10);
  for (let at = 0; at < count; at += 1) {
    const after = sketches
      .map(({ id }) => id)
      .filter(() => random.chance(0.4))
      .slice(-3);
    const runAfter = after.length > 0 && random.chance(0.3) ? { runAfter: "allDone" } : {};
    sketches.push(step(nameAt(random, at), after, runAfter));
  }
  return sketches;
}
