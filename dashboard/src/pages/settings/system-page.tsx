import { useQuery } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import type { SystemHealth } from "../../../../src/contracts/api/dashboard.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useMay } from "../../api/use-me.js";
import { type Column, DataTable } from "../../components/data-table.js";
import layout from "../../components/layout.module.css";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";

const TONES = { ok: "good", degraded: "wait", down: "bad", unused: "idle" } as const;
const SANDBOX: Readonly<Record<string, string>> = {
  namespace: "Each step in namespaces of its own: the strongest",
  landlock: "Steps are held by the kernel to their own folder and network",
  process: "Steps are processes with limits; isolation is reduced",
  none: "Steps are not isolated",
};

/** How everything does: the parts, the workers, the sandbox, versions; and the way to the queues. */
export function SystemPage() {
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.health,
    queryFn: async ({ signal }) => await apiRequest<SystemHealth>("/dashboard/system-health", { signal }),
    refetchInterval: 10_000,
  });
  return (
    <>
      <PageHeader
        title="System"
        beside={
          data && <Pill tone={TONES[data.status]}>{data.status === "ok" ? "All is well" : data.status}</Pill>
        }
      />
      {error && !data ? (
        <ErrorPanel error={error} onRetry={() => void refetch()} />
      ) : !data ? (
        <Skeleton lines={8} />
      ) : (
        <Loaded health={data} />
      )}
    </>
  );
}

function Loaded({ health }: { readonly health: SystemHealth }) {
  const { components, sandbox, workers } = health;
  return (
    <div className={layout["stack"]}>
      <div className={layout["twoThirds"]}>
        <Panel title="Parts" isFlush>
          <DataTable label="Parts" rows={components} columns={PART_COLUMNS} rowKey={({ name }) => name} />
        </Panel>
        <div className={layout["stack"]}>
          <Panel title="Sandbox">
            <div className={layout["form"]}>
              <p>
                <strong>{sandbox.level ?? "No worker is there to tell"}</strong>
              </p>
              {sandbox.level && <p className={layout["dim"]}>{SANDBOX[sandbox.level]}</p>}
              {sandbox.reasons.map((reason) => (
                <p key={reason} className={`${layout["note"]} ${layout["warn"]}`}>
                  {reason}
                </p>
              ))}
            </div>
          </Panel>
          <OperatorLinks />
        </div>
      </div>
      <Panel title="Workers" isFlush>
        {workers.length === 0 ? (
          <p style={{ padding: 16 }}>
            None lives: steps wait until one is started, with <code>headrace worker</code>.
          </p>
        ) : (
          <DataTable label="Workers" rows={workers} columns={WORKER_COLUMNS} rowKey={({ id }) => id} />
        )}
      </Panel>
    </div>
  );
}

function OperatorLinks() {
  const mayQueues = useMay("queue:read");
  const link = (to: string, label: string) => (
    <a href={to} className={layout["iconic"]}>
      {label} <ExternalLink size={13} aria-hidden />
    </a>
  );
  return (
    <Panel title="For operators">
      <div className={layout["form"]}>
        {mayQueues.isAllowed ? (
          link("/admin/queues", "Queues (Bull Board)")
        ) : (
          <p className={layout["dim"]}>Queues: {mayQueues.reason}</p>
        )}
        {link("/docs", "API reference")}
        {link("/openapi.json", "OpenAPI document")}
        {link("/health/ready", "Readiness")}
      </div>
    </Panel>
  );
}

const PART_COLUMNS: Column<SystemHealth["components"][number]>[] = [
  { id: "name", header: "Part", width: "minmax(110px, 1fr)", render: ({ name }) => <strong>{name}</strong> },
  {
    id: "status",
    header: "State",
    width: "100px",
    render: ({ status }) => <Pill tone={TONES[status]}>{status}</Pill>,
  },
  {
    id: "detail",
    header: "Detail",
    width: "minmax(140px, 2fr)",
    render: ({ detail }) => (
      <span className={layout["dim"]} title={detail}>
        {detail ?? "–"}
      </span>
    ),
  },
  {
    id: "latency",
    header: "Answers in",
    width: "90px",
    align: "end",
    weight: 2,
    render: ({ latencyMs }) => (latencyMs === undefined ? "–" : `${Math.round(latencyMs)} ms`),
  },
];

const WORKER_COLUMNS: Column<SystemHealth["workers"][number]>[] = [
  {
    id: "host",
    header: "Worker",
    width: "minmax(150px, 1.2fr)",
    render: ({ hostname, pid }) => (
      <span>
        <strong>{hostname}</strong> <span className={layout["dim"]}>process {pid}</span>
      </span>
    ),
  },
  {
    id: "groups",
    header: "Groups",
    width: "minmax(100px, 1fr)",
    render: ({ groups }) => groups.join(", "),
  },
  {
    id: "load",
    header: "Busy",
    width: "80px",
    render: ({ running, concurrency }) => <span className="number">{`${running} / ${concurrency}`}</span>,
  },
  { id: "sandbox", header: "Sandbox", width: "110px", weight: 2, render: ({ sandboxLevel }) => sandboxLevel },
  { id: "version", header: "Version", width: "90px", weight: 2, render: ({ version }) => version },
  {
    id: "since",
    header: "Since",
    width: "110px",
    weight: 3,
    render: ({ startedAt }) => <Moment at={startedAt} isRelative />,
  },
  {
    id: "seen",
    header: "Seen",
    width: "90px",
    align: "end",
    render: ({ lastSeenAt }) => <Moment at={lastSeenAt} isRelative />,
  },
];
