/** One operation of a JSON Patch (RFC 6902). */
export interface PatchOperation {
  readonly op: "add" | "remove" | "replace" | "move" | "copy" | "test";
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** What a suggestion's patch changes. */
export interface PatchTarget {
  readonly kind: "definition" | "config" | "schema";
  /** Null: what was in the request. */
  readonly workflow?: string | null;
  readonly version?: number | null;
  readonly mcp?: string | null;
}

/** One suggestion of the copilot. It changes nothing by itself. */
export interface Suggestion {
  readonly kind: string;
  readonly title: string;
  readonly detail: string;
  readonly severity: "info" | "warning" | "error";
  readonly source: "analysis" | "model";
  readonly target?: PatchTarget;
  readonly patch?: readonly PatchOperation[];
  readonly code?: string;
  readonly definition?: unknown;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly requiresReview?: boolean;
  readonly reviewReasons?: readonly string[];
  readonly estimate?: {
    readonly metric: string;
    readonly before: number;
    readonly after: number;
    readonly note: string;
  };
}

/** What every call of the copilot answers. */
export interface CopilotAnswer {
  readonly suggestions: readonly Suggestion[];
  readonly summary?: string;
  readonly model?: string;
  readonly usage?: { readonly inputTokens: number; readonly outputTokens: number; readonly cost?: number };
  readonly modelOutcome?: { readonly state: string; readonly detail: string };
}
