import type { Extension } from "@codemirror/state";

/** What an editor may hold. */
export type EditorLanguage =
  | "python"
  | "typescript"
  | "json"
  | "yaml"
  | "markdown"
  | "sql"
  | "jsonata"
  | "text";

/** The grammar of a language; each comes when it is needed. */
export async function loadLanguage(language: EditorLanguage): Promise<Extension> {
  switch (language) {
    case "python":
      return (await import("@codemirror/lang-python")).python();
    case "typescript":
      return (await import("@codemirror/lang-javascript")).javascript({ typescript: true });
    case "jsonata":
      return (await import("@codemirror/lang-javascript")).javascript();
    case "json":
      return (await import("@codemirror/lang-json")).json();
    case "yaml":
      return (await import("@codemirror/lang-yaml")).yaml();
    case "markdown":
      return (await import("@codemirror/lang-markdown")).markdown();
    case "sql":
      return (await import("@codemirror/lang-sql")).sql();
    case "text":
      return [];
  }
}
