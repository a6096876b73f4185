import { Hourglass } from "lucide-react";
import { Link } from "wouter";
import type { WaitingFor } from "../../../../src/contracts/api/runs.js";
import { runPath } from "../../app/page-paths.js";
import { Moment } from "../../components/moment.js";
import styles from "./step-panel.module.css";

/** Why a step is not running, in words, with what can be looked at. */
export function WaitingReasons({ reasons }: { readonly reasons: readonly WaitingFor[] }) {
  return (
    <ul className={styles["reasons"]}>
      {reasons.map((reason) => (
        <li key={`${reason.reason} ${reason.detail}`}>
          <Hourglass size={15} aria-hidden />
          <div>
            <p>{capital(reason.detail)}</p>
            <p className={styles["dim"]}>
              since <Moment at={reason.since} isRelative />
              {reason.until && (
                <>
                  , until <Moment at={reason.until} />
                </>
              )}
            </p>
            {reason.runIds && reason.runIds.length > 0 && (
              <p className={styles["dim"]}>
                held by{" "}
                {reason.runIds.map((id) => (
                  <Link key={id} to={runPath(id)} className={styles["link"]}>
                    {id.slice(-8)}{" "}
                  </Link>
                ))}
              </p>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
