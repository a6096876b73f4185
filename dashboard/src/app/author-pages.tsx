import {
  Activity,
  Blocks,
  Brain,
  Database,
  KeyRound,
  LockKeyhole,
  ScrollText,
  Users,
  Workflow,
} from "lucide-react";
import { PAGE_PATHS } from "./page-paths.js";
import type { Loader, Page } from "./pages.js";

type MakePage = (path: string, load: Loader, nav?: Page["nav"]) => Page;

/** The pages of those who build and look after things: workflows, components, settings. */
export function authorPages(page: MakePage): Page[] {
  return [...buildPages(page), ...settingsPages(page)];
}

function buildPages(page: MakePage): Page[] {
  const loadEditor = async () =>
    (await import("../pages/workflow-editor/workflow-editor-page.js")).WorkflowEditorPage;
  const loadMcpEditor = async () => (await import("../pages/mcp-editor/mcp-editor-page.js")).McpEditorPage;
  return [
    page(
      PAGE_PATHS.workflows,
      async () => (await import("../pages/workflows/workflows-page.js")).WorkflowsPage,
      { label: "Workflows", icon: Workflow, group: "Build", key: "w" },
    ),
    page(PAGE_PATHS.editWorkflow, loadEditor),
    page(PAGE_PATHS.createWorkflow, loadEditor),
    page(PAGE_PATHS.workflow, async () => (await import("../pages/workflows/workflow-page.js")).WorkflowPage),
    page(PAGE_PATHS.mcps, async () => (await import("../pages/mcps/mcps-page.js")).McpsPage, {
      label: "Components",
      icon: Blocks,
      group: "Build",
      key: "c",
    }),
    page(PAGE_PATHS.editMcp, loadMcpEditor),
    page(PAGE_PATHS.createMcp, loadMcpEditor),
    page(PAGE_PATHS.mcp, async () => (await import("../pages/mcps/mcp-page.js")).McpPage),
  ];
}

function settingsPages(page: MakePage): Page[] {
  const group = "Settings";
  return [
    page(
      PAGE_PATHS.databases,
      async () => (await import("../pages/settings/databases-page.js")).DatabasesPage,
      { label: "Databases", icon: Database, group, key: "d" },
    ),
    page(PAGE_PATHS.database, async () => (await import("../pages/settings/database-page.js")).DatabasePage),
    page(PAGE_PATHS.secrets, async () => (await import("../pages/settings/secrets-page.js")).SecretsPage, {
      label: "Secrets",
      icon: LockKeyhole,
      group,
      key: "s",
    }),
    page(PAGE_PATHS.models, async () => (await import("../pages/settings/models-page.js")).ModelsPage, {
      label: "Language models",
      icon: Brain,
      group,
      key: "m",
    }),
    page(PAGE_PATHS.apiKeys, async () => (await import("../pages/settings/api-keys-page.js")).ApiKeysPage, {
      label: "API keys",
      icon: KeyRound,
      group,
      key: "k",
    }),
    page(PAGE_PATHS.users, async () => (await import("../pages/settings/users-page.js")).UsersPage, {
      label: "Users",
      icon: Users,
      group,
      key: "u",
      permission: "user:manage",
    }),
    page(PAGE_PATHS.audit, async () => (await import("../pages/settings/audit-page.js")).AuditPage, {
      label: "Audit log",
      icon: ScrollText,
      group,
      key: "a",
      permission: "audit:read",
    }),
    page(PAGE_PATHS.system, async () => (await import("../pages/settings/system-page.js")).SystemPage, {
      label: "System",
      icon: Activity,
      group,
      key: "y",
    }),
    page(PAGE_PATHS.account, async () => (await import("../pages/settings/account-page.js")).AccountPage),
  ];
}
