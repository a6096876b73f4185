import { Ellipsis, PackagePlus, Pencil, Trash2, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useLocation } from "wouter";
import type { McpDefinition, McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useMay } from "../../api/use-me.js";
import { mcpPath, PAGE_PATHS } from "../../app/page-paths.js";
import { AboutDialog } from "../../components/about-dialog.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import { Menu, MenuItem, MenuLine } from "../../components/menu.js";
import { showToast } from "../../components/toasts.js";

/** What can be done to a component. */
export function McpActions({
  definition,
  version,
}: {
  readonly definition: McpDefinition;
  readonly version: McpVersion | undefined;
}) {
  const [, navigate] = useLocation();
  const client = useQueryClient();
  const mayWrite = useMay("definition:write");
  const [question, setQuestion] = useState<Question>();
  const [isEditing, setEditing] = useState(false);
  const edit = `${mcpPath(definition.name)}/edit${version ? `?from=${encodeURIComponent(version.version)}` : ""}`;
  const deprecation = (each: McpVersion): Question => ({
    title: `Deprecate ${each.version}?`,
    text: "New versions of workflows no longer take it by themselves. What refers to it keeps working.",
    verb: "Deprecate",
    async act() {
      await apiRequest(`/mcp-versions/${each.id}/deprecate`, { method: "POST" });
      await client.invalidateQueries({ queryKey: queryKeys.allMcps });
      showToast(`${each.version} is deprecated`);
    },
  });
  const deletion: Question = {
    title: `Delete ${definition.name}?`,
    text: "All its versions go. It is refused while a workflow or a prompt refers to it.",
    verb: "Delete",
    isDangerous: true,
    async act() {
      await apiRequest(`/mcp-definitions/${definition.id}`, { method: "DELETE" });
      await client.invalidateQueries({ queryKey: queryKeys.allMcps });
      showToast(`${definition.name} is deleted`);
      navigate(PAGE_PATHS.mcps);
    },
  };
  return (
    <>
      <Button
        variant="primary"
        icon={PackagePlus}
        blockedBecause={mayWrite.reason}
        onClick={() => navigate(edit)}
      >
        {version ? "New version" : "First version"}
      </Button>
      <Menu button={<Button icon={Ellipsis} aria-label="More actions" />}>
        <MenuItem icon={Pencil} blockedBecause={mayWrite.reason} onSelect={() => setEditing(true)}>
          Change description and tags
        </MenuItem>
        {version && !version.isDeprecated && (
          <MenuItem
            icon={TriangleAlert}
            blockedBecause={mayWrite.reason}
            onSelect={() => setQuestion(deprecation(version))}
          >
            Deprecate {version.version}
          </MenuItem>
        )}
        <MenuLine />
        <MenuItem
          icon={Trash2}
          isDangerous
          blockedBecause={mayWrite.reason}
          onSelect={() => setQuestion(deletion)}
        >
          Delete
        </MenuItem>
      </Menu>
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
      {isEditing && (
        <AboutDialog
          of={definition}
          path={`/mcp-definitions/${definition.id}`}
          stale={queryKeys.allMcps}
          onClose={() => setEditing(false)}
        />
      )}
    </>
  );
}
