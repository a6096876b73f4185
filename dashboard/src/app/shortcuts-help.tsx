import { Checkbox } from "../components/field.js";
import { Dialog } from "../components/dialog.js";
import { PAGES } from "./pages.js";
import { setShortcutsOn, useAreShortcutsOn } from "./shortcuts.js";
import styles from "./shortcuts-help.module.css";
import { isMac } from "./top-bar.js";

/** Every shortcut, and the switch that turns those of single letters off. */
export function ShortcutsHelp({ onClose }: { onClose(): void }) {
  const areOn = useAreShortcutsOn();
  const everywhere: (readonly [string, string])[] = [
    [`${isMac() ? "⌘" : "Ctrl"} K`, "Search, go anywhere, do anything"],
    ["?", "This list"],
    ["/", "To the filter of the page"],
    ...PAGES.flatMap(({ nav }) => (nav ? [[`g ${nav.key}`, `Go to ${nav.label}`] as const] : [])),
  ];
  return (
    <Dialog title="Keyboard shortcuts" size="s" onClose={onClose}>
      <dl className={styles["list"]}>
        {everywhere.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <Checkbox
        label="Shortcuts of single letters"
        hint="Turn them off if you dictate, or press keys by mistake."
        checked={areOn}
        onChange={(event) => setShortcutsOn(event.target.checked)}
      />
    </Dialog>
  );
}
