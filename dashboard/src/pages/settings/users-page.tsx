import { Pencil, Plus, Trash2, Users } from "lucide-react";
import { useState } from "react";
import type { User } from "../../../../src/contracts/api/users.js";
import { queryKeys } from "../../api/query-keys.js";
import { useList } from "../../api/use-list.js";
import { useMay, useMe } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import type { Column } from "../../components/data-table.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState } from "../../components/states.js";
import { useDeletion } from "../../components/use-deletion.js";
import { UserDialog } from "./user-dialog.js";

/** The people who may sign in. */
export function UsersPage() {
  const list = useList<User>(queryKeys.users, "/users");
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
        <ListTable
          label="Users"
          list={list}
          columns={columns(me?.id, setEditing, (user) => setQuestion(remove(user)))}
          rowKey={({ id }) => id}
          empty={<EmptyState icon={Users} title="Nobody yet" action={add} />}
        />
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
