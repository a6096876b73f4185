import { useState } from "react";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { asRecord, asTexts, type PlacedStep } from "./definition-model.js";
import { pointersOf } from "./pointer-options.js";
import type { Catalog } from "./use-catalog.js";

/** Asks what a new edge means: an order alone, or an input that comes along it. */
export function ConnectDialog({
  source,
  target,
  catalog,
  onConnect,
  onClose,
}: {
  readonly source: PlacedStep;
  readonly target: PlacedStep;
  readonly catalog: Catalog;
  onConnect(mapping: { readonly input: string; readonly output: string } | undefined): void;
  onClose(): void;
}) {
  const schema = catalog.usedBy(String(target.step["uses"] ?? "")).inputSchema;
  const mapped = Object.keys(asRecord(target.step["inputs"]));
  const open = Object.keys(asRecord(schema?.["properties"])).filter((name) => !mapped.includes(name));
  const needed = asTexts(schema?.["required"]).find((name) => open.includes(name));
  const outputs = pointersOf(catalog.usedBy(String(source.step["uses"] ?? "")).outputSchema);
  const [input, setInput] = useState(needed ?? "");
  const [output, setOutput] = useState(outputs.find((pointer) => pointer === `/${needed}`) ?? "");
  return (
    <Dialog
      title={`${target.id} waits for ${source.id}`}
      description="An edge may carry a value along, or be an order and nothing more."
      size="s"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" onClick={() => onConnect(input === "" ? undefined : { input, output })}>
            Connect
          </Button>
        </>
      }
    >
      <div className={layout["form"]}>
        <Field label={`Input of ${target.id}`}>
          {(control) => (
            <Select
              {...control}
              value={input}
              options={[
                { value: "", label: "None: it only runs later" },
                ...open.map((name) => ({ value: name, label: name })),
              ]}
              onChange={(event) => setInput(event.target.value)}
            />
          )}
        </Field>
        {input !== "" && (
          <Field label={`Output of ${source.id}`} hint="A JSON Pointer; empty: all of it.">
            {(control) => (
              <>
                <Input
                  {...control}
                  className="mono"
                  list={`${control.id}-outputs`}
                  value={output}
                  onChange={(event) => setOutput(event.target.value)}
                />
                <datalist id={`${control.id}-outputs`}>
                  {outputs.map((pointer) => (
                    <option key={pointer} value={pointer} />
                  ))}
                </datalist>
              </>
            )}
          </Field>
        )}
      </div>
    </Dialog>
  );
}
