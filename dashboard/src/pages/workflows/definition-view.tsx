import { useMemo } from "react";
import layout from "../../components/layout.module.css";
import { Panel } from "../../components/panel.js";
import { CodeEditor } from "../../editors/code-editor.js";
import { Canvas } from "../workflow-editor/canvas.js";
import { asRecord, stepsOf } from "../workflow-editor/definition-model.js";
import { textFor } from "../workflow-editor/kept-text.js";
import { useCatalog } from "../workflow-editor/use-catalog.js";
import { usePlaces } from "../workflow-editor/use-places.js";
import styles from "./workflow-page.module.css";

const NOBODY: ReadonlySet<string> = new Set();
const NO_FAULTS: ReadonlyMap<string, number> = new Map();

/** A definition to be read: its graph, and its YAML. */
export function DefinitionView({
  definition,
  placesKey,
}: {
  readonly definition: unknown;
  readonly placesKey: string;
}) {
  const steps = useMemo(() => stepsOf(asRecord(definition)), [definition]);
  const { places } = usePlaces(placesKey, steps);
  const uses = useMemo(() => steps.map(({ step }) => String(step["uses"] ?? "")), [steps]);
  const catalog = useCatalog(uses);
  return (
    <div className={layout["stack"]} style={{ paddingTop: 14 }}>
      <Panel isFlush>
        <div className={styles["graph"]}>
          <Canvas
            isReadOnly
            steps={steps}
            places={places}
            selected={NOBODY}
            faults={NO_FAULTS}
            mcpTypeOf={(each) => catalog.usedBy(each).mcpType}
            fitKey={0}
          />
        </div>
      </Panel>
      <CodeEditor
        label="YAML"
        language="yaml"
        rows={[4, 40]}
        value={textFor({ id: placesKey, definition })}
        isReadOnly
      />
    </div>
  );
}
