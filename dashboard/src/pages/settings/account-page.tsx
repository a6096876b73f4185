import { type SubmitEvent, useState } from "react";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useMe } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Field, Input } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Fact, Facts, Panel } from "../../components/panel.js";
import { FormFault } from "../../components/states.js";
import { Tags } from "../../components/tags.js";

/** Who is signed in, and a way to another password. */
export function AccountPage() {
  const me = useMe();
  return (
    <>
      <PageHeader title="Your account" />
      <div className={layout["twoThirds"]}>
        <PasswordPanel />
        <Panel title="You">
          {me && (
            <Facts>
              <Fact name="Name">{me.name}</Fact>
              <Fact name="E-mail">{me.email}</Fact>
              <Fact name="Role">{me.role}</Fact>
              <Fact name="Last sign-in">
                <Moment at={me.lastLoginAt} />
              </Fact>
              <Fact name="You may">
                <Tags tags={me.permissions} />
              </Fact>
            </Facts>
          )}
        </Panel>
      </div>
    </>
  );
}

function PasswordPanel() {
  const [currentPassword, setCurrent] = useState("");
  const [newPassword, setNew] = useState("");
  const [again, setAgain] = useState("");
  const { change, isBusy, fault, faultOf } = useChange();
  const differs = again !== "" && again !== newPassword;

  async function save(event: SubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (again !== newPassword) return setAgain(again === "" ? " " : again);
    await change(
      async () => {
        await apiRequest("/auth/password", { method: "POST", body: { currentPassword, newPassword } });
        for (const clear of [setCurrent, setNew, setAgain]) clear("");
      },
      { done: "Your password is changed; other sessions of yours have ended" },
    );
  }

  const field = (label: string, value: string, set: (text: string) => void, more: object, bad?: string) => (
    <Field label={label} isRequired fault={bad}>
      {(control) => (
        <Input
          {...control}
          {...more}
          type="password"
          value={value}
          onChange={(event) => set(event.target.value)}
        />
      )}
    </Field>
  );
  return (
    <Panel title="Change your password">
      <form className={layout["form"]} onSubmit={(event) => void save(event)}>
        {field(
          "Present password",
          currentPassword,
          setCurrent,
          { autoComplete: "current-password" },
          faultOf("/currentPassword"),
        )}
        {field(
          "New password",
          newPassword,
          setNew,
          { autoComplete: "new-password" },
          faultOf("/newPassword"),
        )}
        {field(
          "New password once more",
          again,
          setAgain,
          { autoComplete: "new-password" },
          differs ? "Both must be the same." : undefined,
        )}
        <FormFault error={fault} />
        <div>
          <Button type="submit" variant="primary" isBusy={isBusy}>
            Change password
          </Button>
        </div>
      </form>
    </Panel>
  );
}
