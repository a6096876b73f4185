/** What stands in texts where a secret stood. */
export const HIDDEN_TEXT = "••••••";
