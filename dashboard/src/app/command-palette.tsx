import { useQuery } from "@tanstack/react-query";
import {
  Blocks,
  LogOut,
  type LucideIcon,
  Moon,
  Play,
  Search,
  Sun,
  Workflow as WorkflowIcon,
} from "lucide-react";
import { Dialog as Primitive } from "radix-ui";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { RunSummary } from "../../../src/contracts/api/runs.js";
import { apiRequest } from "../api/request.js";
import type { Page } from "../api/shapes.js";
import { useMe } from "../api/use-me.js";
import { STATUS_LOOKS } from "../format/status.js";
import styles from "./command-palette.module.css";
import { matchesWords } from "./match-words.js";
import { mcpPath, runPath, workflowPath } from "./page-paths.js";
import { PAGES } from "./pages.js";
import { setTheme } from "./theme.js";
import { signOut } from "./top-bar.js";

interface Command {
  readonly id: string;
  readonly group: string;
  readonly label: string;
  readonly hint?: string;
  readonly icon: LucideIcon;
  act(): void;
}

const MOST_OF_KIND = 6;

/** Goes anywhere and does anything by name: pages, workflows, components, runs, actions. */
export function CommandPalette({ onClose }: { onClose(): void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const commands = useCommands(text.trim(), onClose);
  const listId = useId();
  const list = useRef<HTMLDivElement>(null);
  const active = Math.min(at, commands.length - 1);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [active]);

  function onKeyDown(event: React.KeyboardEvent): void {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 && commands.length > 0) {
      event.preventDefault();
      setAt((active + step + commands.length) % commands.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      commands[active]?.act();
    }
  }

  return (
    <Primitive.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Primitive.Portal>
        <Primitive.Overlay className={styles["overlay"]} />
        <Primitive.Content className={styles["palette"]} aria-describedby={undefined}>
          <Primitive.Title className="visually-hidden">Search or jump to</Primitive.Title>
          <div className={styles["line"]}>
            <Search size={16} aria-hidden />
            <input
              role="combobox"
              aria-expanded
              aria-controls={listId}
              aria-activedescendant={commands[active] ? `${listId}-${active}` : undefined}
              aria-label="Search pages, workflows, components, runs and actions"
              placeholder="Search pages, workflows, components, runs …"
              autoComplete="off"
              spellCheck={false}
              value={text}
              onChange={(event) => {
                setText(event.target.value);
                setAt(0);
              }}
              onKeyDown={onKeyDown}
            />
          </div>
          <div ref={list} id={listId} role="listbox" aria-label="Found" className={styles["list"]}>
            {commands.map((command, index) => (
              <div key={command.id}>
                {command.group !== commands[index - 1]?.group && (
                  <p className={styles["group"]} aria-hidden>
                    {command.group}
                  </p>
                )}
                {/* the keyboard acts through the combobox */}
                <div
                  id={`${listId}-${index}`}
                  role="option"
                  aria-selected={index === active}
                  tabIndex={-1}
                  className={styles["option"]}
                  onPointerMove={() => setAt(index)}
                  onClick={command.act}
                >
                  <command.icon size={15} aria-hidden />
                  <span className="cut">{command.label}</span>
                  {command.hint && <span className={styles["hint"]}>{command.hint}</span>}
                </div>
              </div>
            ))}
            {commands.length === 0 && <p className={styles["none"]}>Nothing is called like that.</p>}
          </div>
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  );
}

