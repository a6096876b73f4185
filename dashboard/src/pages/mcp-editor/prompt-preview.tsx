import { useMemo } from "react";
import { CodeBlock } from "../../components/code-block.js";
import layout from "../../components/layout.module.css";
import type { Schema } from "./mcp-draft.js";
import { renderPrompt, variablesOf } from "./render-prompt.js";

/** A prompt as the model will read it, with sample inputs, while it is written. */
export function PromptPreview({
  template,
  systemPrompt,
  inputs,
  inputSchema,
}: {
  readonly template: string;
  readonly systemPrompt: string;
  readonly inputs: unknown;
  readonly inputSchema: Schema | undefined;
}) {
  const variables = useMemo(
    () => [...new Set([...variablesOf(template), ...variablesOf(systemPrompt)])],
    [template, systemPrompt],
  );
  const rendered = useMemo(() => renderPrompt(template, inputs), [template, inputs]);
  const known = Object.keys((inputSchema?.["properties"] ?? {}) as object);
  const unknown = variables.filter((name) => !known.includes(name));
  return (
    <div className={layout["form"]}>
      {variables.length > 0 && (
        <p className={layout["dim"]}>
          Inputs it asks for:{" "}
          {variables.map((name) => (
            <code key={name}>{name} </code>
          ))}
        </p>
      )}
      {unknown.length > 0 && (
        <p className={`${layout["note"]} ${layout["warn"]}`}>
          The input schema does not have {unknown.join(", ")}.
        </p>
      )}
      {"text" in rendered ? (
        <CodeBlock label="Prompt with the sample inputs" text={rendered.text} isWrapped />
      ) : (
        <CodeBlock label="Why it cannot be filled" text={rendered.fault} tone="bad" isWrapped />
      )}
    </div>
  );
}
