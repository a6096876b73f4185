import { Background, Controls, Handle, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useMemo } from "react";
import { useLocation } from "wouter";
import { useIsDark } from "../../app/theme.js";
import styles from "./lineage-graph.module.css";
import { pathOfThing } from "./lineage-paths.js";
import type { Lineage, LineageNode } from "../../../../src/contracts/api/graphs.js";
import { LINEAGE_WORDS } from "./lineage-words.js";

type ThingNode = Node<{ readonly thing: LineageNode; readonly isSelf: boolean }, "thing">;
const NODE_TYPES = { thing: Thing };

/** The lineage as a graph, with the places that the server gave; a click leads to the thing. */
export function LineageGraph({ lineage, selfId }: { readonly lineage: Lineage; readonly selfId: string }) {
  const isDark = useIsDark();
  const [, navigate] = useLocation();
  const nodes = useMemo(
    () =>
      lineage.nodes.map((thing): ThingNode => {
        const isSelf = thing.data.entityId === selfId;
        return {
          ...{ id: thing.id, type: "thing", position: { ...thing.position }, data: { thing, isSelf } },
          ...(thing.width === undefined ? {} : { width: thing.width }),
          ariaLabel: `${LINEAGE_WORDS[thing.type] ?? thing.type} ${thing.data.label}`,
        };
      }),
    [lineage, selfId],
  );
  const edges = useMemo(
    () => lineage.edges.map(({ id, source, target, label }) => ({ id, source, target, label: label ?? "" })),
    [lineage],
  );
  return (
    <div className={styles["graph"]}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        colorMode={isDark ? "dark" : "light"}
        fitView
        fitViewOptions={{ padding: 0.15, maxZoom: 1 }}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        minZoom={0.2}
        proOptions={{ hideAttribution: true }}
        onNodeClick={(_event, node) => {
          const path = pathOfThing(node.data.thing);
          if (path) navigate(path);
        }}
      >
        <Background gap={20} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

function Thing({ data: { thing, isSelf } }: NodeProps<ThingNode>) {
  return (
    <div className={`${styles["thing"]} ${isSelf ? styles["self"] : ""}`}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <span className={styles["kind"]}>{LINEAGE_WORDS[thing.type] ?? thing.type}</span>
      <strong className="cut">{thing.data.label}</strong>
      {thing.data.detail && <span className={`${styles["detail"]} cut`}>{thing.data.detail}</span>}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
}
