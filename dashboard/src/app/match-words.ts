/** Whether every word of what was typed begins a word of the label, or stands in it. */
export function matchesWords(label: string, typed: string): boolean {
  const held = label.toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => held.includes(word));
}
