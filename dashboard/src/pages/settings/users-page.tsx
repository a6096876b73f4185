import { Pencil, Plus, Trash2, Users } from "lucide-react";
import { useState } from "react";
import type { User } from "../../../../src/contracts/api/users.js";
import type { Role } from "../../../../src/core/permissions.js";
import { ApiError } from "../../api/problem.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useList } from "../../api/use-list.js";
import { useMay, useMe } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import { type Column, DataTable } from "../../components/data-table.js";
import { Dialog } from "../../components/dialog.js";
import { Checkbox, Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState, ErrorPanel, FormFault, Skeleton } from "../../components/states.js";
import { useDeletion } from "../../components/use-deletion.js";
import { ROLE_OPTIONS } from "./role-words.js";

/** The people who may sign in. */
export function UsersPage() {
  const { items, error, retry, more } = useList<User>(queryKeys.users, "/users");
  const mayManage = useMay("user:manage");
  const me = useMe();
  const [editing, setEditing] = useState<User | "new">();
  const [question, setQuestion] = useState<Question>();
  const add = (
    <Button variant="primary" icon={Plus} blockedBecause={mayManage.reason} onClick={() => setEditing("new")}>
      New user
    </Button>
  );
  const askDelete = useDeletion(queryKeys.users);
  const remove = (user: User): Question =>
    askDelete({
      path: `/users/${user.id}`,
      name: user.name,
      text: "Their sessions and API keys end at once. What they made stays.",
    });
  return (
    <>
      <PageHeader title="Users" actions={add} />
      <Panel isFlush>
        {error && !items ? (
          <ErrorPanel error={error} onRetry={retry} />
        ) : !items ? (
          <Skeleton lines={6} />
        ) : items.length === 0 ? (
          <EmptyState icon={Users} title="Nobody yet" action={add} />
        ) : (
          <DataTable
            label="Users"
            rows={items}
            columns={columns(me?.id, setEditing, (user) => setQuestion(remove(user)))}
            rowKey={({ id }) => id}
            more={more}
          />
        )}
      </Panel>
      {editing !== undefined && (
        <UserDialog user={editing === "new" ? undefined : editing} onClose={() => setEditing(undefined)} />
      )}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </>
  );
}

function columns(
  ownId: string | undefined,
  onEdit: (user: User) => void,
  onRemove: (user: User) => void,
): Column<User>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(140px, 1fr)",
      render: ({ name, isActive, id }) => (
        <span className={layout["iconic"]}>
          <strong className="cut">{name}</strong>
          {id === ownId && <Pill>You</Pill>}
          {!isActive && <Pill tone="wait">Inactive</Pill>}
        </span>
      ),
    },
    { id: "email", header: "E-mail", width: "minmax(160px, 1.2fr)", render: ({ email }) => email },
    { id: "role", header: "Role", width: "90px", render: ({ role }) => role },
    {
      id: "seen",
      header: "Last sign-in",
      width: "120px",
      weight: 2,
      render: ({ lastLoginAt }) => <Moment at={lastLoginAt} isRelative />,
    },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "150px",
      align: "end",
      render: (user) => (
        <span className={layout["rowActions"]}>
          <Button
            size="s"
            variant="quiet"
            icon={Pencil}
            aria-label={`Change ${user.name}`}
            onClick={() => onEdit(user)}
          >
            Change
          </Button>
          <Button
            size="s"
            variant="quiet"
            icon={Trash2}
            aria-label={`Delete ${user.name}`}
            blockedBecause={user.id === ownId ? "You cannot delete yourself." : undefined}
            onClick={() => onRemove(user)}
          />
        </span>
      ),
    },
  ];
}

function UserDialog({ user, onClose }: { readonly user: User | undefined; onClose(): void }) {
  const [draft, setDraft] = useState({
    name: user?.name ?? "",
    email: user?.email ?? "",
    role: user?.role ?? ("viewer" as Role),
    isActive: user?.isActive ?? true,
    password: "",
  });
  const set = (changes: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...changes }));
  const { change, isBusy, fault } = useChange();
  const faultOf = (path: string) =>
    fault instanceof ApiError ? fault.faults.find((each) => each.path === path)?.message : undefined;
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
        label={user ? "New password" : "Password"}
        isRequired={!user}
        hint={user ? "Empty: it stays as it is." : "At least 8 characters."}
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
      {user && (
        <Checkbox
          label="May sign in"
          checked={draft.isActive}
          onChange={(event) => set({ isActive: event.target.checked })}
        />
      )}
      <FormFault error={fault} />
    </Dialog>
  );
}
