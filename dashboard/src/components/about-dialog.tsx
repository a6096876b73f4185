import { useState } from "react";
import { apiRequest } from "../api/request.js";
import { useChange } from "../api/use-change.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";
import { Field, Input, TextArea } from "./field.js";
import { FormFault } from "./states.js";
import { parseTags } from "./tags.js";

/** What has a description and tags. */
export interface Described {
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly revision: number;
}

/** Changes what is said of something. `path` is its own in the API; `stale` is read again afterwards. */
export function AboutDialog({
  of,
  path,
  stale,
  onClose,
}: {
  readonly of: Described;
  readonly path: string;
  readonly stale: readonly unknown[];
  onClose(): void;
}) {
  const [description, setDescription] = useState(of.description);
  const [tags, setTags] = useState(of.tags.join(", "));
  const { change, isBusy, fault } = useChange();
  async function save(): Promise<void> {
    const body = { description, tags: parseTags(tags) };
    const saved = await change(
      async () => await apiRequest<object>(path, { method: "PATCH", body, revision: of.revision }),
      { done: "Changed", stale: [stale] },
    );
    if (saved) onClose();
  }
  return (
    <Dialog
      title={`About ${of.name}`}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void save()}>
            Save
          </Button>
        </>
      }
    >
      <Field label="Description">
        {(control) => (
          <TextArea
            {...control}
            value={description}
            onChange={(event) => setDescription(event.target.value)}
          />
        )}
      </Field>
      <Field label="Tags" hint="Separated by commas">
        {(control) => <Input {...control} value={tags} onChange={(event) => setTags(event.target.value)} />}
      </Field>
      <FormFault error={fault} />
    </Dialog>
  );
}
