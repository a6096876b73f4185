import { useMemo } from "react";
import type { McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import layout from "../../components/layout.module.css";
import { Moment } from "../../components/moment.js";
import { Fact, Facts, Panel } from "../../components/panel.js";
import { Tags } from "../../components/tags.js";
import { CodeEditor } from "../../editors/code-editor.js";
import { partsOf } from "./version-parts.js";

/** What a version holds, to be read. */
export function VersionParts({ version }: { readonly version: McpVersion }) {
  const parts = useMemo(() => partsOf(version), [version]);
  return (
    <div className={layout["stack"]} style={{ paddingTop: 14 }}>
      {parts.map((part) => (
        <CodeEditor
          key={`${version.id} ${part.id}`}
          label={part.title}
          language={part.language}
          value={part.text}
          rows={[1, 30]}
          isReadOnly
        />
      ))}
    </div>
  );
}

/** When a version was made, and what it may reach. */
export function VersionFacts({ version }: { readonly version: McpVersion }) {
  return (
    <Panel title="About this version">
      <Facts>
        {version.description && <Fact name="Notes">{version.description}</Fact>}
        <Fact name="Made">
          <Moment at={version.createdAt} />
        </Fact>
        {version.deprecatedAt && (
          <Fact name="Deprecated">
            <Moment at={version.deprecatedAt} />
          </Fact>
        )}
        <Fact name="Secrets">{version.secrets.length > 0 ? <Tags tags={version.secrets} /> : "none"}</Fact>
        <Fact name="Databases">
          {version.externalDbConfigs.length > 0 ? <Tags tags={version.externalDbConfigs} /> : "none"}
        </Fact>
        <Fact name="Refer to it as">
          <code>{`mcp:${version.name}@${version.version}`}</code>
        </Fact>
      </Facts>
    </Panel>
  );
}
