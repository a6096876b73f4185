import { useQuery } from "@tanstack/react-query";
import type { ExternalDb } from "../../../../src/contracts/api/external-db-configs.js";
import type { McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import type { Secret } from "../../../../src/contracts/api/secrets.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { Button } from "../../components/button.js";
import { ChooseMany } from "../../components/choose-many.js";
import { Field, Input } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { Panel } from "../../components/panel.js";
import { COMPONENT_TYPES, componentLook } from "../../format/component-types.js";
import { faultAt } from "./config-values.js";
import { type McpDraft, startOf } from "./mcp-draft.js";
import styles from "./mcp-editor.module.css";
import { nextVersions, suggestKind } from "./next-versions.js";

interface FieldsProps {
  readonly draft: McpDraft;
  onChange(changes: Partial<McpDraft>): void;
  /** Message by pointer into the request. */
  readonly faults: Readonly<Record<string, string>>;
}

/** What a new component is called, and of which type it is. */
export function AboutFields({ draft, onChange, faults }: FieldsProps) {
  return (
    <Panel title="Component">
      <div className={layout["form"]}>
        <div className={styles["types"]} role="group" aria-label="Type">
          {COMPONENT_TYPES.map((type) => {
            const { icon: Icon, label, description } = componentLook(type);
            return (
              <button
                key={type}
                type="button"
                className={styles["type"]}
                aria-pressed={draft.mcpType === type}
                onClick={() => {
                  if (draft.mcpType !== type) onChange(startOf(type));
                }}
              >
                <Icon size={17} aria-hidden />
                <strong>{label}</strong>
                <span>{description}</span>
              </button>
            );
          })}
        </div>
        {faults["/mcpType"] && <p className={styles["fault"]}>{faults["/mcpType"]}</p>}
        <div className={layout["row"]}>
          <Field
            label="Name"
            isRequired
            hint="Small letters, digits and dashes. Workflows refer to it, so it stays."
            fault={faults["/name"]}
          >
            {(control) => (
              <Input
                {...control}
                placeholder="clean-orders"
                value={draft.name}
                onChange={(event) => onChange({ name: event.target.value })}
              />
            )}
          </Field>
          <Field label="Tags" hint="Separated by commas" fault={faultAt(faults, "/tags")}>
            {(control) => (
              <Input
                {...control}
                value={draft.tags}
                onChange={(event) => onChange({ tags: event.target.value })}
              />
            )}
          </Field>
        </div>
        <Field label="Description" fault={faults["/description"]}>
          {(control) => (
            <Input
              {...control}
              value={draft.about}
              onChange={(event) => onChange({ about: event.target.value })}
            />
          )}
        </Field>
      </div>
    </Panel>
  );
}

/** The number of the version, with the ones that may follow. */
export function VersionFields({
  draft,
  onChange,
  faults,
  taken,
  base,
}: FieldsProps & { readonly taken: readonly string[]; readonly base: McpVersion | undefined }) {
  const suggested = base ? suggestKind(base, draft) : undefined;
  return (
    <Panel title="Version">
      <div className={layout["form"]}>
        <Field label="Version" isRequired fault={faults["/version"]}>
          {(control) => (
            <Input
              {...control}
              className="mono"
              value={draft.version}
              onChange={(event) => onChange({ version: event.target.value })}
            />
          )}
        </Field>
        <div className={styles["bumps"]} role="group" aria-label="Suggested versions">
          {nextVersions(taken).map(({ kind, version, meaning }) => (
            <Button
              key={kind}
              size="s"
              variant={draft.version === version ? "primary" : "secondary"}
              aria-pressed={draft.version === version}
              title={meaning}
              onClick={() => onChange({ version })}
            >
              {kind} {version}
            </Button>
          ))}
        </div>
        {suggested && (
          <p className={layout["dim"]}>
            By its inputs and outputs this is a <strong>{suggested}</strong> change of {base?.version}.
          </p>
        )}
        <Field label="What has changed" fault={faults["/description"]}>
          {(control) => (
            <Input
              {...control}
              value={draft.notes}
              onChange={(event) => onChange({ notes: event.target.value })}
            />
          )}
        </Field>
      </div>
    </Panel>
  );
}

/** The secrets and databases that a version may reach. */
export function ReachFields({ draft, onChange, faults }: FieldsProps) {
  const secrets = useQuery({
    queryKey: [...queryKeys.secrets, "names"],
    queryFn: async ({ signal }) =>
      await apiRequest<Page<Secret>>("/secrets", { query: { limit: 200 }, signal }),
  });
  const databases = useQuery({
    queryKey: [...queryKeys.databases, "names"],
    queryFn: async ({ signal }) =>
      await apiRequest<Page<ExternalDb>>("/external-db-configs", { query: { limit: 200 }, signal }),
  });
  return (
    <Panel title="May reach">
      <div className={layout["form"]}>
        <ChooseMany
          label="Secrets"
          options={secrets.data?.items.map(({ name }) => name) ?? []}
          value={draft.secrets}
          empty="There are none: add them in Settings, Secrets."
          fault={faultAt(faults, "/secrets")}
          onChange={(names) => onChange({ secrets: names })}
        />
        <ChooseMany
          label="Databases"
          options={databases.data?.items.map(({ name }) => name) ?? []}
          value={draft.externalDbConfigs}
          empty="There are none: add them in Settings, Databases."
          fault={faultAt(faults, "/externalDbConfigs")}
          onChange={(names) => onChange({ externalDbConfigs: names })}
        />
      </div>
    </Panel>
  );
}
