import { type ReactNode, useState } from "react";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";
import { showFault } from "./toasts.js";

/** What is asked before something that cannot be taken back. */
export interface Question {
  readonly title: string;
  readonly text: ReactNode;
  /** What the button does: a verb, not "OK". */
  readonly verb: string;
  readonly isDangerous?: boolean;
  /** Does it. While it rejects, the dialog stays open and the fault is shown. */
  act(): Promise<void>;
}

/** Asks before acting. */
export function Confirm({ question, onClose }: { readonly question: Question; onClose(): void }) {
  const [isBusy, setBusy] = useState(false);
  async function act(): Promise<void> {
    setBusy(true);
    try {
      await question.act();
      onClose();
    } catch (error) {
      showFault(`Could not ${question.verb.toLowerCase()}`, error);
      setBusy(false);
    }
  }
  return (
    <Dialog
      title={question.title}
      description={question.text}
      size="s"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Keep as it is</Button>
          <Button
            variant={question.isDangerous ? "danger" : "primary"}
            isBusy={isBusy}
            onClick={() => void act()}
          >
            {question.verb}
          </Button>
        </>
      }
    />
  );
}
