import { buildLaunchPlan, type LaunchTools } from "./launch-plan.js";
import type { Launcher } from "./launcher.js";

/** Plain child processes behind the limits that the system's tools set. */
export function createProcessLauncher({ tools }: { readonly tools: LaunchTools }): Launcher {
  return {
    async prepare(command, { env, user }) {
      return { ...buildLaunchPlan(command, tools, user !== undefined), env };
    },
  };
}
