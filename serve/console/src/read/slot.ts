// One slot as the page shows it, whichever door told of it.

import type { RowKey, RowValue } from "../stream/rows";

export interface Slot {
  start: number;
  minutes: number;
  provider: string;
  /** Null where less is covered than was asked for. */
  value: number | null;
  /** Of a value as saved. */
  validAfter?: string | undefined;
  recorded?: string | undefined;
  batchId?: string | undefined;
  note?: string | undefined;
  /** Of a computed value: the share of the slot that is covered. */
  coverage?: number | undefined;
  /** Of a total: plants that belong, and those with a value. */
  members?: number | undefined;
  reporting?: number | undefined;
}

/** A slot out of a row of the stream; null for rows that are none. */
export function slotOfRow(key: RowKey, value: RowValue): Slot | null {
  if (key.ds === undefined || key.period === undefined || key.provider === undefined) return null;
  return {
    start: Date.parse(key.ds),
    minutes: key.period,
    provider: key.provider,
    value: number(value.v) ?? null,
    validAfter: text(value.validAfter),
    recorded: text(value.recorded),
    batchId: text(value.batchId),
    coverage: number(value.coverage),
    members: number(value.members),
    reporting: number(value.reporting),
  };
}

/** An element of a REST read. */
export interface Element {
  providerKey: string;
  period: number;
  unitType?: string;
  unitNo?: number;
  predictions: Record<string, unknown>[];
}

/** The slots of REST elements. */
export function slotsOfElements(elements: readonly Element[]): Slot[] {
  return elements.flatMap((element) =>
    element.predictions.map((prediction) => {
      const recorded = text(prediction.c);
      // Full coverage is not written; a row as saved has a create date instead.
      const coverage = number(prediction.coverage) ?? (recorded === undefined ? 1 : undefined);
      return {
        start: Date.parse(String(prediction.ds)),
        minutes: element.period,
        provider: element.providerKey,
        value: number(prediction.v) ?? null,
        recorded,
        note: text(prediction.bn),
        coverage,
        members: number(prediction.members),
        reporting: number(prediction.reporting),
      };
    }),
  );
}

/** One revision of a series in the range: an element of `history`. */
export interface Revision {
  period: number;
  validAfter: string;
  recorded: string;
  sequence: number;
  batchId: string;
  user: string | null;
  note: string | null;
  withdrawn: boolean;
  confirmed: boolean;
  predictions: { ds: string; v: number | null; confirmed: boolean }[];
}

/** One value a delivery had: an element of `evolution`. */
export interface Stage {
  ds: string;
  v: number | null;
  period: number;
  validAfter: string;
  recorded: string;
  batchId: string;
  user: string | null;
  note: string | null;
  withdrawn: boolean;
  confirmed: boolean;
}

export function bySlot(left: Slot, right: Slot): number {
  return left.start - right.start || left.minutes - right.minutes;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The end of a batch's id: ids of one time begin alike. */
export function shortId(id: string): string {
  return `…${id.slice(-8)}`;
}
