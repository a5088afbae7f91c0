// Saving by hand and withdrawing: what somebody has typed, what was sent, and what became of each slot.

import { batch, computed, signal } from "@preact/signals";
import { Refused, ask } from "../read/answer";
import { shortText, typedValue } from "../read/quantity";
import { type RefusedSlot, type SaveOutcome, type SlotVerdict, outcomeOf, outcomeOfRefusal, refusedSlots, saveBody, savePath } from "../read/save";
import { slotStarts } from "../time/day";
import { isTotal, subjectPath } from "../place";
import { adjust, isLiveNow, place } from "./address";
import { span } from "./day";
import { minutes, picture, provider } from "./picture";

export interface Draft {
  /** Whose values are edited; walking to another unit and back finds them again. */
  subject: string;
  /** Null while nothing is typed and nobody chose: what the table has. */
  period: number | null;
  note: string;
  alsoFinal: boolean;
  clips: boolean;
  /** What was typed, by start of the slot; a slot that was not touched is not there. */
  texts: ReadonlyMap<number, string>;
}

const draft = signal<Draft | null>(null);
/** What is being edited here; null while nobody edits this unit. */
export const editing = computed<Draft | null>(() => {
  const isHere = draft.value?.subject === subjectPath(place.value.subject);
  return isHere && isEditable.value ? draft.value : null;
});
export const outcome = signal<SaveOutcome | null>(null);
export const isSaving = signal(false);

/** Whether somebody may edit: what is shown is live and a unit's own. */
export const isEditable = computed(() => isLiveNow.value && place.value.subject?.type === "unit" && !isTotal(place.value));

export function beginEdit(): void {
  if (!isEditable.value) return;
  outcome.value = null;
  // Computed slots are nobody's save: what is edited is as it was saved.
  adjust({ period: null });
  draft.value = {
    subject: subjectPath(place.value.subject),
    period: null,
    note: "",
    alsoFinal: false,
    clips: false,
    texts: new Map(),
  };
}

/** The slot length of what is edited. */
export const editedMinutes = computed(() => editing.value?.period ?? minutes.value);

export function endEdit(): void {
  batch(() => {
    draft.value = null;
    outcome.value = null;
  });
}

export function amend(change: Partial<Draft>): void {
  if (draft.value !== null) draft.value = { ...draft.value, ...change };
}

/** What stands in a slot's field while it is not touched. */
export function standingText(start: number): string {
  const row = picture.value.slots.find((slot) => slot.start === start && slot.minutes === editedMinutes.value);
  return row === undefined || row.value === null ? "" : shortText(row.value).replace("−", "-").replaceAll(",", "");
}

// Typed values are not lost by closing the page in passing.
window.addEventListener("beforeunload", (event) => {
  if ((draft.peek()?.texts.size ?? 0) > 0) event.preventDefault();
});

/** Puts `values` into the slots from `start` on, in order. */
export function fill(start: number, values: readonly string[]): void {
  const current = editing.value;
  if (current === null) return;
  const texts = new Map(current.texts);
  const starts = slotStarts(span.value, editedMinutes.value).filter((slot) => slot >= start);
  for (const [index, slot] of starts.entries()) {
    const value = values[index];
    if (value === undefined) break;
    if (value === standingText(slot)) texts.delete(slot);
    else texts.set(slot, value);
  }
  // What was answered of a slot holds for what was sent, not for what is typed now.
  const told = outcome.value;
  const left = [...(told?.verdicts ?? [])].filter(([slot]) => texts.get(slot) === current.texts.get(slot));
  batch(() => {
    if (told !== null) outcome.value = { ...told, verdicts: new Map(left) };
    amend({ texts, period: editedMinutes.value });
  });
}

/** What the page itself objects to before anything is sent. */
export const unreadable = computed<ReadonlyMap<number, SlotVerdict>>(() => {
  const message = "this is no number: write 54.3 or 54,3, or nothing to withdraw the slot";
  const faults = new Map<number, SlotVerdict>();
  for (const [start, text] of editing.value?.texts ?? []) {
    if (typedValue(text) === undefined) faults.set(start, { code: "NO_NUMBER", message, isWarning: false });
  }
  return faults;
});

/** What is wrong with a slot: by the page's own reading, or as the service answered. */
export function verdictOf(start: number): SlotVerdict | undefined {
  return unreadable.value.get(start) ?? outcome.value?.verdicts.get(start);
}

export async function save(): Promise<void> {
  const current = editing.value;
  const { subject } = place.value;
  if (current === null || subject?.type !== "unit" || isSaving.value) return;
  if (current.texts.size === 0 || unreadable.value.size > 0) return;
  const values = [...current.texts].sort(([left], [right]) => left - right);
  const wanted = {
    ...current,
    provider: provider.value,
    period: editedMinutes.value,
    unitType: subject.unitType,
    unitNo: subject.unitNo,
    values: values.map(([start, text]) => ({ start, value: typedValue(text) ?? null })),
  };
  isSaving.value = true;
  try {
    const headers = { "content-type": "application/json", "idempotency-key": crypto.randomUUID() };
    const answer = await ask(savePath(wanted), { method: "POST", headers, body: saveBody(wanted) });
    settle(outcomeOf(answer.data, wanted.provider));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    settle(outcomeOfRefusal(error, wanted.provider));
  } finally {
    isSaving.value = false;
  }
}

/** Keeps in the fields what was refused; what was saved shows as it stands now. */
function settle(result: SaveOutcome): void {
  const isWhole = result.message !== null;
  const texts = new Map(draft.value?.texts ?? []);
  for (const start of texts.keys()) {
    const verdict = result.verdicts.get(start);
    if (!isWhole && (verdict === undefined || verdict.isWarning)) texts.delete(start);
  }
  batch(() => {
    outcome.value = result;
    amend({ texts });
  });
}

/** A batch that somebody is about to withdraw. */
export interface Withdrawal {
  batchId: string;
  facts: Record<string, unknown> | null;
  isBusy: boolean;
  error: string | null;
  refused: RefusedSlot[];
  isDone: boolean;
}

export const withdrawal = signal<Withdrawal | null>(null);

/** Asks what the batch is; nothing is withdrawn before that was confirmed. */
export async function considerWithdrawal(batchId: string): Promise<void> {
  withdrawal.value = { batchId, facts: null, isBusy: true, error: null, refused: [], isDone: false };
  await change(batchId, async () => {
    const answer = await ask<Record<string, unknown>>(`/api/v2.0/batches/${batchId}`);
    return { facts: answer.data };
  });
}

export async function withdraw(): Promise<void> {
  const current = withdrawal.value;
  if (current === null || current.isBusy) return;
  withdrawal.value = { ...current, isBusy: true, error: null, refused: [] };
  await change(current.batchId, async () => {
    const headers = { "idempotency-key": crypto.randomUUID() };
    await ask(`/api/v2.0/batches/${current.batchId}`, { method: "DELETE", headers });
    return { isDone: true };
  });
}

async function change(batchId: string, act: () => Promise<Partial<Withdrawal>>): Promise<void> {
  let result: Partial<Withdrawal>;
  try {
    result = await act();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    result = { error: error.words, refused: refusedSlots(error) };
  }
  // The dialog may be closed, or be about another batch by now.
  if (withdrawal.value?.batchId === batchId) withdrawal.value = { ...withdrawal.value, ...result, isBusy: false };
}

