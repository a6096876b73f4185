import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { isJsonObject } from "../../../core/json.js";
import { type DiagnosisRule, evidenceOf, type Failure, textOf } from "./failure.js";

/** A server that the step called did not do its part. */
export const upstreamFault: DiagnosisRule = {
  kind: "upstream",
  explain(failure) {
    const { error, step, written, path, targets } = failure;
    const isNetwork =
      error.code === "script_error" &&
      /ConnectionError|ConnectTimeout|ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|getaddrinfo|Name or service not known|urlopen error/.test(
        textOf(failure),
      );
    if (error.code !== "upstream_error" && !isNetwork) return [];
    const status = statusOf(failure);
    const { words, canPass } = explainStatus(status, textOf(failure));
    const patch: PatchOperation[] =
      canPass && written["retry"] === undefined
        ? [
            {
              op: "add",
              path: `${path}/retry`,
              value: { maxAttempts: 5, backoff: "exponential", delaySeconds: 2 },
            },
          ]
        : [];
    return [
      {
        kind: upstreamFault.kind,
        title:
          status === undefined
            ? `${step.id} could not reach what it calls`
            : `${step.id} was answered ${status}`,
        detail:
          words + (patch.length > 0 ? " The step is tried once; the patch lets it be tried five times." : ""),
        severity: "error",
        target: targets.definition,
        ...(patch.length > 0 ? { patch } : {}),
        withoutPatch: words,
        evidence: evidenceOf(failure, [error.message]),
      },
    ];
  },
};

function statusOf({ error }: Failure): number | undefined {
  const { details } = error;
  const status = isJsonObject(details) ? details["status"] : undefined;
  if (typeof status === "number") return status;
  const [, written] = /\b(?:answered|status(?: code)?|HTTP)\D{0,10}([1-5]\d\d)\b/i.exec(error.message) ?? [];
  return written === undefined ? undefined : Number(written);
}

function explainStatus(status: number | undefined, text: string): { words: string; canPass: boolean } {
  if (status === 401 || status === 403)
    return {
      words:
        "The credential was not accepted: see whether the secret that the step maps is still good, and may do this.",
      canPass: false,
    };
  if (status === 404 || status === 410)
    return {
      words: "There is nothing at this address: see the URL, and what the mappings put into it.",
      canPass: false,
    };
  if (status === 429)
    return {
      words: "It was asked too often: a rateLimit on the component or the workflow slows the calls down.",
      canPass: true,
    };
  if (status !== undefined && status >= 500)
    return { words: "The server failed on its side, which may pass.", canPass: true };
  if (status !== undefined)
    return { words: `The server refused the request (${status}): see what the step sends.`, canPass: false };
  if (/private|ALLOWED_HOSTS_PRIVATE|refused address/i.test(text) && /private/i.test(text))
    return {
      words: "The address is a private one, which steps may call only where ALLOWED_HOSTS_PRIVATE names it.",
      canPass: false,
    };
  return {
    words: "The connection failed: the name, the port, or the network in between. It may pass.",
    canPass: true,
  };
}
