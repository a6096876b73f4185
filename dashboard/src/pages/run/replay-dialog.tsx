import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import type { Run } from "../../../../src/contracts/api/runs.js";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { ApiError } from "../../api/problem.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { runPath } from "../../app/page-paths.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { JsonField, SchemaForm } from "../../components/schema-form.js";
import { asFormSchema, faultsUnder, fieldsOf } from "../../components/schema-form-model.js";
import { FormFault, Skeleton } from "../../components/states.js";
import { showToast } from "../../components/toasts.js";

/** A new run of the same version with an input that starts as this run's. */
export function ReplayDialog({ run, onClose }: { readonly run: Run; onClose(): void }) {
  const [, navigate] = useLocation();
  const [input, setInput] = useState<unknown>(run.input);
  const [isJson, setJson] = useState(false);
  const [fault, setFault] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const workflow = useQuery({
    queryKey: queryKeys.workflow(run.workflow.id ?? run.workflow.name),
    queryFn: async ({ signal }) =>
      await apiRequest<Workflow>(`/workflow-definitions/${run.workflow.id ?? run.workflow.name}`, { signal }),
    retry: false,
  });
  const schema = asFormSchema((workflow.data?.definition as { inputs?: unknown } | undefined)?.inputs);
  const hasForm = fieldsOf(schema).length > 0;

  async function replay(): Promise<void> {
    setBusy(true);
    setFault(undefined);
    try {
      const next = await apiRequest<Run>(`/workflow-runs/${run.id}/replay`, {
        method: "POST",
        body: { input },
      });
      showToast("A new run has started");
      onClose();
      navigate(runPath(next.id));
    } catch (error) {
      setFault(error);
      setBusy(false);
    }
  }

  return (
    <Dialog
      title="Replay with edited input"
      description={`A new run of ${run.workflow.name} v${run.workflow.version}. Nothing of this run is reused.`}
      onClose={onClose}
      footer={
        <>
          {hasForm && (
            <Button variant="quiet" onClick={() => setJson(!isJson)}>
              {isJson ? "As a form" : "As JSON"}
            </Button>
          )}
          <Button onClick={onClose}>Keep as it is</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void replay()}>
            Replay
          </Button>
        </>
      }
    >
      {workflow.isPending ? (
        <Skeleton />
      ) : hasForm && !isJson ? (
        <SchemaForm
          schema={schema}
          value={input}
          onChange={setInput}
          faults={fault instanceof ApiError ? faultsUnder(fault.faults, "/input") : {}}
        />
      ) : (
        <JsonField label="Input (JSON)" value={input} onChange={setInput} />
      )}
      <FormFault error={fault} />
    </Dialog>
  );
}
