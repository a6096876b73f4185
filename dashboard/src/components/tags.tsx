import styles from "./tags.module.css";

/** Tags of a thing; with `onChoose` each narrows the list to itself. */
export function Tags({ tags, onChoose }: { readonly tags: readonly string[]; onChoose?(tag: string): void }) {
  if (tags.length === 0) return null;
  return (
    <span className={styles["tags"]}>
      {tags.map((tag) =>
        onChoose ? (
          <button
            key={tag}
            type="button"
            className={styles["tag"]}
            title={`Only “${tag}”`}
            onClick={() => onChoose(tag)}
          >
            {tag}
          </button>
        ) : (
          <span key={tag} className={styles["tag"]}>
            {tag}
          </span>
        ),
      )}
    </span>
  );
}

/** What a line of words separated by commas means. */
export function parseTags(text: string): string[] {
  return [...new Set(text.split(",").map((tag) => tag.trim()))].filter((tag) => tag !== "");
}
