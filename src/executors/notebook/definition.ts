import { z } from "zod";
import {
  envField,
  MAX_CODE_CHARACTERS,
  memoryMbField,
  providerNameField,
  textField,
  timeoutSecondsField,
} from "../config-fields.js";
import type { ExecutorDefinition } from "../types.js";

const MAX_CELLS = 2_000;
const sourceText = textField(MAX_CODE_CHARACTERS);

const cellSchema = z.strictObject({
  cellType: z.enum(["code", "markdown"]),
  source: sourceText,
  tags: z.array(textField(100)).max(50).optional(),
});

/** A notebook as Jupyter writes it; nbformat allows further members everywhere, so only what is read is checked. */
const nbformatSchema = z.looseObject({
  nbformat: z.literal(4, { error: "must be 4: older notebooks can be converted with `jupyter nbconvert`" }),
  nbformat_minor: z.int().min(0).max(100).optional(),
  metadata: z.record(z.string(), z.json()).optional(),
  cells: z
    .array(
      z.looseObject({
        cell_type: z.enum(["code", "markdown", "raw"]),
        source: z.union([sourceText, z.array(sourceText).max(100_000)]),
        metadata: z.looseObject({ tags: z.array(textField(100)).max(50).optional() }).optional(),
      }),
    )
    .max(MAX_CELLS),
});

/** Configuration of a Jupyter notebook. */
export const notebookConfigSchema = z
  .strictObject({
    type: z.literal("jupyter_notebook"),
    notebook: nbformatSchema.optional(),
    cells: z.array(cellSchema).min(1, "must have at least one cell").max(MAX_CELLS).optional(),
    parameters: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a Python name"), z.json())
      .optional(),
    kernel: providerNameField.default("python3"),
    timeoutSeconds: timeoutSecondsField,
    /** How long one cell may take; a cell's own `timeout` comes before it. */
    cellTimeoutSeconds: z.int().min(1).max(86_400).optional(),
    /** Where a retry begins: at the first cell, or at the one that failed if its kernel still stands. */
    retryFrom: z.enum(["start", "failedCell"]).default("start"),
    memoryMb: memoryMbField,
    network: z.boolean().default(true),
    env: envField.optional(),
  })
  .superRefine((config, context) => {
    if ((config.notebook === undefined) === (config.cells === undefined)) {
      const path = config.notebook === undefined ? ["notebook"] : ["cells"];
      context.addIssue({ code: "custom", path, message: "exactly one of notebook and cells must be given" });
    }
  });
export type NotebookConfig = z.infer<typeof notebookConfigSchema>;

/** Jupyter notebooks as a component type. */
export const notebookDefinition = {
  type: "jupyter_notebook",
  configSchema: notebookConfigSchema,
  label: "Jupyter notebook",
  description:
    "Executes a notebook with the inputs as its parameters, and keeps the notebook with its outputs.",
  copilotPrompt:
    "cells are [{ cellType: code | markdown, source, tags }]. Inputs override the variables of the cell tagged parameters. The " +
    "variable outputs, else the value of the last expression, becomes the result.",
} as const satisfies ExecutorDefinition<NotebookConfig>;
