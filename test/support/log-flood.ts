import type { FaultWorld } from "./fault-world.js";

/** How a step floods its log. */
export interface LogFlood {
  readonly name: string;
  readonly steps: number;
  readonly linesPerSecond: number;
  readonly seconds: number;
  /** Characters of a line. */
  readonly width: number;
}

/** Registers a workflow of steps side by side, each of which writes that many lines a second. */
export async function addFloodWorkflow(world: FaultWorld, address: string, flood: LogFlood): Promise<void> {
  const { name, steps, linesPerSecond, seconds, width } = flood;
  const code = `
    export default async () => {
      const total = ${linesPerSecond * seconds};
      const startedAt = performance.now();
      for (let written = 0; written < total; ) {
        const due = Math.min(total, Math.ceil(((performance.now() - startedAt) * ${linesPerSecond}) / 1000));
        for (; written < due; written += 1) console.log(String(written).padEnd(${width}, "."));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return { total };
    };`;
  const made = await world.call(address, "POST", "/api/v1/mcp-definitions", {
    name,
    mcpType: "typescript_script",
    version: { version: "1.0.0", config: { type: "typescript_script", code, timeoutSeconds: 300 } },
  });
  if (made.status !== 201) throw new Error(JSON.stringify(made));
  const uses = `mcp:${name}`;
  const list = Array.from({ length: steps }, (_, index) => ({ id: `flood-${index}`, uses }));
  await world.addWorkflow(address, name, list);
}
