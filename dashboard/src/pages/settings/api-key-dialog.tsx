import { useState } from "react";
import type { CreatedApiKey } from "../../../../src/contracts/api/api-keys.js";
import type { Role } from "../../../../src/core/permissions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useMe } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { ChooseMany } from "../../components/choose-many.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Input, Select } from "../../components/field.js";
import { FormFault } from "../../components/states.js";
import { ROLE_OPTIONS } from "./role-words.js";

const ENDS = [
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
  { value: "", label: "Never" },
];

interface KeyDraft {
  readonly name: string;
  readonly role: Role;
  /** One of {@link ENDS}. */
  readonly days: string;
  /** Whether it may do less than its role. */
  readonly isNarrow: boolean;
  readonly scopes: readonly string[];
}

const EMPTY: KeyDraft = { name: "", role: "viewer", days: "90", isNarrow: false, scopes: [] };

/** Makes a key, no stronger than its owner. */
export function ApiKeyDialog({
  onClose,
  onCreated,
}: {
  onClose(): void;
  onCreated(key: CreatedApiKey): void;
}) {
  const [draft, setDraft] = useState<KeyDraft>(EMPTY);
  const set = (changes: Partial<KeyDraft>) => setDraft((before) => ({ ...before, ...changes }));
  const { change, isBusy, fault, faultOf } = useChange();
  async function create(): Promise<void> {
    const { name, role, days, scopes, isNarrow } = draft;
    const expiresAt = new Date(Date.now() + Number(days) * 86_400_000).toISOString();
    const body = {
      ...{ name, role },
      ...(days === "" ? {} : { expiresAt }),
      ...(isNarrow ? { scopes } : {}),
    };
    const key = await change(
      async () => await apiRequest<CreatedApiKey>("/auth/api-keys", { method: "POST", body }),
      { stale: [queryKeys.apiKeys] },
    );
    if (key) onCreated(key);
  }
  return (
    <Dialog
      title="New API key"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void create()}>
            Create key
          </Button>
        </>
      }
    >
      <KeyFields {...{ draft, set, faultOf }} />
      <FormFault error={fault} />
    </Dialog>
  );
}

function KeyFields({
  draft,
  set,
  faultOf,
}: {
  readonly draft: KeyDraft;
  set(changes: Partial<KeyDraft>): void;
  faultOf(path: string): string | undefined;
}) {
  const me = useMe();
  const upTo = ROLE_OPTIONS.findIndex(({ value }) => value === (me?.role ?? "viewer"));
  return (
    <>
      <Field label="Name" isRequired hint="What uses it." fault={faultOf("/name")}>
        {(control) => (
          <Input
            {...control}
            placeholder="ci pipeline"
            value={draft.name}
            onChange={(event) => set({ name: event.target.value })}
          />
        )}
      </Field>
      <Field label="Role" fault={faultOf("/role")}>
        {(control) => (
          <Select
            {...control}
            value={draft.role}
            options={ROLE_OPTIONS.slice(0, upTo + 1)}
            onChange={(event) => set({ role: event.target.value as Role })}
          />
        )}
      </Field>
      <Field label="Ends" fault={faultOf("/expiresAt")}>
        {(control) => (
          <Select
            {...control}
            value={draft.days}
            options={ENDS}
            onChange={(event) => set({ days: event.target.value })}
          />
        )}
      </Field>
      <Field label="May do" fault={faultOf("/scopes")}>
        {(control) => (
          <Select
            {...control}
            value={draft.isNarrow ? "some" : "all"}
            options={[
              { value: "all", label: "All that its role may" },
              { value: "some", label: "Only what is chosen" },
            ]}
            onChange={(event) => set({ isNarrow: event.target.value === "some" })}
          />
        )}
      </Field>
      {draft.isNarrow && (
        <ChooseMany
          label="Scopes"
          options={me?.permissions ?? []}
          value={draft.scopes}
          empty="You may do nothing that could be given on."
          onChange={(scopes) => set({ scopes })}
        />
      )}
    </>
  );
}
