import { Sparkles } from "lucide-react";
import { useEffect, useEffectEvent, useState } from "react";
import { Button } from "../../components/button.js";
import { applyPatch } from "../../components/copilot/apply-patch.js";
import { CopilotPanel, type SuggestedChange } from "../../components/copilot/copilot-panel.js";
import { takeHandedOver } from "../../components/copilot/hand-over.js";
import { showToast } from "../../components/toasts.js";
import type { Suggestion } from "../../../../src/contracts/api/copilot.js";
import { Panel } from "../../components/panel.js";
import type { Config, McpDraft } from "./mcp-draft.js";

/** Advice on a component that is being written. */
export function McpCopilot({
  draft,
  onConfig,
}: {
  readonly draft: McpDraft;
  onConfig(config: Config): void;
}) {
  const [isOpen, setOpen] = useState(false);
  const { mcpType, config } = draft;
  return (
    <Panel
      title="Copilot"
      side={
        <Button size="s" icon={Sparkles} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Close" : "Ask"}
        </Button>
      }
    >
      {isOpen ? (
        <CopilotPanel
          calls={[
            {
              label: "Look over the settings",
              path: "/copilot/component-config",
              body: () => ({ mcpType, config }),
            },
            {
              label: "Write code",
              path: "/copilot/code-snippet",
              promptLabel: "What the code should do",
              body: (prompt) => ({
                mcpType,
                prompt,
                context: { config, inputSchema: draft.inputSchema ?? null },
              }),
            },
          ]}
          preview={(suggestion) => changeOf(config, suggestion)}
          apply={(suggestion) => {
            const next = configAfter(config, suggestion);
            if (next) onConfig(next);
          }}
        />
      ) : (
        <p>Looks over settings, or writes code. It changes nothing by itself.</p>
      )}
    </Panel>
  );
}

/** Puts in what was handed over to this editor from elsewhere. */
export function useHandedOver(change: (how: (config: Config) => Config) => void): void {
  const begin = useEffectEvent(() => {
    const suggestion = takeHandedOver("config");
    if (!suggestion) return;
    change((now) => patchedBy(now, suggestion) ?? now);
    showToast("The change is in the editor", "Look at it, then save it as the next version.");
  });
  useEffect(() => begin(), []);
}

/** The configuration with a suggestion applied; undefined when it is about something else, or no longer fits. */
function configAfter(config: Config, suggestion: Suggestion): Config | undefined {
  if (suggestion.config) return suggestion.config;
  if (suggestion.code !== undefined && !suggestion.patch)
    return "code" in config ? { ...config, code: suggestion.code } : undefined;
  const { target } = suggestion;
  // a target with a name is a stored component, and not what is being edited here
  const isOurs = target === undefined || (target.kind === "config" && !target.mcp);
  if (!suggestion.patch || !isOurs) return undefined;
  return patchedBy(config, suggestion);
}

function patchedBy(config: Config, { patch }: Suggestion): Config | undefined {
  if (!patch) return undefined;
  try {
    return applyPatch(config, patch) as Config;
  } catch {
    return undefined;
  }
}

function changeOf(config: Config, suggestion: Suggestion): SuggestedChange | undefined {
  const next = configAfter(config, suggestion);
  if (!next) return undefined;
  const isCodeAlone = suggestion.code !== undefined && !suggestion.patch && !suggestion.config;
  if (isCodeAlone) {
    const language = config["type"] === "typescript_script" ? "typescript" : "python";
    return { before: String(config["code"] ?? ""), after: String(next["code"] ?? ""), language };
  }
  const text = (value: Config) => JSON.stringify(value, null, 2).replaceAll("\\n", "\n");
  return { before: text(config), after: text(next), language: "json" };
}
