import { Plus, X } from "lucide-react";
import { useState } from "react";
import { Button } from "../../components/button.js";
import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { LinesField } from "../../components/lines-field.js";
import { Tabs } from "../../components/tabs.js";
import { CodeEditor } from "../../editors/code-editor.js";
import type { ConfigEditorProps } from "./config-editor.js";
import { faultAt, objectOf, orNone, textOf, textsOf } from "./config-values.js";
import { LimitsFields } from "./limits-fields.js";

const SOURCES = [
  { value: "code", label: "One file" },
  { value: "files", label: "Several files" },
  { value: "gitRepoUrl", label: "A git repository" },
] as const;
type Source = (typeof SOURCES)[number]["value"];

/** A Streamlit app. */
export function AppConfig({ config, onChange, faults }: ConfigEditorProps) {
  const source = SOURCES.find(({ value }) => config[value] !== undefined)?.value ?? "code";
  return (
    <div className={layout["form"]}>
      <AppBasics {...{ config, onChange, faults, source }} />
      {source === "code" && (
        <CodeEditor
          label="Code"
          language="python"
          rows={[14, 34]}
          value={textOf(config, "code")}
          fault={faults["/code"]}
          onChange={(code) => onChange({ code })}
        />
      )}
      {source === "files" && (
        <FilesEditor
          files={(objectOf(config, "files") ?? {}) as Record<string, string>}
          fault={faultAt(faults, "/files")}
          onChange={(files) => onChange({ files })}
        />
      )}
      {source === "gitRepoUrl" && (
        <Field label="Repository" hint="Read by https, without credentials." fault={faults["/gitRepoUrl"]}>
          {(control) => (
            <Input
              {...control}
              type="url"
              value={textOf(config, "gitRepoUrl")}
              onChange={(event) => onChange({ gitRepoUrl: event.target.value })}
            />
          )}
        </Field>
      )}
      <LinesField
        label="Requirements"
        hint="Packages of PyPI, one a line."
        placeholder="pandas>=2.2"
        value={textsOf(config, "requirements")}
        fault={faultAt(faults, "/requirements")}
        onChange={(requirements) => onChange({ requirements: orNone(requirements) })}
      />
      <LimitsFields
        config={config}
        onChange={onChange}
        faults={faults}
        has={["memoryMb", "idleTimeoutSeconds"]}
      />
    </div>
  );
}

function AppBasics({
  config,
  onChange,
  faults,
  source,
}: Pick<ConfigEditorProps, "config" | "onChange" | "faults"> & { readonly source: Source }) {
  const choose = (next: Source) => {
    const code = textOf(config, "code") || String(Object.values(objectOf(config, "files") ?? {})[0] ?? "");
    const none = { code: undefined, files: undefined, gitRepoUrl: undefined };
    if (next === "code") onChange({ ...none, code });
    else if (next === "files") onChange({ ...none, files: { "app.py": code } });
    else onChange({ ...none, gitRepoUrl: "https://" });
  };
  return (
    <div className={layout["row"]}>
      <Field label="Source">
        {(control) => (
          <Select
            {...control}
            value={source}
            options={SOURCES}
            onChange={(event) => choose(event.target.value as Source)}
          />
        )}
      </Field>
      <Field label="Runs" fault={faults["/mode"]}>
        {(control) => (
          <Select
            {...control}
            value={textOf(config, "mode") || "server"}
            options={[
              { value: "server", label: "On a worker" },
              { value: "browser", label: "In the reader's browser" },
            ]}
            onChange={(event) => onChange({ mode: event.target.value })}
          />
        )}
      </Field>
      <Field label="Main file" fault={faults["/mainScriptPath"]}>
        {(control) => (
          <Input
            {...control}
            placeholder="app.py"
            value={textOf(config, "mainScriptPath")}
            onChange={(event) => onChange({ mainScriptPath: event.target.value || undefined })}
          />
        )}
      </Field>
    </div>
  );
}

function FilesEditor({
  files,
  fault,
  onChange,
}: {
  readonly files: Readonly<Record<string, string>>;
  readonly fault: string | undefined;
  onChange(files: Record<string, string>): void;
}) {
  const paths = Object.keys(files);
  const [open, setOpen] = useState(paths[0] ?? "");
  const [name, setName] = useState("");
  const shown = paths.includes(open) ? open : (paths[0] ?? "");
  return (
    <div className={layout["form"]}>
      <Tabs
        label="Files"
        open={shown}
        onOpen={setOpen}
        tabs={paths.map((path) => ({
          id: path,
          label: path,
          render: () => (
            <div className={layout["form"]} style={{ paddingTop: 10 }}>
              <CodeEditor
                label={path}
                isLabelHidden
                language={path.endsWith(".py") ? "python" : "text"}
                rows={[12, 30]}
                value={files[path] ?? ""}
                fault={fault}
                onChange={(text) => onChange({ ...files, [path]: text })}
              />
              {paths.length > 1 && (
                <div>
                  <Button
                    size="s"
                    icon={X}
                    onClick={() => {
                      const { [path]: _removed, ...others } = files;
                      onChange(others);
                    }}
                  >
                    Remove {path}
                  </Button>
                </div>
              )}
            </div>
          ),
        }))}
      />
      <div className={layout["line"]}>
        <Input
          aria-label="Name of a new file"
          placeholder="pages/second.py"
          style={{ width: 220 }}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Button
          icon={Plus}
          disabled={name.trim() === "" || paths.includes(name.trim())}
          onClick={() => {
            onChange({ ...files, [name.trim()]: "" });
            setOpen(name.trim());
            setName("");
          }}
        >
          Add a file
        </Button>
      </div>
    </div>
  );
}
