import { useQueryClient } from "@tanstack/react-query";
import { Check, X } from "lucide-react";
import { useState } from "react";
import type { StepRun, WaitingFor } from "../../../../src/contracts/api/runs.js";
import { ApiError } from "../../api/problem.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useMay } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Field, TextArea } from "../../components/field.js";
import { SchemaForm } from "../../components/schema-form.js";
import { asFormSchema, defaultsOf, faultsUnder, fieldsOf } from "../../components/schema-form-model.js";
import { FormFault } from "../../components/states.js";
import { showToast } from "../../components/toasts.js";
import styles from "./step-panel.module.css";

/** What is asked of a person, and the two answers. */
export function ApprovalForm({
  runId,
  step,
  approval,
}: {
  readonly runId: string;
  readonly step: StepRun;
  readonly approval: WaitingFor;
}) {
  const client = useQueryClient();
  const may = useMay("run:approve");
  const schema = asFormSchema(approval.form);
  const [values, setValues] = useState<unknown>(() => defaultsOf(schema));
  const [comment, setComment] = useState("");
  const [fault, setFault] = useState<unknown>();
  const [busy, setBusy] = useState<"approve" | "reject">();
  const hasForm = fieldsOf(schema).length > 0;

  async function decide(decision: "approve" | "reject"): Promise<void> {
    setBusy(decision);
    setFault(undefined);
    try {
      await apiRequest(`/workflow-runs/${runId}/steps/${encodeURIComponent(step.stepId)}/${decision}`, {
        method: "POST",
        body: {
          ...(comment.trim() === "" ? {} : { comment: comment.trim() }),
          ...(decision === "approve" && hasForm ? { values: values ?? {} } : {}),
          ...(step.itemIndex === undefined ? {} : { itemIndex: step.itemIndex }),
        },
      });
      showToast(decision === "approve" ? "Approved" : "Rejected", step.stepId);
      await client.invalidateQueries({ queryKey: queryKeys.run(runId) });
    } catch (error) {
      setFault(error);
    }
    setBusy(undefined);
  }

  return (
    <form className={styles["approval"]} onSubmit={(event) => event.preventDefault()} aria-label="Approval">
      {approval.message && <p className={styles["question"]}>{approval.message}</p>}
      <ApprovalRules approval={approval} />
      {hasForm && (
        <SchemaForm
          schema={schema}
          value={values}
          onChange={setValues}
          faults={fault instanceof ApiError ? faultsUnder(fault.faults, "/values") : {}}
        />
      )}
      <Field label="Comment">
        {(control) => (
          <TextArea
            {...control}
            rows={2}
            className={styles["comment"] ?? ""}
            value={comment}
            onChange={(event) => setComment(event.target.value)}
          />
        )}
      </Field>
      <FormFault error={fault} />
      <div className={styles["buttons"]}>
        <Button
          variant="primary"
          icon={Check}
          blockedBecause={may.reason}
          isBusy={busy === "approve"}
          onClick={() => void decide("approve")}
        >
          Approve
        </Button>
        <Button
          variant="danger"
          icon={X}
          blockedBecause={may.reason}
          isBusy={busy === "reject"}
          onClick={() => void decide("reject")}
        >
          Reject
        </Button>
      </div>
    </form>
  );
}

function ApprovalRules({ approval: { approvers, approvals = 0 } }: { readonly approval: WaitingFor }) {
  if (!approvers) return null;
  const who = [...approvers.roles, ...approvers.users].join(", ");
  return (
    <p className={styles["dim"]}>
      {approvals} of {approvers.required} approvals{who === "" ? "" : `, by ${who}`}
    </p>
  );
}
