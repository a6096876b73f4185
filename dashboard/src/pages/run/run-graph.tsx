import {
  Background,
  BackgroundVariant,
  Controls,
  type Edge,
  Handle,
  MiniMap,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { createContext, memo, useContext, useMemo } from "react";
import type { RunGraph as Graph, StepRun } from "../../../../src/contracts/api/runs.js";
import type { StepStatus } from "../../../../src/core/statuses.js";
import { StatusIcon } from "../../components/status-badge.js";
import { formatDuration } from "../../format/duration.js";
import { layOutLayers } from "../../graph/layered-layout.js";
import type { ChosenStep } from "./chosen-step.js";
import styles from "./run-graph.module.css";

const SIZES = { width: 208, height: 54, gapX: 64, gapY: 22 };
const PHASE_GAP = 60;
const PHASES = ["main", "onFailure", "finally"] as const;

type StepNode = Node<{ readonly uses: string }, "step">;

interface StepLook {
  readonly step: StepRun;
  readonly items: number;
}

interface GraphState {
  readonly looks: ReadonlyMap<string, StepLook>;
  readonly chosenId: string | undefined;
  onChoose(step: StepRun): void;
}

/** Nodes read their state from here, so that a step that moves renders one box and not the graph. */
const StateContext = createContext<GraphState>({
  looks: new Map(),
  chosenId: undefined,
  onChoose: () => undefined,
});

const NODE_TYPES = { step: memo(StepBox) };
/** Graphs larger than this start at their beginning in a size that can be read. */
const MANY = 120;

/** The run's graph with the state of each step as it moves. */
export function RunGraph({
  graph,
  steps,
  chosen,
  onChoose,
}: {
  readonly graph: Graph;
  readonly steps: readonly StepRun[];
  readonly chosen: ChosenStep | undefined;
  onChoose(step: StepRun): void;
}) {
  const nodes = useMemo(() => placeSteps(graph), [graph]);
  const looks = useMemo(() => toLooks(steps), [steps]);
  const edges = useMemo(
    () =>
      graph.edges.map(
        ({ id, source, target }): Edge => ({
          id,
          source,
          target,
          className: `${styles["edge"]} ${looks.get(target)?.step.status === "running" ? styles["flowing"] : ""}`,
        }),
      ),
    [graph, looks],
  );
  const state = useMemo(() => ({ looks, chosenId: chosen?.stepId, onChoose }), [looks, chosen, onChoose]);
  const isLarge = nodes.length > MANY;
  const focus = chosen?.stepId ?? nodes[0]?.id ?? "";
  return (
    <StateContext value={state}>
      <ReactFlow
        className={styles["graph"] ?? ""}
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        onlyRenderVisibleElements={isLarge}
        minZoom={0.05}
        maxZoom={1.5}
        fitView
        fitViewOptions={
          isLarge
            ? { nodes: [{ id: focus }], minZoom: 0.7, maxZoom: 0.7 }
            : { padding: 0.12, maxZoom: 1, minZoom: 0.2 }
        }
        aria-label="Graph of the run"
      >
        <Background variant={BackgroundVariant.Dots} gap={20} size={1} />
        <Controls showInteractive={false} position="bottom-left" />
        {nodes.length > 12 && (
          <MiniMap
            pannable
            zoomable
            ariaLabel="Overview of the graph"
            nodeClassName={(node) => styles[looks.get(node.id)?.step.status ?? "pending"] ?? ""}
          />
        )}
      </ReactFlow>
    </StateContext>
  );
}

function StepBox({ id, data }: NodeProps<StepNode>) {
  const { looks, chosenId, onChoose } = useContext(StateContext);
  const look = looks.get(id);
  const status: StepStatus = look?.step.status ?? "pending";
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <button
        type="button"
        className={`nopan ${styles["box"]} ${styles[status]}`}
        aria-pressed={chosenId === id}
        onClick={() => look && onChoose(look.step)}
      >
        <StatusIcon status={status} size={16} isNamed />
        <span className={styles["text"]}>
          <span className={styles["label"]}>{id}</span>
          <span className={styles["uses"]}>{data.uses}</span>
        </span>
        <span className={styles["took"]}>
          {look && look.items > 0 && <span>×{look.items}</span>}
          {look?.step.durationMs != null && <span>{formatDuration(look.step.durationMs)}</span>}
        </span>
      </button>
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

/** Main steps, and below them those of `onFailure` and `finally`, each laid out by itself. */
function placeSteps({ nodes, edges }: Graph): StepNode[] {
  let top = 0;
  return PHASES.flatMap((phase) => {
    const own = nodes.filter(({ data }) => ((data as { phase?: string }).phase ?? "main") === phase);
    if (own.length === 0) return [];
    const places = layOutLayers(own, edges, SIZES);
    const above = top;
    top += Math.max(...[...places.values()].map(({ y }) => y)) + SIZES.height + PHASE_GAP;
    return own.map(({ id, data }): StepNode => {
      const { x, y } = places.get(id) ?? { x: 0, y: 0 };
      const size = { width: SIZES.width, height: SIZES.height };
      return {
        id,
        type: "step",
        position: { x, y: y + above },
        data: { uses: data.uses },
        ...size,
        measured: size,
      };
    });
  });
}

function toLooks(steps: readonly StepRun[]): Map<string, StepLook> {
  const looks = new Map<string, { step: StepRun; items: number }>();
  for (const step of steps) {
    const known = looks.get(step.stepId);
    if (!known) looks.set(step.stepId, { step, items: step.itemIndex === undefined ? 0 : 1 });
    else if (step.itemIndex !== undefined) known.items += 1;
  }
  return looks;
}
