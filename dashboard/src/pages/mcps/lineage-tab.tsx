import { Share2 } from "lucide-react";
import { lazy, Suspense } from "react";
import { Link } from "wouter";
import layout from "../../components/layout.module.css";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import type { LineageNode } from "../../../../src/contracts/api/graphs.js";
import { LINEAGE_WORDS } from "./lineage-words.js";
import { pathOfThing } from "./lineage-paths.js";
import type { LineageRead } from "./use-lineage.js";

const LineageGraph = lazy(async () => ({ default: (await import("./lineage-graph.js")).LineageGraph }));

/** What a version comes from, uses and is used by, drawn. */
export function LineageTab({ read, selfId }: { readonly read: LineageRead; readonly selfId: string }) {
  if (read.error) return <ErrorPanel error={read.error} />;
  if (!read.data) return <Skeleton lines={6} />;
  return (
    <>
      <Suspense fallback={<Skeleton lines={6} />}>
        <LineageGraph lineage={read.data} selfId={selfId} />
      </Suspense>
      {(read.data.omitted ?? []).map((words) => (
        <p key={words} className={layout["dim"]}>
          {words}
        </p>
      ))}
    </>
  );
}

const USERS = ["workflow_definition", "mcp_version", "schedule", "webhook"];

/** Who would notice if the version changed: what its lineage leads to from it. */
export function UsedBy({ read, selfId }: { readonly read: LineageRead; readonly selfId: string }) {
  if (read.error) return <ErrorPanel error={read.error} />;
  if (!read.data) return <Skeleton lines={4} />;
  const users = usersIn(read.data, selfId);
  if (users.length === 0) {
    return (
      <EmptyState icon={Share2} title="Nothing uses this version yet">
        Refer to it in a step of a workflow: it appears here by itself.
      </EmptyState>
    );
  }
  return (
    <ul className={layout["stack"]}>
      {users.map((thing) => (
        <li key={thing.id} className={layout["line"]}>
          <span className={layout["dim"]}>{LINEAGE_WORDS[thing.type] ?? thing.type}</span>
          <Thing thing={thing} />
          {thing.data.detail && <span className={layout["dim"]}>{thing.data.detail}</span>}
        </li>
      ))}
    </ul>
  );
}

function Thing({ thing }: { readonly thing: LineageNode }) {
  const path = pathOfThing(thing);
  if (path === undefined) return <strong>{thing.data.label}</strong>;
  return (
    <Link to={path} className={layout["name"]}>
      {thing.data.label}
    </Link>
  );
}

/** The things that an edge leads to from the version, and those that hang on them; other versions of it are none. */
function usersIn(lineage: NonNullable<LineageRead["data"]>, selfId: string): LineageNode[] {
  const self = lineage.nodes.find(({ data }) => data.entityId === selfId);
  const reached = new Set<string>(self ? [self.id] : []);
  const isOwnVersion = (node: LineageNode | undefined) =>
    node?.type === "mcp_version" && node.data.label.split("@")[0] === self?.data.label.split("@")[0];
  let before = -1;
  while (before !== reached.size) {
    before = reached.size;
    for (const { source, target } of lineage.edges) {
      const node = lineage.nodes.find(({ id }) => id === target);
      if (reached.has(source) && node && USERS.includes(node.type) && !isOwnVersion(node))
        reached.add(target);
    }
  }
  return lineage.nodes.filter((node) => reached.has(node.id) && node !== self);
}
