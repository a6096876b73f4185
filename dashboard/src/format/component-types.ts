import {
  AppWindow,
  Braces,
  Code,
  type LucideIcon,
  MessageSquareText,
  NotebookText,
  Plug,
} from "lucide-react";

/** Every type of component that the console has an editor for. */
export const COMPONENT_TYPES = [
  "python_script",
  "typescript_script",
  "jupyter_notebook",
  "llm_prompt",
  "streamlit_app",
  "mcp_package",
] as const;
/** See {@link COMPONENT_TYPES}. */
export type ComponentType = (typeof COMPONENT_TYPES)[number];

/** How a type is named and drawn, everywhere. */
export interface ComponentLook {
  readonly label: string;
  readonly icon: LucideIcon;
  readonly description: string;
}

const LOOKS: Readonly<Record<ComponentType, ComponentLook>> = {
  python_script: { label: "Python script", icon: Code, description: "Runs Python code with the inputs" },
  typescript_script: {
    label: "TypeScript script",
    icon: Braces,
    description: "Runs TypeScript code with the inputs",
  },
  jupyter_notebook: {
    label: "Jupyter notebook",
    icon: NotebookText,
    description: "Executes cells with the inputs as parameters",
  },
  llm_prompt: {
    label: "LLM prompt",
    icon: MessageSquareText,
    description: "Fills a prompt and asks a language model",
  },
  streamlit_app: {
    label: "Streamlit app",
    icon: AppWindow,
    description: "Serves an app that may send values back",
  },
  mcp_package: {
    label: "Model Context Protocol package",
    icon: Plug,
    description: "Calls a tool of a Model Context Protocol server",
  },
};

/** The look of a type; one that this console does not know yet is shown by its own name. */
export function componentLook(mcpType: string): ComponentLook {
  return LOOKS[mcpType as ComponentType] ?? { label: mcpType, icon: Code, description: "" };
}
