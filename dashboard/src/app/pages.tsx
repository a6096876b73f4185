import { House, type LucideIcon, Play } from "lucide-react";
import { type ComponentType, lazy } from "react";
import type { Permission } from "../../../src/core/permissions.js";
import { authorPages } from "./author-pages.js";
import { PAGE_PATHS } from "./page-paths.js";

/** One page of the console. Each is a chunk of its own. */
export interface Page {
  readonly path: string;
  /** Takes the path's parameters as `params`. */
  readonly component: ComponentType<{ readonly params: Readonly<Record<string, string>> }>;
  /** Gets its code ahead of the first click. */
  preload(): void;
  /** Given: it stands in the side bar and the command palette. */
  readonly nav?: {
    readonly label: string;
    readonly icon: LucideIcon;
    readonly group: NavGroup;
    /** Second key after `g`. */
    readonly key: string;
    /** Shown to those who have it alone. */
    readonly permission?: Permission;
  };
}

/** The parts of the side bar, in order. */
export const NAV_GROUPS = ["Operate", "Build", "Settings"] as const;
/** See {@link NAV_GROUPS}. */
export type NavGroup = (typeof NAV_GROUPS)[number];

/** Gets a page's code. */
export type Loader = () => Promise<ComponentType<{ readonly params: Readonly<Record<string, string>> }>>;

function page(path: string, load: Loader, nav?: Page["nav"]): Page {
  let loading: ReturnType<Loader> | undefined;
  const once = async () => await (loading ??= load());
  return {
    path,
    component: lazy(async () => ({ default: await once() })),
    preload: () => void once().catch(() => (loading = undefined)),
    ...(nav ? { nav } : {}),
  };
}

/** Every page behind the sign-in, in the order of the side bar. */
export const PAGES: readonly Page[] = [
  page(PAGE_PATHS.home, async () => (await import("../pages/home/home-page.js")).HomePage, {
    label: "Home",
    icon: House,
    group: "Operate",
    key: "h",
  }),
  page(PAGE_PATHS.runs, async () => (await import("../pages/runs/runs-page.js")).RunsPage, {
    label: "Runs",
    icon: Play,
    group: "Operate",
    key: "r",
  }),
  page(PAGE_PATHS.run, async () => (await import("../pages/run/run-page.js")).RunPage),
  ...authorPages(page),
];
