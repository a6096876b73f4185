import type { Page } from "playwright-core";

/** The place to write of an editor of the console, by its label. */
export const editorOf = (page: Page, label: string) => page.locator(`[data-editor="${label}"] .cm-content`);

/** Puts a text in place of what an editor holds. Typed as a whole: an editor would indent and close brackets by itself. */
export async function writeInEditor(page: Page, label: string, text: string): Promise<void> {
  await editorOf(page, label).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
}
