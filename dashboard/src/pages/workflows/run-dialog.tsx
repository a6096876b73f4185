import { useQuery } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { useState } from "react";
import type { Run } from "../../../../src/contracts/api/runs.js";
import type { Workflow, WorkflowVersion } from "../../../../src/contracts/api/workflow-definitions.js";
import { ApiError } from "../../api/problem.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { runPath } from "../../app/page-paths.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import layout from "../../components/layout.module.css";
import { PairsField } from "../../components/pairs-field.js";
import { SchemaForm } from "../../components/schema-form.js";
import { asFormSchema, defaultsOf, faultsUnder } from "../../components/schema-form-model.js";
import { ErrorPanel, FormFault, Skeleton } from "../../components/states.js";

/** Starts a run, with its input asked for by the schema of the version that it takes. */
export function RunDialog({
  workflow: name,
  version,
  onClose,
  onStarted,
}: {
  /** Name or id. */
  readonly workflow: string;
  /** Undefined: the published one. */
  readonly version?: number;
  onClose(): void;
  /** The run's page. */
  onStarted(path: string): void;
}) {
  const { data, error } = useQuery({
    queryKey: [...queryKeys.workflow(name), "to-run", version ?? "published"],
    queryFn: async ({ signal }) => {
      const path = `/workflow-definitions/${encodeURIComponent(name)}`;
      const workflow = await apiRequest<Workflow>(path, { signal });
      const number = version ?? workflow.publishedVersion ?? workflow.latestVersion;
      return await apiRequest<WorkflowVersion>(`${path}/versions/${number}`, { signal });
    },
    staleTime: 0,
  });
  if (data) return <RunForm version={data} onClose={onClose} onStarted={onStarted} />;
  return (
    <Dialog title={`Run ${name}`} onClose={onClose}>
      {error ? <ErrorPanel error={error} /> : <Skeleton />}
    </Dialog>
  );
}

function RunForm({
  version,
  onClose,
  onStarted,
}: {
  readonly version: WorkflowVersion;
  onClose(): void;
  onStarted(path: string): void;
}) {
  const { inputs } = version.definition as { readonly inputs?: unknown };
  const schema = asFormSchema(inputs);
  const [input, setInput] = useState<unknown>(() => defaultsOf(schema) ?? {});
  const [labels, setLabels] = useState<Record<string, string>>({});
  const { change, isBusy, fault } = useChange();
  const faults = fault instanceof ApiError ? faultsUnder(fault.faults, "/input") : {};
  async function start(): Promise<void> {
    const body = { workflow: version.name, version: version.version, input: input ?? {}, labels };
    const run = await change(async () => await apiRequest<Run>("/workflow-runs", { method: "POST", body }), {
      stale: [queryKeys.allRuns],
    });
    if (run) onStarted(runPath(run.id));
  }
  return (
    <Dialog
      title={`Run ${version.name}`}
      description={`Version ${version.version}${version.isPublished ? ", published" : ""}`}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" icon={Play} isBusy={isBusy} onClick={() => void start()}>
            Start run
          </Button>
        </>
      }
    >
      <form
        className={layout["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <SchemaForm schema={schema} value={input} onChange={setInput} faults={faults} />
        <PairsField label="Labels" value={labels} onChange={setLabels} />
        <FormFault error={fault} />
        <button type="submit" hidden aria-hidden tabIndex={-1} />
      </form>
    </Dialog>
  );
}
