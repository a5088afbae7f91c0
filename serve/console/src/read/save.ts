// A save by hand: which body asks for it, and what the answer says of each slot.

import { Refused } from "./answer";
import type { UnitType } from "../place";

/** What somebody wants to save; values are JSON numbers as typed, null withdraws the slot. */
export interface Save {
  provider: string;
  unitType: UnitType;
  unitNo: number;
  period: number;
  note: string;
  alsoFinal: boolean;
  clips: boolean;
  values: { start: number; value: string | null }[];
}

export function savePath(save: Save): string {
  const provider = encodeURIComponent(save.provider);
  return `/api/v2.0/production-forecast/${provider}/${save.unitType}/${save.unitNo}/forecasts`;
}

/** The body, with the digits as they were typed: no float stands between them and the journal. */
export function saveBody(save: Save): string {
  const predictions = save.values.map(({ start, value }) => {
    return `{"ds":"${new Date(start).toISOString().replace(".000Z", "Z")}","v":${value ?? "null"}}`;
  });
  const entry = [
    `"unitType":"${save.unitType}"`,
    `"unitNo":${save.unitNo}`,
    `"period":${save.period}`,
    `"applyFinalForecast":${save.alsoFinal}`,
    `"conformUpperLimit":${save.clips}`,
    `"predictions":[${predictions.join(",")}]`,
  ];
  const note = save.note.trim() === "" ? "" : `,"note":${JSON.stringify(save.note.trim())}`;
  return `{"unitForecastList":[{${entry.join(",")}}],"measureUnit":"MW"${note}}`;
}

interface EntryAnswer {
  batchId: string | null;
  providerKey: string;
  savedCount: number;
  skippedCount: number;
  errors: { code: string; message: string; deliveries: string[] }[];
}

/** What became of a slot. */
export interface SlotVerdict {
  code: string;
  message: string;
  /** The value was changed by a rule and saved all the same. */
  isWarning: boolean;
}

export interface SaveOutcome {
  /** Null where nothing was stored. */
  batchId: string | null;
  saved: number;
  skipped: number;
  refused: number;
  /** By start of the slot. */
  verdicts: Map<number, SlotVerdict>;
  /** Set where the save was refused as a whole. */
  message: string | null;
}

const WARNINGS = ["CONFORM_UPPER_LIMIT"];

/** What an answer's `data` says of the save for `provider`. */
export function outcomeOf(data: unknown, provider: string): SaveOutcome {
  const entries = Array.isArray(data) ? (data as EntryAnswer[]) : [];
  const own = entries.filter((entry) => entry.providerKey === provider);
  const verdicts = new Map<number, SlotVerdict>();
  let refused = 0;
  for (const { code, message, deliveries } of own.flatMap((entry) => entry.errors)) {
    const isWarning = WARNINGS.includes(code);
    if (!isWarning) refused += deliveries.length;
    for (const delivery of deliveries) verdicts.set(Date.parse(delivery), { code, message, isWarning });
  }
  const sum = (count: (entry: EntryAnswer) => number): number => {
    return own.reduce((total, entry) => total + count(entry), 0);
  };
  return {
    batchId: own[0]?.batchId ?? null,
    saved: sum((entry) => entry.savedCount),
    skipped: sum((entry) => entry.skippedCount),
    refused,
    verdicts,
    message: null,
  };
}

/** What a refusal says: slot by slot where it has `data`, else as a whole. */
export function outcomeOfRefusal(refusal: Refused, provider: string): SaveOutcome {
  const outcome = outcomeOf(refusal.data, provider);
  return outcome.verdicts.size > 0 ? outcome : { ...outcome, message: refusal.words };
}

/** A slot for which a withdrawal was refused. */
export interface RefusedSlot {
  unitType: string;
  unitNo: number;
  ds: string;
  code: string;
}

/** The slots that stand against a withdrawal, as a 409 lists them. */
export function refusedSlots(refusal: Refused): RefusedSlot[] {
  return Array.isArray(refusal.additional.slots) ? (refusal.additional.slots as RefusedSlot[]) : [];
}
