import { type ReactNode, useState, Suspense, lazy, useEffect } from "react";
import { useLocation } from "wouter";
import { Toasts } from "../components/toasts.js";
import { LiveRunsProvider } from "./live-runs.js";
import { PAGES } from "./pages.js";
import { PAGE_PATHS } from "./page-paths.js";
import styles from "./shell.module.css";
import { useShortcuts } from "./shortcuts.js";
import { ShortcutsHelp } from "./shortcuts-help.js";
import { Sidebar } from "./sidebar.js";
import { TopBar } from "./top-bar.js";

const CommandPalette = lazy(async () => ({
  default: (await import("./command-palette.js")).CommandPalette,
}));

/** What is around every page: side bar, top bar, command palette, shortcuts, toasts. */
export function Shell({ children }: { readonly children: ReactNode }) {
  const [open, setOpen] = useState<"palette" | "help" | "nav">();
  const [, navigate] = useLocation();
  const close = () => setOpen(undefined);
  useEffect(() => {
    // the pages that are one click away are there before the click
    const timer = setTimeout(() => {
      for (const page of PAGES) if (page.nav || page.path === PAGE_PATHS.run) page.preload();
    }, 2500);
    return () => clearTimeout(timer);
  }, []);
  useShortcuts({
    "mod+k": () => setOpen("palette"),
    "?": () => setOpen("help"),
    ...Object.fromEntries(
      PAGES.flatMap(({ path: target, nav }) => (nav ? [[`g ${nav.key}`, () => navigate(target)]] : [])),
    ),
  });
  return (
    <LiveRunsProvider>
      <a href="#main" className={styles["skip"]}>
        Skip to content
      </a>
      <div className={styles["shell"]} data-nav={open === "nav" ? "open" : undefined}>
        <Sidebar onNavigate={close} />
        {open === "nav" && (
          <button type="button" className={styles["shade"]} aria-label="Close navigation" onClick={close} />
        )}
        <div className={styles["column"]}>
          <TopBar
            onOpenPalette={() => setOpen("palette")}
            onOpenHelp={() => setOpen("help")}
            onOpenNav={() => setOpen(open === "nav" ? undefined : "nav")}
          />
          <main id="main" className={styles["main"]} tabIndex={-1}>
            {children}
          </main>
        </div>
      </div>
      <Suspense fallback={null}>{open === "palette" && <CommandPalette onClose={close} />}</Suspense>
      {open === "help" && <ShortcutsHelp onClose={close} />}
      <Toasts />
    </LiveRunsProvider>
  );
}
