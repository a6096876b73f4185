import { useState } from "react";
import type { DbType, ExternalDb } from "../../../../src/contracts/api/external-db-configs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { Checkbox, Field, Input, Select } from "../../components/field.js";
import { JsonField } from "../../components/schema-form.js";
import { FormFault } from "../../components/states.js";
import { DATABASE_FIELDS, DATABASE_LABELS } from "./database-fields.js";

/** Makes a database, or changes one. Passwords and keys go in and never come out. */
export function DatabaseDialog({
  database,
  onClose,
  onSaved,
}: {
  readonly database: ExternalDb | undefined;
  onClose(): void;
  onSaved(database: ExternalDb): void;
}) {
  const [dbType, setType] = useState<DbType>(database?.dbType ?? "postgresql");
  const [name, setName] = useState(database?.name ?? "");
  const [values, setValues] = useState<Readonly<Record<string, string>>>(() => startOf(database));
  const [ssl, setSsl] = useState(database?.ssl !== undefined && database.ssl !== false);
  const [credentials, setCredentials] = useState<unknown>();
  const { change, isBusy, fault, faultOf } = useChange();
  const fields = DATABASE_FIELDS[dbType];
  const hasServer = fields.some((field) => field.name === "host");

  async function save(): Promise<void> {
    const body = bodyOf({ database, fields, name, values, ssl, credentials });
    const saved = await change(
      async () =>
        database
          ? await apiRequest<ExternalDb>(`/external-db-configs/${database.id}`, {
              method: "PATCH",
              body,
              revision: database.revision,
            })
          : await apiRequest<ExternalDb>("/external-db-configs", {
              method: "POST",
              body: { ...body, dbType },
            }),
      { done: `${name} is saved`, stale: [queryKeys.databases] },
    );
    if (saved) onSaved(saved);
  }

  return (
    <Dialog
      title={database ? `Change ${database.name}` : "New database"}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void save()}>
            Save database
          </Button>
        </>
      }
    >
      {!database && (
        <Field label="Type">
          {(control) => (
            <Select
              {...control}
              value={dbType}
              options={(Object.keys(DATABASE_LABELS) as DbType[]).map((value) => ({
                value,
                label: DATABASE_LABELS[value],
              }))}
              onChange={(event) => setType(event.target.value as DbType)}
            />
          )}
        </Field>
      )}
      <Field label="Name" isRequired hint="What steps and components call it." fault={faultOf("/name")}>
        {(control) => <Input {...control} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <ServerFields {...{ fields, database, values, faultOf }} onChange={setValues} />
      {hasServer && (
        <Checkbox
          label="Encrypt the connection (TLS)"
          checked={ssl}
          onChange={(event) => setSsl(event.target.checked)}
        />
      )}
      {dbType === "bigquery" && (
        <JsonField
          label="Key of a service account (JSON)"
          value={undefined}
          hint={database?.hasCredentials ? "Stored. Empty: it stays." : "Not shown again."}
          fault={faultOf("/credentials")}
          onChange={setCredentials}
        />
      )}
      <FormFault error={fault} />
    </Dialog>
  );
}

/** What is sent: of a database that there is, empty fields are taken away, but for what is never shown. */
function bodyOf({
  database,
  fields,
  name,
  values,
  ssl,
  credentials,
}: {
  readonly database: ExternalDb | undefined;
  readonly fields: readonly { readonly name: string }[];
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
  readonly ssl: boolean;
  readonly credentials: unknown;
}): Record<string, unknown> {
  const given = fields.flatMap((field): [string, unknown][] => {
    const text = values[field.name] ?? "";
    if (text !== "") return [[field.name, field.name === "port" ? Number(text) : text]];
    return database && field.name !== "password" ? [[field.name, null]] : [];
  });
  // what the form cannot say (a certificate) stays as it is while the box is left as it was
  const wasSsl = database?.ssl !== undefined && database.ssl !== false;
  const hasServer = fields.some((field) => field.name === "host");
  return {
    name,
    ...Object.fromEntries(given),
    ...(hasServer && ssl !== wasSsl ? { ssl } : {}),
    ...(credentials === undefined ? {} : { credentials }),
  };
}

function ServerFields({
  fields,
  database,
  values,
  faultOf,
  onChange,
}: {
  readonly fields: (typeof DATABASE_FIELDS)[DbType];
  readonly database: ExternalDb | undefined;
  readonly values: Readonly<Record<string, string>>;
  faultOf(path: string): string | undefined;
  onChange(values: Readonly<Record<string, string>>): void;
}) {
  return fields.map((field) => (
    <Field
      key={field.name}
      label={field.label}
      isRequired={field.isRequired ?? false}
      hint={hintOf(field, database)}
      fault={faultOf(`/${field.name}`)}
    >
      {(control) => (
        <Input
          {...control}
          type={field.name === "password" ? "password" : "text"}
          inputMode={field.name === "port" ? "numeric" : undefined}
          autoComplete={field.name === "password" ? "new-password" : "off"}
          value={values[field.name] ?? ""}
          onChange={(event) => onChange({ ...values, [field.name]: event.target.value })}
        />
      )}
    </Field>
  ));
}

function startOf(database: ExternalDb | undefined): Record<string, string> {
  const { host, port, databaseName, username, projectId, dataset } = database ?? {};
  const held = { host, port, databaseName, username, projectId, dataset };
  return Object.fromEntries(
    Object.entries(held).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

function hintOf(
  field: { readonly name: string; readonly hint?: string },
  database: ExternalDb | undefined,
): string | undefined {
  if (field.name !== "password") return field.hint;
  return database?.hasPassword
    ? "Stored. Empty: it stays; asked for again when the host changes."
    : "Not shown again.";
}
