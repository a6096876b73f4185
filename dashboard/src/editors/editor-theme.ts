import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const KEYWORD = "light-dark(#8a3ab0, #cf9bf2)";
const TEXT = "light-dark(#1a6e3c, #7fd6a0)";
const NUMBER = "light-dark(#a3480b, #f0b27a)";
const NAME = "light-dark(#0b5c86, #7cc7ee)";
const COMMENT = "light-dark(#66707d, #8a95a3)";

/** The syntax colours of every editor, in both themes: each meets 4.5:1 on the editor's ground. */
const highlight = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.controlKeyword, tags.operatorKeyword], color: KEYWORD },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: TEXT },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: NUMBER },
  {
    tag: [tags.propertyName, tags.definition(tags.variableName), tags.function(tags.variableName)],
    color: NAME,
  },
  { tag: [tags.typeName, tags.className, tags.tagName], color: NAME },
  { tag: [tags.comment, tags.meta], color: COMMENT, fontStyle: "italic" },
  { tag: tags.heading, color: NAME, fontWeight: "600" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strong, fontWeight: "600" },
  { tag: tags.link, color: NAME },
]);

const look = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "transparent", fontSize: "var(--text-s)" },
  "&.cm-focused": { outline: "none" },
  // what is written is what stands there: >= is no sign of its own
  ".cm-scroller": { fontFamily: "var(--mono)", fontVariantLigatures: "none", lineHeight: "1.6" },
  ".cm-content": { caretColor: "var(--text)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": {
    border: "0",
    backgroundColor: "var(--surface-sunken)",
    color: "var(--text-3)",
  },
  ".cm-activeLineGutter, .cm-activeLine": { backgroundColor: "var(--surface-hover)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "light-dark(#cfe8f1, #1d4756)",
  },
  ".cm-placeholder": { color: "var(--text-3)" },
  ".cm-tooltip": {
    border: "1px solid var(--line-strong)",
    borderRadius: "6px",
    backgroundColor: "var(--surface-raised)",
    color: "var(--text)",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "var(--text-s)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--accent-soft)",
    color: "var(--text)",
  },
  ".cm-completionDetail": { color: "var(--text-3)", fontStyle: "normal" },
  ".cm-panels": { backgroundColor: "var(--surface-sunken)", color: "var(--text)" },
  ".cm-searchMatch": { backgroundColor: "var(--wait-soft)" },
  ".cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--accent-line)" },
  ".cm-diagnostic": { fontFamily: "var(--font)" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  ".cm-changedLine": { backgroundColor: "light-dark(#e8f6ee, #10291d) !important" },
  ".cm-deletedChunk": { backgroundColor: "light-dark(#fdeeee, #301618) !important" },
  "&.cm-merge-b .cm-changedText, .cm-insertedLine": { background: "light-dark(#c2ead0, #1c4a31) !important" },
  "&.cm-merge-a .cm-changedLine": { backgroundColor: "light-dark(#fdeeee, #301618) !important" },
  "&.cm-merge-a .cm-changedText, .cm-deletedChunk .cm-deletedText": {
    background: "light-dark(#f7caca, #5b2326) !important",
  },
  ".cm-collapsedLines": {
    background: "var(--surface-sunken)",
    color: "var(--text-3)",
    padding: "4px 12px",
  },
  ".cm-collapsedLines:before, .cm-collapsedLines:after": { content: '"···" !important' },
});

/** How every editor looks; colours follow the page's theme by themselves. */
export const editorLook: Extension = [look, syntaxHighlighting(highlight)];
