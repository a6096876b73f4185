/** One step of a shape, and the steps that it waits for. */
export interface ShapeStep {
  readonly id: string;
  readonly dependsOn: readonly string[];
}

/** A workflow of no-op steps: one, some in a row, or many side by side and a last one that joins them. */
export type Shape =
  | { readonly kind: "single" }
  | { readonly kind: "chain"; readonly length: number }
  | { readonly kind: "fanOut"; readonly width: number };

/** What is measured: the same shape for every contender. */
export interface Workload {
  readonly id: "W1" | "W2" | "W3";
  readonly title: string;
  readonly shape: Shape;
  /** Samples of one latency round, of a full and of a quick run. */
  readonly latencySamples: { readonly full: number; readonly quick: number };
}

/** The workloads of every run. */
export const WORKLOADS: readonly Workload[] = [
  { id: "W1", title: "1 step", shape: { kind: "single" }, latencySamples: { full: 200, quick: 60 } },
  {
    id: "W2",
    title: "10 chained steps",
    shape: { kind: "chain", length: 10 },
    latencySamples: { full: 200, quick: 40 },
  },
  {
    id: "W3",
    title: "100 parallel steps + join",
    shape: { kind: "fanOut", width: 100 },
    latencySamples: { full: 100, quick: 20 },
  },
];

/** The steps of a shape, each after those that it waits for. */
export function stepsOf(shape: Shape): ShapeStep[] {
  if (shape.kind === "single") return [{ id: "only", dependsOn: [] }];
  if (shape.kind === "chain") {
    return numbered(shape.length).map((number) => ({
      id: `step-${number}`,
      dependsOn: number === 1 ? [] : [`step-${number - 1}`],
    }));
  }
  const branches = numbered(shape.width).map((number) => ({ id: `branch-${number}`, dependsOn: [] }));
  return [...branches, { id: "join", dependsOn: branches.map((branch) => branch.id) }];
}

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
