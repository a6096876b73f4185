import pg from "pg";
import { toDecimal, toWholeNumber } from "../result-rows.js";

const OID = { bytea: 17, int8: 20, numeric: 1700, date: 1082, timestamp: 1114, timestamptz: 1184 } as const;

/** 2026-01-31 09:00:00.5 → 2026-01-31T09:00:00.5; what is no such text (infinity, BC) stays. */
function toIsoTime(text: string): string {
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.test(text) ? text.replace(" ", "T") : text;
}

function toIsoInstant(text: string): string {
  const date = new Date(toIsoTime(text).replace(/([+-]\d\d)$/, "$1:00"));
  return Number.isNaN(date.getTime()) ? text : date.toISOString();
}

const READERS: Readonly<Record<number, (text: string) => unknown>> = {
  [OID.int8]: toWholeNumber,
  [OID.numeric]: toDecimal,
  [OID.date]: (text) => text,
  [OID.timestamp]: toIsoTime,
  [OID.timestamptz]: toIsoInstant,
  [OID.bytea]: (text) => Buffer.from(text.slice(2), "hex").toString("base64"),
};

/** How values of PostgreSQL are read: what JSON cannot hold exactly stays text. */
export const jsonTypes = {
  getTypeParser(oid: number, format?: "text" | "binary"): (value: string) => unknown {
    return READERS[oid] ?? (pg.types.getTypeParser(oid, format as "text") as (value: string) => unknown);
  },
};
