import type { ExecutorEmitter, SecretMask } from "../../src/executors/types.js";

/**
 * Emits for a component that another one calls: its secrets are hidden, its lines carry its name, and its tokens are
 * left out, since they are no part of the step's own text. Nothing is emitted after `end`.
 */
export function createMaskedEmitter(
  emit: ExecutorEmitter,
  mask: SecretMask,
  name: string,
): ExecutorEmitter & { end(): void } {
  let hasEnded = false;
  return {
    log(stream, message) {
      if (!hasEnded) emit.log(stream, `[${name}] ${mask.text(message)}`);
    },
    progress(data, options) {
      if (!hasEnded) emit.progress({ component: name, ...(mask.json(data) as typeof data) }, options);
    },
    token() {
      // the answer of a prompt that is a tool is part of the call's result
    },
    end() {
      hasEnded = true;
    },
  };
}
