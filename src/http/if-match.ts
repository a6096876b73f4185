import { invalidFields } from "../errors/app-error.js";

/**
 * The revision that an `If-Match` header demands; undefined when any will do (no header, or `*`).
 * @throws AppError INVALID_FIELDS when the header is neither `*` nor `"<revision>"`.
 */
export function parseIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === "*") return undefined;
  const match = /^"(0|[1-9][0-9]{0,8})"$/.exec(header.trim());
  if (!match) throw invalidFields([{ path: "/If-Match", message: 'must be "<revision>" or *' }]);
  return Number(match[1]);
}
