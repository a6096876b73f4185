/** Where an app's page finds it, below the app's own path. */
export const ORIGIN_SCRIPT_PATH = "/_headrace/origin.js";

/**
 * A page without an origin may not touch cookies and storage: browsers throw, where pages expect nothing worse than
 * emptiness. Streamlit's front end reads a cookie before it connects. So it gets empty ones of its own.
 */
export const ORIGIN_SCRIPT = `
Object.defineProperty(document, "cookie", { get: () => "", set() {}, configurable: true });
for (const name of ["localStorage", "sessionStorage"]) {
  const items = new Map();
  const storage = {
    getItem: (key) => items.get(String(key)) ?? null,
    setItem: (key, value) => void items.set(String(key), String(value)),
    removeItem: (key) => void items.delete(String(key)),
    clear: () => items.clear(),
    key: (index) => [...items.keys()][index] ?? null,
    get length() {
      return items.size;
    },
  };
  Object.defineProperty(window, name, { value: storage, configurable: true });
}
`;

/** The page with that script before all others. */
export function addOriginScript(html: string, prefix: string): string {
  const script = `<script src="${prefix}${ORIGIN_SCRIPT_PATH}"></script>`;
  const head = /<head(\s[^>]*)?>/i;
  return head.test(html) ? html.replace(head, (tag) => tag + script) : script + html;
}
