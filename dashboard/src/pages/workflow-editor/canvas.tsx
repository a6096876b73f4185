import {
  Background,
  type Connection,
  Controls,
  type Edge,
  MarkerType,
  MiniMap,
  type NodeChange,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useEffect, useMemo } from "react";
import { useIsDark } from "../../app/theme.js";
import styles from "./canvas.module.css";
import { edgesOf, type PlacedStep } from "./definition-model.js";
import { DRAG_TYPE } from "./drag-type.js";
import { type Places, STEP_SIZE } from "./layout-steps.js";
import { StepNode, type StepNodeType } from "./step-node.js";

/** What the canvas shows, and whom it tells. */
export interface CanvasProps {
  readonly steps: readonly PlacedStep[];
  readonly places: Places;
  readonly selected: ReadonlySet<string>;
  /** Counts of faults by step key. */
  readonly faults: ReadonlyMap<string, number>;
  mcpTypeOf(uses: string): string | undefined;
  /** Changes when all should come into view. */
  readonly fitKey: number;
  /** To be looked at: nothing can be moved, connected or deleted. */
  readonly isReadOnly?: boolean;
  onPlaces?(changes: Places): void;
  onSelect?(keys: ReadonlySet<string>): void;
  onConnect?(source: string, target: string): void;
  onDelete?(steps: ReadonlySet<string>, edges: readonly { source: string; target: string }[]): void;
  onDrop?(uses: string, at: { readonly x: number; readonly y: number }): void;
}

const NODE_TYPES = { step: StepNode };

/** The steps as a graph that can be changed. */
export function Canvas(props: CanvasProps) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}

function Flow({
  steps,
  places,
  selected,
  faults,
  mcpTypeOf,
  fitKey,
  isReadOnly = false,
  ...on
}: CanvasProps) {
  const isDark = useIsDark();
  const { fitView, screenToFlowPosition } = useReactFlow();
  useEffect(() => {
    const frame = requestAnimationFrame(() => void fitView({ padding: 0.2, maxZoom: 1 }));
    return () => cancelAnimationFrame(frame);
  }, [fitKey, fitView]);
  const nodes = useNodes({ steps, places, selected, faults, mcpTypeOf });
  const edges = useEdges(steps);
  function onNodesChange(changes: NodeChange<StepNodeType>[]): void {
    const moved: Record<string, { x: number; y: number }> = {};
    let chosen: Set<string> | undefined;
    for (const change of changes) {
      if (change.type === "position" && change.position) moved[change.id] = change.position;
      if (change.type !== "select") continue;
      chosen ??= new Set(selected);
      if (change.selected) chosen.add(change.id);
      else chosen.delete(change.id);
    }
    if (Object.keys(moved).length > 0) on.onPlaces?.(moved);
    if (chosen) on.onSelect?.(chosen);
  }
  return (
    <div className={styles["canvas"]} data-canvas>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        colorMode={isDark ? "dark" : "light"}
        minZoom={0.15}
        maxZoom={1.6}
        fitView
        fitViewOptions={{ padding: 0.2, maxZoom: 1 }}
        deleteKeyCode={isReadOnly ? null : ["Delete", "Backspace"]}
        nodesDraggable={!isReadOnly}
        nodesConnectable={!isReadOnly}
        elementsSelectable={!isReadOnly}
        preventScrolling={!isReadOnly}
        proOptions={{ hideAttribution: true }}
        onNodesChange={onNodesChange}
        onConnect={({ source, target }: Connection) => on.onConnect?.(source, target)}
        onDelete={({ nodes: goneNodes, edges: goneEdges }) =>
          on.onDelete?.(
            new Set(goneNodes.map(({ id }) => id)),
            goneEdges.map(({ source, target }) => ({ source, target })),
          )
        }
        onDragOver={(event) => {
          event.preventDefault();
          event.dataTransfer.dropEffect = "copy";
        }}
        onDrop={(event) => {
          const uses = event.dataTransfer.getData(DRAG_TYPE);
          if (uses === "") return;
          event.preventDefault();
          const at = screenToFlowPosition({ x: event.clientX, y: event.clientY });
          on.onDrop?.(uses, { x: at.x - STEP_SIZE.width / 2, y: at.y - STEP_SIZE.height / 2 });
        }}
      >
        <Background gap={20} />
        <Controls showInteractive={false} />
        {steps.length > 12 && <MiniMap pannable zoomable ariaLabel="Overview" />}
      </ReactFlow>
    </div>
  );
}

function useNodes({
  steps,
  places,
  selected,
  faults,
  mcpTypeOf,
}: Pick<CanvasProps, "steps" | "places" | "selected" | "faults" | "mcpTypeOf">): StepNodeType[] {
  return useMemo(
    () =>
      steps.map((placed): StepNodeType => {
        const uses = String(placed.step["uses"] ?? "");
        const faultCount = faults.get(placed.key) ?? 0;
        return {
          id: placed.key,
          type: "step",
          ...STEP_SIZE,
          position: places[placed.key] ?? { x: 0, y: 0 },
          selected: selected.has(placed.key),
          data: { placed, uses, mcpType: mcpTypeOf(uses), faultCount },
          ariaLabel: `Step ${placed.id}, ${uses}${faultCount > 0 ? `, ${faultCount} faults` : ""}`,
        };
      }),
    [steps, places, selected, faults, mcpTypeOf],
  );
}

function useEdges(steps: readonly PlacedStep[]): Edge[] {
  return useMemo(
    () =>
      edgesOf(steps).map(
        ({ source, target, how, inputs }): Edge => ({
          id: `${source}->${target}`,
          source,
          target,
          label: inputs.join(", "),
          markerEnd: { type: MarkerType.ArrowClosed },
          className: how === "order" ? (styles["order"] ?? "") : "",
          ariaLabel: `${target} waits for ${source}${inputs.length > 0 ? `, for ${inputs.join(", ")}` : ""}`,
        }),
      ),
    [steps],
  );
}
