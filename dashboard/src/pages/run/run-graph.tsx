import {
  Background,
  BackgroundVariant,
  Controls,
  type Edge,
  type Node,
  type NodeProps,
  ReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { createContext, memo, useCallback, useContext, useMemo, useState } from "react";
import type { RunGraph as Graph, StepRun } from "../../../../src/contracts/api/runs.js";
import type { StepStatus } from "../../../../src/core/statuses.js";
import { StatusIcon } from "../../components/status-badge.js";
import { formatDuration } from "../../format/duration.js";
import { layOutLayers } from "../../graph/layered-layout.js";
import type { ChosenStep } from "./chosen-step.js";
import { GraphOverview, type OverviewBox } from "./graph-overview.js";
import styles from "./run-graph.module.css";

const SIZES = { width: 208, height: 54, gapX: 64, gapY: 22 };
const PHASE_GAP = 60;
const PHASES = ["main", "onFailure", "finally"] as const;

type StepNode = Node<{ readonly uses: string }, "step">;

interface StepLook {
  readonly status: StepStatus;
  readonly durationMs: number | null;
  readonly items: number;
  /** Undefined until the steps have come: the graph is there before them. */
  readonly step: StepRun | undefined;
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
  readonly steps: readonly StepRun[] | undefined;
  readonly chosen: ChosenStep | undefined;
  onChoose(step: StepRun): void;
}) {
  const nodes = useMemo(() => placeSteps(graph), [graph]);
  const looks = useMemo(() => (steps ? toLooks(steps) : readLooks(graph)), [steps, graph]);
  const edges = useMemo(
    () =>
      graph.edges.map(
        ({ id, source, target }): Edge => ({
          id,
          source,
          target,
          className: `${styles["edge"]} ${looks.get(target)?.status === "running" ? styles["flowing"] : ""}`,
        }),
      ),
    [graph, looks],
  );
  const boxes = useMemo(() => nodes.map(({ id, position }): OverviewBox => ({ id, ...position })), [nodes]);
  const statusOf = useCallback((id: string) => looks.get(id)?.status ?? "pending", [looks]);
  const state = useMemo(() => ({ looks, chosenId: chosen?.stepId, onChoose }), [looks, chosen, onChoose]);
  const isLarge = nodes.length > MANY;
  // where it begins: a graph that is fitted into view first is drawn twice
  const [viewport] = useState(() => startAt(nodes.find(({ id }) => id === chosen?.stepId) ?? nodes[0]));
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
        {...(isLarge ? { defaultViewport: viewport } : { fitView: true })}
        fitViewOptions={{ padding: 0.12, maxZoom: 1, minZoom: isLarge ? 0.05 : 0.2 }}
        aria-label="Graph of the run"
      >
        <Background variant={BackgroundVariant.Dots} gap={20} size={1} />
        <Controls showInteractive={false} position="bottom-left" />
        {nodes.length > 12 && <GraphOverview boxes={boxes} size={SIZES} statusOf={statusOf} />}
      </ReactFlow>
    </StateContext>
  );
}

function StepBox({ id, data }: NodeProps<StepNode>) {
  const { looks, chosenId, onChoose } = useContext(StateContext);
  const look = looks.get(id);
  const status: StepStatus = look?.status ?? "pending";
  return (
    <>
      {/* Where edges begin and end, as React Flow looks for them; its own Handle listens to every move of the view. */}
      <span className={`target ${styles["end"]}`} data-handlepos="left" />
      <span className={`source ${styles["end"]} ${styles["right"]}`} data-handlepos="right" />
      <button
        type="button"
        className={`nopan ${styles["box"]} ${styles[status]}`}
        aria-pressed={chosenId === id}
        onClick={() => look?.step && onChoose(look.step)}
      >
        <StatusIcon status={status} size={16} isNamed />
        <span className={styles["text"]}>
          <span className={styles["label"]}>{id}</span>
          <span className={styles["uses"]}>{data.uses}</span>
        </span>
        <span className={styles["took"]}>
          {look && look.items > 0 && <span>×{look.items}</span>}
          {look?.durationMs != null && <span>{formatDuration(look.durationMs)}</span>}
        </span>
      </button>
    </>
  );
}

const START_ZOOM = 0.7;

/** A view that can be read, with a step near its upper left. */
function startAt(node: StepNode | undefined): { x: number; y: number; zoom: number } {
  const { x = 0, y = 0 } = node?.position ?? {};
  return { x: 80 - x * START_ZOOM, y: 120 - y * START_ZOOM, zoom: START_ZOOM };
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
  const looks = new Map<string, StepLook>();
  for (const step of steps) {
    const known = looks.get(step.stepId);
    const isItem = step.itemIndex !== undefined;
    if (known) looks.set(step.stepId, { ...known, items: known.items + (isItem ? 1 : 0) });
    else looks.set(step.stepId, { ...lookOf(step), items: isItem ? 1 : 0, step });
  }
  return looks;
}

/** As the graph itself has them, for as long as nothing newer is known. */
function readLooks({ nodes }: Graph): Map<string, StepLook> {
  return new Map(
    nodes.map(({ id, data }) => [
      id,
      { ...lookOf(data as Pick<StepRun, "status" | "durationMs">), items: 0, step: undefined },
    ]),
  );
}

function lookOf({ status, durationMs }: Pick<StepRun, "status" | "durationMs">) {
  return { status, durationMs };
}
