import { useState } from "react";
import type { ExternalDbTest } from "../../../../src/contracts/api/external-db-configs.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { Pill } from "../../components/pill.js";

/** Tries a connection. */
export function useDatabaseTest(id: string) {
  const [outcome, setOutcome] = useState<ExternalDbTest>();
  const { change, isBusy } = useChange();
  async function test(): Promise<void> {
    setOutcome(undefined);
    const answer = await change(
      async () => await apiRequest<ExternalDbTest>(`/external-db-configs/${id}/test`, { method: "POST" }),
      { failed: "Could not test" },
    );
    setOutcome(answer);
  }
  return { outcome, isBusy, test };
}

/** How it went. */
export function TestOutcome({ outcome }: { readonly outcome: ExternalDbTest }) {
  return (
    <span role="status" title={outcome.error ?? outcome.serverVersion}>
      {outcome.ok ? (
        <Pill tone="good">Answers in {Math.round(outcome.latencyMs)} ms</Pill>
      ) : (
        <Pill tone="bad">{outcome.error ?? "Failed"}</Pill>
      )}
    </span>
  );
}
