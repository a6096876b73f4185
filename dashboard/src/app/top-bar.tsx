import { Keyboard, LogOut, Menu as MenuIcon, Monitor, Moon, Search, Sun, UserRound } from "lucide-react";
import { useLocation } from "wouter";
import { queryClient } from "../api/query-client.js";
import { apiRequest } from "../api/request.js";
import { useMe } from "../api/use-me.js";
import { Button } from "../components/button.js";
import { Menu, MenuItem, MenuLabel, MenuLine } from "../components/menu.js";
import { showFault } from "../components/toasts.js";
import { useLiveState } from "./live-runs.js";
import { PAGE_PATHS } from "./page-paths.js";
import { setTheme, type Theme, useTheme } from "./theme.js";
import styles from "./top-bar.module.css";

const THEME_LOOKS: Readonly<Record<Theme, { readonly label: string; readonly icon: typeof Sun }>> = {
  system: { label: "Theme of the device", icon: Monitor },
  light: { label: "Light theme", icon: Sun },
  dark: { label: "Dark theme", icon: Moon },
};

/** Search, the state of the line to the server, theme, and who is signed in. */
export function TopBar({
  onOpenPalette,
  onOpenHelp,
  onOpenNav,
}: {
  onOpenPalette(): void;
  onOpenHelp(): void;
  onOpenNav(): void;
}) {
  const theme = useTheme();
  return (
    <header className={styles["bar"]}>
      <span className={styles["opener"]}>
        <Button variant="quiet" icon={MenuIcon} aria-label="Navigation" onClick={onOpenNav} />
      </span>
      <button type="button" className={styles["search"]} onClick={onOpenPalette}>
        <Search size={15} aria-hidden />
        <span>Search or jump to …</span>
        <kbd>{isMac() ? "⌘" : "Ctrl"} K</kbd>
      </button>
      <span className={styles["space"]} />
      <LiveState />
      <Button variant="quiet" icon={Keyboard} aria-label="Keyboard shortcuts" onClick={onOpenHelp} />
      <Menu
        button={
          <Button variant="quiet" icon={THEME_LOOKS[theme].icon} aria-label={THEME_LOOKS[theme].label} />
        }
      >
        {(Object.keys(THEME_LOOKS) as Theme[]).map((each) => (
          <MenuItem
            key={each}
            icon={THEME_LOOKS[each].icon}
            hint={each === theme ? "✓" : undefined}
            onSelect={() => setTheme(each)}
          >
            {THEME_LOOKS[each].label}
          </MenuItem>
        ))}
      </Menu>
      <UserMenu />
    </header>
  );
}

function LiveState() {
  const state = useLiveState();
  if (state !== "waiting" && state !== "refused") return null;
  return (
    <span className={styles["offline"]} role="status">
      Reconnecting …
    </span>
  );
}

function UserMenu() {
  const me = useMe();
  const [, navigate] = useLocation();
  const name = me?.name ?? "";
  return (
    <Menu
      button={
        <button type="button" className={styles["user"]} aria-label={`Account of ${name}`}>
          {initials(name)}
        </button>
      }
    >
      <MenuLabel>
        <strong className={styles["name"]}>{name}</strong>
        <br />
        {me?.email}
        <br />
        {me?.role}
      </MenuLabel>
      <MenuLine />
      <MenuItem icon={UserRound} onSelect={() => navigate(PAGE_PATHS.account)}>
        Your account
      </MenuItem>
      <MenuItem icon={LogOut} onSelect={() => void signOut()}>
        Sign out
      </MenuItem>
    </Menu>
  );
}

/** Ends the session and everything that was read under it. */
export async function signOut(): Promise<void> {
  try {
    await apiRequest("/auth/logout", { method: "POST", body: {} });
    queryClient.clear();
    location.assign(PAGE_PATHS.signIn);
  } catch (error) {
    showFault("Could not sign out", error);
  }
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  return ((words[0]?.[0] ?? "?") + (words.length > 1 ? (words.at(-1)?.[0] ?? "") : "")).toUpperCase();
}

/** Whether the device has a Command key. */
export function isMac(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.userAgent);
}
