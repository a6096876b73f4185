import { buildLaunchPlan, computeLimits, type LaunchTools } from "./launch-plan.js";
import type { Launcher } from "./launcher.js";

/** Plain child processes behind the limits that the system's tools set; at level `none` there are no tools. */
export function createProcessLauncher(options: {
  readonly tools: LaunchTools;
  readonly isLimited: boolean;
}): Launcher {
  const { tools, isLimited } = options;
  return {
    async prepare(command, { env, user }) {
      return { ...buildLaunchPlan(command, tools, user !== undefined), env };
    },
    prepareFork(command, { env, user }) {
      return {
        env,
        walls: {
          limits: isLimited ? computeLimits(command, user !== undefined) : {},
          // as a cold start does: where it cannot be cut off, the sandbox has said so
          network: command.network || !tools.unshare,
          hardened: isLimited,
        },
      };
    },
  };
}
