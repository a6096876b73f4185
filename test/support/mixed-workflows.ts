import type { FaultWorld } from "./fault-world.js";

/** A workflow of the mix, and what its runs get. */
export interface MixedWorkflow {
  readonly workflow: string;
  readonly input: object;
  /** Whether somebody must approve its runs. */
  readonly isApproved: boolean;
}

const PYTHON = `import time

def main(n):
    print("working")
    time.sleep(0.3)
    return {"twice": n * 2}
`;
const TYPESCRIPT = `export default async ({ n }: { n: number }) => {
  console.log("working");
  return { twice: n * 2 };
};`;

/** Registers, over an API of any version, two components and a workflow of each kind that there has been from the start. */
export async function addMixedWorkflows(world: FaultWorld, address: string): Promise<MixedWorkflow[]> {
  world.witness.answerAfter("slow", 1500);
  for (const [name, code] of [
    ["python", PYTHON],
    ["typescript", TYPESCRIPT],
  ] as const) {
    const mcpType = `${name}_script`;
    const made = await world.call(address, "POST", "/api/v1/mcp-definitions", {
      name,
      mcpType,
      version: { version: "1.0.0", config: { type: mcpType, code, timeoutSeconds: 60 } },
    });
    if (made.status !== 201) throw new Error(JSON.stringify(made));
  }
  const workflows = drawWorkflows(world);
  for (const [name, steps] of Object.entries(workflows)) await world.addWorkflow(address, name, steps);
  return Object.keys(workflows).map((workflow) => ({
    workflow,
    input: workflow === "each" ? { items: [1, 2, 3, 4, 5] } : {},
    isApproved: workflow === "approval",
  }));
}

function drawWorkflows({ calling }: FaultWorld): Record<string, object[]> {
  const script = (name: string, after: string[]) => ({
    id: name,
    uses: `mcp:${name}`,
    dependsOn: after,
    inputs: { n: { value: 21 } },
  });
  const built = (name: string, after: string[], more: object = {}) => ({
    id: name,
    uses: `builtin:${name}`,
    dependsOn: after,
    ...more,
  });
  return {
    chain: [calling("first"), calling("slow", ["first"]), calling("last", ["slow"])],
    diamond: [
      calling("first"),
      calling("left", ["first"]),
      calling("slow", ["first"]),
      { ...calling("join", ["left", "slow"]), runAfter: "allDone" },
    ],
    each: [
      calling("first"),
      { ...calling("slow", ["first"]), forEach: { input: "/items" }, maxParallel: 2 },
      calling("last", ["slow"]),
    ],
    wait: [calling("first"), built("wait", ["first"], { inputs: { seconds: { value: 2 } } })],
    approval: [calling("first"), built("approval", ["first"]), calling("last", ["approval"])],
    scripts: [script("python", []), script("typescript", ["python"]), calling("last", ["typescript"])],
    // "chain" is registered before
    call: [
      calling("first"),
      { id: "call", uses: "workflow:chain", dependsOn: ["first"] },
      calling("last", ["call"]),
    ],
  };
}
