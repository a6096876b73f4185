/**
 * A `to_tsquery('simple', …)` text that finds rows with a word beginning with each given word; undefined when
 * there is no word in it. Nothing a user types is query syntax.
 */
export function toPrefixQuery(text: string): string | undefined {
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length === 0) return undefined;
  return words
    .slice(0, 20)
    .map((word) => `'${word}':*`)
    .join(" & ");
}
