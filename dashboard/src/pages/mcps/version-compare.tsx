import { GitCompare } from "lucide-react";
import type { McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import { Field, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { EmptyState } from "../../components/states.js";
import { DiffView } from "../../editors/diff-view.js";
import { pairParts } from "./version-parts.js";

/** Two versions, part by part. */
export function VersionCompare({
  versions,
  version,
  against,
  onChoose,
}: {
  readonly versions: readonly McpVersion[];
  readonly version: McpVersion;
  /** Empty: the one before it. */
  readonly against: string;
  onChoose(against: string, version: string): void;
}) {
  const at = versions.indexOf(version);
  const other = versions.find((each) => each.version === against && each !== version) ?? versions[at + 1];
  const base = other ?? versions.find((each) => each !== version);
  if (!base) {
    return (
      <EmptyState icon={GitCompare} title="There is one version alone">
        Save another one: what has changed between them is shown here.
      </EmptyState>
    );
  }
  const options = versions.map((each) => ({ value: each.version, label: each.version }));
  const parts = pairParts(base, version).filter((part) => part.before !== part.after);
  return (
    <div className={layout["stack"]} style={{ paddingTop: 14 }}>
      <div className={layout["line"]}>
        <Field label="From">
          {(control) => (
            <Select
              {...control}
              value={base.version}
              options={options}
              onChange={(event) => onChoose(event.target.value, version.version)}
            />
          )}
        </Field>
        <Field label="To">
          {(control) => (
            <Select
              {...control}
              value={version.version}
              options={options}
              onChange={(event) => onChoose(base.version, event.target.value)}
            />
          )}
        </Field>
      </div>
      {parts.length === 0 && <p className={layout["note"]}>Both hold the same.</p>}
      {parts.map((part) => (
        <section key={part.id} className={layout["form"]}>
          <h2>{part.title}</h2>
          <DiffView label={part.title} language={part.language} before={part.before} after={part.after} />
        </section>
      ))}
    </div>
  );
}
