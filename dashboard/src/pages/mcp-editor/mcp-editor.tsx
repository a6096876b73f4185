import { FlaskConical, Save } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import type { McpDefinition, McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import { useMay } from "../../api/use-me.js";
import { mcpPath, PAGE_PATHS } from "../../app/page-paths.js";
import { useShortcuts } from "../../app/shortcuts.js";
import { useLeaveWarning } from "../../app/use-leave-warning.js";
import { Button } from "../../components/button.js";
import layout from "../../components/layout.module.css";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { FormFault } from "../../components/states.js";
import { showToast } from "../../components/toasts.js";
import { SchemaEditor } from "../../editors/schema-editor.js";
import { componentLook } from "../../format/component-types.js";
import { TestPanel } from "../mcps/test-panel.js";
import { AboutFields, ReachFields, VersionFields } from "./about-fields.js";
import { ConfigEditor } from "./config-editor.js";
import { faultsBelow } from "./config-values.js";
import { faultsOf, type McpDraft } from "./mcp-draft.js";
import { McpCopilot, useHandedOver } from "./mcp-copilot.js";
import styles from "./mcp-editor.module.css";
import { nextVersions } from "./next-versions.js";
import { useMcpSave } from "./use-mcp-save.js";

/** The editor of one version. */
export function McpEditor({
  start,
  definition: existing,
  versions: known,
  base,
}: {
  readonly start: McpDraft;
  readonly definition: McpDefinition | undefined;
  readonly versions: readonly string[];
  /** The version that this one goes on from. */
  readonly base: McpVersion | undefined;
}) {
  const [draft, setDraft] = useState(start);
  const [savedDraft, setSavedDraft] = useState<McpDraft>(start);
  const save = useMcpSave(existing, known);
  useHandedOver((how) => setDraft((before) => ({ ...before, config: how(before.config) })));
  const [, navigate] = useLocation();
  const isChanged = draft !== savedDraft;
  useLeaveWarning(isChanged);
  const change = (changes: Partial<McpDraft>) => setDraft((before) => ({ ...before, ...changes }));
  const changeConfig = (changes: Record<string, unknown>) =>
    setDraft((before) => ({ ...before, config: withChanges(before.config, changes) }));

  async function submit(thenTest: boolean): Promise<void> {
    const version = await save.run(draft);
    if (!version) return;
    // the next save must have another number
    const next = nextVersions([...save.versions, version.version]);
    const kind = version.version.includes("-trial.") ? "trial" : "patch";
    const after = { ...draft, version: next.find((each) => each.kind === kind)?.version ?? draft.version };
    setDraft(after);
    setSavedDraft(after);
    showToast(`${version.name}@${version.version} is saved`);
    if (!thenTest) navigate(`${mcpPath(version.name)}?version=${encodeURIComponent(version.version)}`);
  }

  useShortcuts({ "mod+s": () => void submit(true) });
  const faults = faultsOf(save.faults);
  const isNew = save.definition === undefined;
  const title = isNew ? "New component" : (save.definition?.name ?? draft.name);
  return (
    <>
      <PageHeader
        title={title}
        documentTitle={isNew ? title : `${title} – new version`}
        crumbs={[
          { label: "Components", to: PAGE_PATHS.mcps },
          ...(save.definition ? [{ label: title, to: mcpPath(title) }] : []),
        ]}
        actions={<SaveButtons isBusy={save.isBusy} onSave={(thenTest) => void submit(thenTest)} />}
      >
        <span>{componentLook(draft.mcpType).label}</span>
        {base && <span>goes on from {base.version}</span>}
      </PageHeader>
      <div className={styles["page"]}>
        <div className={layout["stack"]}>
          <FormFault error={save.fault} />
          {isNew && <AboutFields draft={draft} onChange={change} faults={faults} />}
          <Panel title={componentLook(draft.mcpType).label}>
            <ConfigEditor
              key={draft.mcpType}
              mcpType={draft.mcpType}
              config={draft.config}
              inputSchema={draft.inputSchema}
              faults={withSlash(faultsBelow(faults, "/config"))}
              onChange={changeConfig}
            />
          </Panel>
        </div>
        <EditorSide {...{ draft, change, save, faults, base }} />
      </div>
    </>
  );
}

/** What is told about the version beside what it does. */
function EditorSide({
  draft,
  change,
  save,
  faults,
  base,
}: {
  readonly draft: McpDraft;
  change(changes: Partial<McpDraft>): void;
  readonly save: ReturnType<typeof useMcpSave>;
  readonly faults: Readonly<Record<string, string>>;
  readonly base: McpVersion | undefined;
}) {
  return (
    <div className={styles["side"]}>
      {save.last && <TestPanel key={save.last.id} version={save.last} />}
      <VersionFields
        draft={draft}
        onChange={change}
        faults={faults}
        taken={save.versions}
        base={save.last ?? base}
      />
      <Panel title="Inputs and outputs">
        <div className={layout["form"]}>
          <SchemaEditor
            label="Inputs"
            empty="None declared: steps may send anything, and forms cannot help."
            value={draft.inputSchema}
            faults={schemaFaults(faults, "/inputSchema")}
            onChange={(inputSchema) => change({ inputSchema })}
          />
          <SchemaEditor
            label="Outputs"
            empty="None declared: later steps cannot be checked against it."
            value={draft.outputSchema}
            faults={schemaFaults(faults, "/outputSchema")}
            onChange={(outputSchema) => change({ outputSchema })}
          />
        </div>
      </Panel>
      <ReachFields draft={draft} onChange={change} faults={faults} />
      <McpCopilot draft={draft} onConfig={(config) => change({ config })} />
    </div>
  );
}

function SaveButtons({ isBusy, onSave }: { readonly isBusy: boolean; onSave(thenTest: boolean): void }) {
  const mayWrite = useMay("definition:write");
  return (
    <>
      <Button icon={Save} isBusy={isBusy} blockedBecause={mayWrite.reason} onClick={() => onSave(false)}>
        Save and close
      </Button>
      <Button
        variant="primary"
        icon={FlaskConical}
        isBusy={isBusy}
        blockedBecause={mayWrite.reason}
        title="Ctrl S"
        onClick={() => onSave(true)}
      >
        Save and test
      </Button>
    </>
  );
}

function withChanges(config: McpDraft["config"], changes: Record<string, unknown>): McpDraft["config"] {
  return Object.fromEntries(
    Object.entries({ ...config, ...changes }).filter(([, value]) => value !== undefined),
  );
}

function withSlash(faults: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(faults).map(([path, message]) => [`/${path}`, message]));
}

function schemaFaults(faults: Readonly<Record<string, string>>, at: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(faults)
      .filter(([path]) => path === at || path.startsWith(`${at}/`))
      .map(([path, message]) => [path.slice(at.length), message]),
  );
}
