import { Liquid } from "liquidjs";

/** Templates read no files and cannot take long: as on the server, in short. */
const engine = new Liquid({
  templates: {},
  cache: false,
  ownPropertyOnly: true,
  strictVariables: true,
  strictFilters: true,
  lenientIf: true,
  outputEscape: (value: unknown) =>
    typeof value === "object" && value !== null ? JSON.stringify(value) : (value as string),
  parseLimit: 262_144,
  renderLimit: 200,
  memoryLimit: 4 * 1024 * 1024,
});

/** What a template gives with inputs, or what is wrong with it. */
export type RenderedPrompt = { readonly text: string } | { readonly fault: string };

/** Fills a template as a preview; the server fills it anew when it is used. */
export function renderPrompt(template: string, inputs: unknown): RenderedPrompt {
  try {
    const scope = typeof inputs === "object" && inputs !== null ? inputs : {};
    return { text: String(engine.parseAndRenderSync(template, scope)) };
  } catch (error) {
    return { fault: error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error) };
  }
}

/** The inputs that a template asks for. */
export function variablesOf(template: string): string[] {
  try {
    return engine.globalVariablesSync(template).map(String);
  } catch {
    return [];
  }
}
