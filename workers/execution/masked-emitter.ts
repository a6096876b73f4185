import type { ExecutorEmitter, LogStream } from "../../src/executors/types.js";
import { createCutLines, type StreamMask } from "./secret-mask.js";

/**
 * Emits for a component that another one calls: its secrets are hidden, its lines carry its name, and its tokens are
 * left out, since they are no part of the step's own text. Nothing is emitted after `end`.
 */
export function createMaskedEmitter(
  emit: ExecutorEmitter,
  mask: StreamMask,
  name: string,
): ExecutorEmitter & { end(): void } {
  const lines = createCutLines<LogStream>(mask);
  let hasEnded = false;
  return {
    log(stream, message, cut) {
      if (!hasEnded) emit.log(stream, `[${name}] ${lines.mask(stream, message, cut)}`);
    },
    progress(data, options) {
      if (!hasEnded) emit.progress({ component: name, ...(mask.cut(data) as typeof data) }, options);
    },
    token() {
      // the answer of a prompt that is a tool is part of the call's result
    },
    end() {
      for (const { stream, text } of lines.end()) emit.log(stream, `[${name}] ${text}`);
      hasEnded = true;
    },
  };
}