function useCommands(text: string, onClose: () => void): Command[] {
  const [, navigate] = useLocation();
  const me = useMe();
  const { found, isOf } = useFound(useSettled(text));
  const isStale = isOf !== text;
  return useMemo(() => {
    const go = (path: string) => () => {
      onClose();
      navigate(path);
    };
    const then = (act: () => void) => () => {
      onClose();
      act();
    };
    const pages = PAGES.flatMap(({ path, nav }): Command[] =>
      nav && (nav.permission === undefined || me?.permissions.includes(nav.permission))
        ? [{ id: path, group: "Pages", label: nav.label, icon: nav.icon, act: go(path) }]
        : [],
    );
    const actions: Command[] = [
      { id: "light", group: "Actions", label: "Light theme", icon: Sun, act: then(() => setTheme("light")) },
      { id: "dark", group: "Actions", label: "Dark theme", icon: Moon, act: then(() => setTheme("dark")) },
      {
        id: "theme",
        group: "Actions",
        label: "Theme of the device",
        icon: Sun,
        act: then(() => setTheme("system")),
      },
      { id: "out", group: "Actions", label: "Sign out", icon: LogOut, act: then(() => void signOut()) },
    ];
    const things = [
      ...found.runs.map((run) => ({
        id: run.id,
        group: "Runs",
        label: run.workflow.name,
        hint: `${STATUS_LOOKS[run.status].label} · ${run.id.slice(-8)}`,
        icon: Play,
        act: go(runPath(run.id)),
      })),
      ...found.workflows.map(({ id, name }) => ({
        id,
        group: "Workflows",
        label: name,
        icon: WorkflowIcon,
        act: go(workflowPath(name)),
      })),
      ...found.mcps.map(({ id, name, mcpType }) => ({
        id,
        group: "Components",
        label: name,
        hint: mcpType,
        icon: Blocks,
        act: go(mcpPath(name)),
      })),
    ];
    // what was found for another text is no answer to this one: Enter must not go there
    const answers = isStale ? things.filter(({ label }) => matchesWords(label, text)) : things;
    const named = [...pages, ...actions].filter(({ label }) => matchesWords(label, text));
    return text === ""
      ? [...pages, ...answers.filter(({ group }) => group === "Runs"), ...actions]
      : [
          ...named.filter(({ group }) => group === "Pages"),
          ...answers,
          ...named.filter(({ group }) => group === "Actions"),
        ];
  }, [text, found, isStale, me, navigate, onClose]);
}

interface Named {
  readonly id: string;
  readonly name: string;
}

interface Found {
  readonly runs: readonly RunSummary[];
  readonly workflows: readonly Named[];
  readonly mcps: readonly (Named & { readonly mcpType: string })[];
}

const NOTHING: Found = { runs: [], workflows: [], mcps: [] };
const NOTHING_YET = { found: NOTHING, isOf: undefined };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function useFound(text: string): { readonly found: Found; readonly isOf: string | undefined } {
  const { data } = useQuery({
    queryKey: ["palette", text],
    queryFn: async ({ signal }) => ({ found: await find(text, signal), isOf: text }),
    placeholderData: (before) => before,
    staleTime: 10_000,
  });
  return data ?? NOTHING_YET;
}

/** What the server knows under a text; a kind that cannot be searched now is left out. */
async function find(text: string, signal: AbortSignal): Promise<Found> {
  if (UUID.test(text)) {
    const run = await apiRequest<RunSummary>(`/workflow-runs/${text}`, { signal }).catch(() => undefined);
    return { ...NOTHING, runs: run ? [run] : [] };
  }
  const list = async <Item,>(path: string, query: Record<string, string>) => {
    const page = await apiRequest<Page<Item>>(path, {
      query: { ...query, limit: String(MOST_OF_KIND) },
      signal,
    }).catch(() => undefined);
    return page?.items ?? [];
  };
  if (text === "") return { ...NOTHING, runs: await list<RunSummary>("/workflow-runs", {}) };
  const [workflows, mcps, runs] = await Promise.all([
    list<Named>("/workflow-definitions", { q: text }),
    list<Named & { readonly mcpType: string }>("/mcp-definitions", { q: text }),
    list<RunSummary>("/workflow-runs", { q: text }),
  ]);
  return { workflows, mcps, runs };
}

const SETTLE_MS = 150;

/** A text once nobody has changed it for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
