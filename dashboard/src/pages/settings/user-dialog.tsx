import { useState } from "react";
import type { User } from "../../../../src/contracts/api/users.js";
import type { Role } from "../../../../src/core/permissions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { Checkbox, Field, Input, Select } from "../../components/field.js";
import { FormFault } from "../../components/states.js";
import { ROLE_OPTIONS } from "./role-words.js";

interface UserDraft {
  readonly name: string;
  readonly email: string;
  readonly role: Role;
  readonly isActive: boolean;
  /** Empty: it stays. */
  readonly password: string;
}

/** Makes a person, or changes one. */
export function UserDialog({ user, onClose }: { readonly user: User | undefined; onClose(): void }) {
  const [draft, setDraft] = useState<UserDraft>({
    name: user?.name ?? "",
    email: user?.email ?? "",
    role: user?.role ?? "viewer",
    isActive: user?.isActive ?? true,
    password: "",
  });
  const set = (changes: Partial<UserDraft>) => setDraft((before) => ({ ...before, ...changes }));
  const { change, isBusy, fault, faultOf } = useChange();
  async function save(): Promise<void> {
    const { isActive, password, ...rest } = draft;
    const changes = { ...rest, isActive, ...(password === "" ? {} : { password }) };
    const saved = await change(
      async () =>
        user
          ? await apiRequest<object>(`/users/${user.id}`, {
              method: "PATCH",
              body: changes,
              revision: user.revision,
            })
          : await apiRequest<object>("/users", { method: "POST", body: { ...rest, password } }),
      { done: `${draft.name} is saved`, stale: [queryKeys.users] },
    );
    if (saved) onClose();
  }
  return (
    <Dialog
      title={user ? `Change ${user.name}` : "New user"}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void save()}>
            Save user
          </Button>
        </>
      }
    >
      <UserFields draft={draft} isNew={!user} set={set} faultOf={faultOf} />
      <FormFault error={fault} />
    </Dialog>
  );
}

function UserFields({
  draft,
  isNew,
  set,
  faultOf,
}: {
  readonly draft: UserDraft;
  readonly isNew: boolean;
  set(changes: Partial<UserDraft>): void;
  faultOf(path: string): string | undefined;
}) {
  return (
    <>
      <Field label="Name" isRequired fault={faultOf("/name")}>
        {(control) => (
          <Input {...control} value={draft.name} onChange={(event) => set({ name: event.target.value })} />
        )}
      </Field>
      <Field label="E-mail" isRequired fault={faultOf("/email")}>
        {(control) => (
          <Input
            {...control}
            type="email"
            value={draft.email}
            onChange={(event) => set({ email: event.target.value })}
          />
        )}
      </Field>
      <Field label="Role" fault={faultOf("/role")}>
        {(control) => (
          <Select
            {...control}
            value={draft.role}
            options={ROLE_OPTIONS}
            onChange={(event) => set({ role: event.target.value as Role })}
          />
        )}
      </Field>
      <Field
        label={isNew ? "Password" : "New password"}
        isRequired={isNew}
        hint={isNew ? "At least 8 characters." : "Empty: it stays as it is."}
        fault={faultOf("/password")}
      >
        {(control) => (
          <Input
            {...control}
            type="password"
            autoComplete="new-password"
            value={draft.password}
            onChange={(event) => set({ password: event.target.value })}
          />
        )}
      </Field>
      {!isNew && (
        <Checkbox
          label="May sign in"
          checked={draft.isActive}
          onChange={(event) => set({ isActive: event.target.checked })}
        />
      )}
    </>
  );
}
