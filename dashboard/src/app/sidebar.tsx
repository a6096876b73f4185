import { BookOpen, Layers } from "lucide-react";
import { Link, useLocation } from "wouter";
import { useMe } from "../api/use-me.js";
import { Logo } from "./logo.js";
import { NAV_GROUPS, PAGES } from "./pages.js";
import { PAGE_PATHS } from "./page-paths.js";
import styles from "./sidebar.module.css";

/** The way to every page. `onNavigate` closes it where it lies over the page. */
export function Sidebar({ onNavigate }: { onNavigate(): void }) {
  const [path] = useLocation();
  const me = useMe();
  const may = (permission: string | undefined) =>
    permission === undefined || (me?.permissions.includes(permission) ?? false);
  return (
    <div className={styles["sidebar"]}>
      <Link to={PAGE_PATHS.home} className={styles["brand"]} aria-label="Headrace, home">
        <Logo />
        <span>Headrace</span>
      </Link>
      <nav aria-label="Main" className={styles["nav"]}>
        {NAV_GROUPS.map((group) => {
          const pages = PAGES.filter(({ nav }) => nav?.group === group && may(nav.permission));
          if (pages.length === 0) return null;
          return (
            <div key={group} className={styles["group"]}>
              <p className={styles["heading"]}>{group}</p>
              <ul>
                {pages.map(({ path: target, nav, preload }) => {
                  if (!nav) return null;
                  const isHere =
                    target === "/" ? path === "/" : path === target || path.startsWith(`${target}/`);
                  return (
                    <li key={target}>
                      <Link
                        to={target}
                        className={styles["link"]}
                        aria-current={isHere ? "page" : undefined}
                        onPointerEnter={preload}
                        onClick={onNavigate}
                      >
                        <nav.icon size={16} aria-hidden />
                        {nav.label}
                      </Link>
                    </li>
                  );
                })}
              </ul>
            </div>
          );
        })}
      </nav>
      <ul className={styles["foot"]}>
        {may("queue:read") && (
          <li>
            <a href="/admin/queues" className={styles["link"]}>
              <Layers size={16} aria-hidden />
              Queues
            </a>
          </li>
        )}
        <li>
          <a href="/docs" className={styles["link"]}>
            <BookOpen size={16} aria-hidden />
            API reference
          </a>
        </li>
      </ul>
    </div>
  );
}
