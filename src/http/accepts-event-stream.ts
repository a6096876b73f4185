/** Whether an `Accept` header lets an event stream through: absent, `*` ranges, or by name, with a quality above 0. */
export function acceptsEventStream(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === "") return true;
  const ranges = accept.split(",").map(parseRange);
  // the most specific range decides (RFC 9110 §12.5.1)
  for (const type of ["text/event-stream", "text/*", "*/*"]) {
    const range = ranges.find((candidate) => candidate.type === type);
    if (range) return range.quality > 0;
  }
  return false;
}

function parseRange(text: string): { type: string; quality: number } {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const quality = parameters.find((parameter) => parameter.startsWith("q="));
  return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) };
}
