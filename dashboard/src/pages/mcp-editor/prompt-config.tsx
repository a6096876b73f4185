import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import type { LlmProvider } from "../../../../src/contracts/api/llm-providers.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { LinesField } from "../../components/lines-field.js";
import { NumberField } from "../../components/number-field.js";
import { Panel } from "../../components/panel.js";
import { SchemaForm } from "../../components/schema-form.js";
import { asFormSchema, defaultsOf } from "../../components/schema-form-model.js";
import { Skeleton } from "../../components/states.js";
import { CodeEditor } from "../../editors/code-editor.js";
import { SchemaEditor } from "../../editors/schema-editor.js";
import type { ConfigEditorProps } from "./config-editor.js";
import { faultAt, faultsBelow, numberOf, objectOf, orNone, textOf, textsOf } from "./config-values.js";

const PromptPreview = lazy(async () => ({ default: (await import("./prompt-preview.js")).PromptPreview }));

/** A prompt to a language model, with a preview beside it. */
export function PromptConfig(props: ConfigEditorProps) {
  const { config, onChange, faults, inputSchema } = props;
  const form = asFormSchema(inputSchema);
  const [sample, setSample] = useState<unknown>(() => defaultsOf(form) ?? {});
  const inputNames = Object.keys(form.properties ?? {});
  return (
    <div className={layout["form"]}>
      <ModelFields {...props} />
      <CodeEditor
        label="System prompt"
        language="markdown"
        rows={[2, 12]}
        value={textOf(config, "systemPrompt")}
        fault={faults["/systemPrompt"]}
        onChange={(text) => onChange({ systemPrompt: text || undefined })}
      />
      <CodeEditor
        label="Prompt"
        language="markdown"
        rows={[6, 24]}
        value={textOf(config, "userPromptTemplate")}
        fault={faults["/userPromptTemplate"]}
        hint="A Liquid template: {{ name }} stands for an input, {% for row in rows %} … {% endfor %} repeats."
        complete={(context) => {
          const word = context.matchBefore(/\{\{\s*\w*$/);
          if (!word) return null;
          const from = word.from + (/^\{\{\s*/.exec(word.text)?.[0].length ?? 0);
          return { from, options: inputNames.map((label) => ({ label, type: "variable" })) };
        }}
        onChange={(userPromptTemplate) => onChange({ userPromptTemplate })}
      />
      <Panel title="Preview">
        <div className={layout["form"]}>
          {inputNames.length > 0 && <SchemaForm schema={form} value={sample} onChange={setSample} />}
          <Suspense fallback={<Skeleton />}>
            <PromptPreview
              template={textOf(config, "userPromptTemplate")}
              systemPrompt={textOf(config, "systemPrompt")}
              inputs={sample}
              inputSchema={inputSchema}
            />
          </Suspense>
        </div>
      </Panel>
      <AnswerFields {...props} />
    </div>
  );
}

function ModelFields({ config, onChange, faults }: ConfigEditorProps) {
  const providers = useQuery({
    queryKey: queryKeys.providers,
    queryFn: async ({ signal }) => await apiRequest<Page<LlmProvider>>("/llm-providers", { signal }),
    staleTime: 60_000,
  });
  const items = providers.data?.items ?? [];
  const models = items.flatMap((provider) => provider.models.map(({ name }) => name));
  return (
    <div className={layout["row"]}>
      <Field label="Model" isRequired fault={faults["/model"]}>
        {(control) => (
          <>
            <Input
              {...control}
              list={`${control.id}-models`}
              value={textOf(config, "model")}
              onChange={(event) => onChange({ model: event.target.value })}
            />
            <datalist id={`${control.id}-models`}>
              {models.map((name) => (
                <option key={name} value={name} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      <Field label="Provider" fault={faults["/provider"]}>
        {(control) => (
          <Select
            {...control}
            value={textOf(config, "provider")}
            options={[
              { value: "", label: "The default one" },
              ...items.map(({ name }) => ({ value: name, label: name })),
            ]}
            onChange={(event) => onChange({ provider: event.target.value || undefined })}
          />
        )}
      </Field>
    </div>
  );
}

function AnswerFields({ config, onChange, faults }: ConfigEditorProps) {
  const format = objectOf(config, "responseFormat");
  const isJson = format?.["type"] === "json_schema";
  const number = (name: string, label: string, placeholder: string) => (
    <NumberField
      label={label}
      placeholder={placeholder}
      value={numberOf(config, name)}
      fault={faults[`/${name}`]}
      onChange={(value) => onChange({ [name]: value })}
    />
  );
  return (
    <>
      <div className={layout["row"]}>
        {number("temperature", "Temperature", "the model's own")}
        {number("maxTokens", "Most tokens", "the model's own")}
        {number("topP", "Top P", "the model's own")}
        {number("timeoutSeconds", "Time limit (seconds)", "600")}
      </div>
      <LinesField
        label="Tools"
        hint="Components that the model may call, one a line."
        placeholder="mcp:lookup-customer@1.0.0"
        value={textsOf(config, "tools")}
        fault={faultAt(faults, "/tools")}
        onChange={(tools) => onChange({ tools: orNone(tools) })}
      />
      <Field label="Answer">
        {(control) => (
          <Select
            {...control}
            value={isJson ? "json_schema" : "text"}
            options={[
              { value: "text", label: "Text" },
              { value: "json_schema", label: "JSON by a schema" },
            ]}
            onChange={(event) =>
              onChange({
                responseFormat:
                  event.target.value === "json_schema"
                    ? { type: "json_schema", schema: { type: "object", properties: {} } }
                    : undefined,
              })
            }
          />
        )}
      </Field>
      {isJson && (
        <SchemaEditor
          label="Schema of the answer"
          empty="No field yet: the model may answer any object."
          value={format["schema"] as Record<string, unknown>}
          faults={faultsBelow(faults, "/responseFormat/schema")}
          onChange={(schema) =>
            onChange({ responseFormat: { type: "json_schema", schema: schema ?? { type: "object" } } })
          }
        />
      )}
    </>
  );
}
