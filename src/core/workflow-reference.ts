/** `NAME` or `NAME@N`, as a step refers to another workflow. */
export interface WorkflowReference {
  readonly name: string;
  /** Undefined: the published version. */
  readonly version?: number;
}

/** How many workflows may stand below one another: a run that starts a run that starts a run … */
export const MAX_WORKFLOW_DEPTH = 10;

/** What follows `workflow:`. Says why when it is no reference. */
export function parseWorkflowReference(text: string): WorkflowReference | { readonly error: string } {
  const at = text.indexOf("@");
  const name = at < 0 ? text : text.slice(0, at);
  if (!/^[a-z][a-z0-9-]{1,62}$/.test(name)) return { error: "must be workflow:NAME or workflow:NAME@NUMBER" };
  if (at < 0) return { name };
  const version = text.slice(at + 1);
  if (!/^[1-9][0-9]{0,8}$/.test(version)) {
    return { error: `"${version.slice(0, 80)}" is no number of a workflow version` };
  }
  return { name, version: Number(version) };
}
