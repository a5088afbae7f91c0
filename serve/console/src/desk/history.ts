// The revisions of the day that is shown, read again whenever the stream says that one of them is new.

import { computed, signal } from "@preact/signals";
import { isTotal } from "../place";
import { ask, utc, withWords } from "../read/answer";
import type { Revision } from "../read/slot";
import { place } from "./address";
import { span } from "./day";
import { onChanges } from "./feed";
import { provider } from "./picture";
import { following } from "./reading";

/** Revisions that are read and drawn: more are one grey area to the eye. */
export const REVISIONS_AT_MOST = 80;
const NO_REVISIONS: readonly Revision[] = [];

const historyPath = computed<string | null>(() => {
  const shown = place.value;
  if (shown.subject?.type !== "unit" || isTotal(shown)) return null;
  const { unitType, unitNo } = shown.subject;
  const door = `/api/v2.0/production-forecast/${encodeURIComponent(provider.value)}/${unitType}/${unitNo}/forecasts`;
  const { from, to } = span.value;
  const axes = { date: shown.date, known_at: shown.knownAt };
  return withWords(`${door}/history`, { from: utc(from), to: utc(to), ...axes, newest: REVISIONS_AT_MOST });
});

export const history = following(historyPath, async (path, abort) => {
  const answer = await ask<Revision[]>(path, { signal: abort });
  return answer.data;
});
/** The revisions of the day, oldest first; the same list while it is only read again. */
export const revisions = computed<readonly Revision[]>(() => history.state.value.data ?? NO_REVISIONS);
onChanges((deltas) => {
  const concerns = deltas === null || deltas.some((delta) => delta.key.provider === provider.peek());
  if (concerns) history.again();
});

/** The batch of the revision that is pointed at in a list, for the chart. */
export const pointedBatch = signal<string | null>(null);
