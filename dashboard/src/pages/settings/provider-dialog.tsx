import { Plus, X } from "lucide-react";
import { useState } from "react";
import type { LlmModelPrice, LlmProvider } from "../../../../src/contracts/api/llm-providers.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { Checkbox, Field, Input } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { NumberField } from "../../components/number-field.js";
import { FormFault } from "../../components/states.js";

/** Makes a provider, or changes one. Its key goes in and never comes out. */
export function ProviderDialog({
  provider,
  onClose,
}: {
  readonly provider: LlmProvider | undefined;
  onClose(): void;
}) {
  const [name, setName] = useState(provider?.name ?? "");
  const [baseUrl, setBaseUrl] = useState(provider?.baseUrl ?? "https://api.openai.com/v1");
  const [apiKey, setApiKey] = useState("");
  const [models, setModels] = useState<readonly LlmModelPrice[]>(provider?.models ?? []);
  const [isDefault, setDefault] = useState(provider?.isDefault ?? false);
  const { change, isBusy, fault, faultOf } = useChange();
  async function save(): Promise<void> {
    const body = { name, baseUrl, models, isDefault, ...(apiKey === "" ? {} : { apiKey }) };
    const saved = await change(
      async () =>
        provider
          ? await apiRequest<object>(`/llm-providers/${provider.id}`, {
              method: "PATCH",
              body,
              revision: provider.revision,
            })
          : await apiRequest<object>("/llm-providers", { method: "POST", body }),
      { done: `${name} is saved`, stale: [queryKeys.providers] },
    );
    if (saved) onClose();
  }
  return (
    <Dialog
      title={provider ? `Change ${provider.name}` : "New provider"}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void save()}>
            Save provider
          </Button>
        </>
      }
    >
      <Field label="Name" isRequired hint="What prompts call it." fault={faultOf("/name")}>
        {(control) => <Input {...control} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <Field label="Address" isRequired fault={faultOf("/baseUrl")}>
        {(control) => (
          <Input
            {...control}
            type="url"
            value={baseUrl}
            onChange={(event) => setBaseUrl(event.target.value)}
          />
        )}
      </Field>
      <Field
        label="API key"
        hint={provider?.hasApiKey ? "Stored. Empty: it stays." : "Not shown again."}
        fault={faultOf("/apiKey")}
      >
        {(control) => (
          <Input
            {...control}
            type="password"
            autoComplete="new-password"
            value={apiKey}
            onChange={(event) => setApiKey(event.target.value)}
          />
        )}
      </Field>
      <ModelPrices models={models} fault={faultOf("/models")} onChange={setModels} />
      <Checkbox
        label="The default one"
        hint="Of prompts that name no provider."
        checked={isDefault}
        onChange={(event) => setDefault(event.target.checked)}
      />
      <FormFault error={fault} />
    </Dialog>
  );
}

function ModelPrices({
  models,
  fault,
  onChange,
}: {
  readonly models: readonly LlmModelPrice[];
  readonly fault: string | undefined;
  onChange(models: readonly LlmModelPrice[]): void;
}) {
  const set = (index: number, changes: Partial<LlmModelPrice>) =>
    onChange(models.map((model, at) => (at === index ? { ...model, ...changes } : model)));
  return (
    <section className={layout["form"]} aria-label="Prices">
      <p className={layout["dim"]}>
        Prices for a million tokens. Models that are not listed can be called and count as free.
      </p>
      {models.map((model, index) => (
        <div key={index} className={layout["row"]}>
          <Field label="Model">
            {(control) => (
              <Input
                {...control}
                value={model.name}
                onChange={(event) => set(index, { name: event.target.value })}
              />
            )}
          </Field>
          <NumberField
            label="Input"
            value={model.inputPricePerMillion}
            onChange={(price) => set(index, { inputPricePerMillion: price ?? 0 })}
          />
          <NumberField
            label="Output"
            value={model.outputPricePerMillion}
            onChange={(price) => set(index, { outputPricePerMillion: price ?? 0 })}
          />
          <div style={{ alignSelf: "end" }}>
            <Button
              variant="quiet"
              icon={X}
              aria-label={`Remove ${model.name || "model"}`}
              onClick={() => onChange(models.filter((_model, at) => at !== index))}
            />
          </div>
        </div>
      ))}
      {fault && <p className={layout["bad"]}>{fault}</p>}
      <div>
        <Button
          size="s"
          icon={Plus}
          onClick={() =>
            onChange([...models, { name: "", inputPricePerMillion: 0, outputPricePerMillion: 0 }])
          }
        >
          Add a model
        </Button>
      </div>
    </section>
  );
}
