import { DiffView } from "../../editors/diff-view.js";
import { writeText } from "../workflow-editor/yaml-document.js";

/** Two definitions as YAML, with what has changed between them. */
export function VersionDiff({
  label,
  before,
  after,
}: {
  readonly label: string;
  readonly before: unknown;
  readonly after: unknown;
}) {
  return <DiffView label={label} language="yaml" before={writeText(before)} after={writeText(after)} />;
}
