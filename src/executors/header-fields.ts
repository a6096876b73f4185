import { z } from "zod";

const MOST_HEADERS = 50;
/** Headers that decide where a request goes or how it is framed. */
const FORBIDDEN_HEADERS = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
  "keep-alive",
  "expect",
  "proxy-authorization",
  "proxy-connection",
]);

/** The name of an HTTP header that is not the platform's own to set. */
export const headerNameField = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, "must be the name of an HTTP header")
  .refine((name) => !FORBIDDEN_HEADERS.has(name.toLowerCase()), { error: "is set by the platform" });

/** The value of an HTTP header: nothing in it can end the header's line. */
export const headerValueField = z
  .string()
  .max(8_192)
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must not contain control characters or anything beyond Latin-1");

/** Headers of outgoing requests; each counts once, in whatever case it is written. */
export const headersField = z.record(headerNameField, headerValueField).superRefine((headers, context) => {
  const names = Object.keys(headers);
  if (names.length > MOST_HEADERS)
    context.addIssue({ code: "custom", message: `must have at most ${MOST_HEADERS} headers` });
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name.toLowerCase()))
      context.addIssue({ code: "custom", path: [name], message: "is given twice" });
    seen.add(name.toLowerCase());
  }
});
