// The day as a fan of revisions with the newest bold and the actual over it. Pointing at it, or walking it with the
// arrow keys, moves the answer; pointing at a line says which revision it is.

import { useEffect, useRef } from "preact/hooks";
import { effect } from "@preact/signals";
import { isTotal } from "../place";
import { adjust, place } from "../desk/address";
import { now, nowMinute } from "../desk/clock";
import { span, zone } from "../desk/day";
import { REVISIONS_AT_MOST, history, pointedBatch, revisions } from "../desk/history";
import { chosenStart, minutes, picture, pointedStart } from "../desk/picture";
import { theme } from "../desk/theme";
import { Fan, type FanLine } from "./fan";
import { utc } from "../read/answer";
import { exactText } from "../read/quantity";
import type { Revision } from "../read/slot";
import { slotStarts } from "../time/day";
import { instantWords } from "../time/words";

const HINT = "Point at a line to see who issued it, and when; click a slot to keep it.";

/** The lines of the picture, oldest first: what is drawn last lies on top. */
function fanLines(): FanLine[] {
  const told = revisions.value.filter((revision) => !revision.confirmed);
  const { slots, actuals } = picture.value;
  const fan = told.map((revision, index): FanLine => ({
    type: revision.withdrawn ? "withdrawn" : "revision",
    recency: (index + 1) / told.length,
    batchId: revision.batchId,
    label: revisionWords(revision),
    steps: revision.predictions.map(({ ds, v }) => ({ start: Date.parse(ds), minutes: revision.period, value: v })),
  }));
  const lengths = [...new Set(slots.map((slot) => slot.minutes))];
  const newest = lengths.map((length): FanLine => {
    const steps = slots.filter((slot) => slot.minutes === length);
    return { type: "newest", recency: 1, batchId: null, label: "newest: what counts", steps };
  });
  const lines: FanLine[] = [...fan, ...newest];
  if (actuals.length > 0) lines.push({ type: "actual", recency: 1, batchId: null, label: "actual", steps: actuals });
  return lines;
}

function revisionWords(revision: Revision): string {
  const at = (text: string): string => instantWords(Date.parse(text), zone.value, now.peek());
  const words = [`issued ${at(revision.validAfter)}`];
  if (revision.recorded !== revision.validAfter) words.push(`recorded ${at(revision.recorded)}`);
  if (revision.user !== null) words.push(`by ${revision.user}`);
  if (revision.note !== null) words.push(`“${revision.note}”`);
  words.push(`batch …${revision.batchId.slice(-8)}`);
  if (revision.withdrawn) words.push("withdrawn");
  return words.join(" · ");
}

export function DayCurve() {
  const holder = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    const element = holder.current;
    const told = tip.current;
    if (element === null || told === null) return undefined;
    const fan = new Fan(element, {
      point: (instant) => (pointedStart.value = instant === null ? null : slotAt(instant)),
      choose: (instant) => adjust({ slot: utc(slotAt(instant)) }),
      line: (line, value) => {
        told.textContent = line === null ? HINT : `${value === null ? "" : `${exactText(value)} MW · `}${line.label}`;
      },
    });
    const disposals = [
      effect(() => {
        // A theme is read from the style sheet, which follows the page's attribute.
        void theme.value;
        fan.show(fanLines(), span.value, zone.value);
      }),
      effect(() => {
        fan.mark({ chosen: chosenStart.value, minutes: minutes.value, now: nowMinute.value, batchId: pointedBatch.value });
      }),
    ];
    return () => {
      for (const dispose of disposals) dispose();
      fan.remove();
    };
  }, []);
  const count = revisions.value.length;
  return (
    <section class="panel curve" aria-labelledby="curve-title">
      <header>
        <h2 id="curve-title">The day</h2>
        <Legend count={count} />
      </header>
      <div
        id="curve"
        class="fan"
        tabIndex={0}
        role="group"
        aria-label="Curve of the day. Left and right walk the slots; the answer above follows."
        ref={holder}
        onKeyDown={walk}
      />
      <p class="tip" ref={tip}>
        {HINT}
      </p>
    </section>
  );
}

function Legend({ count }: { count: number }) {
  const { error } = history.state.value;
  const { actuals } = picture.value;
  return (
    <ul class="legend">
      <li class="is-newest">{isTotal(place.value) ? "sum" : "newest"}</li>
      {count > 1 && (
        <li class="is-revision">
          {count === REVISIONS_AT_MOST && "the newest "}
          {count} revisions
        </li>
      )}
      {revisions.value.some((revision) => revision.withdrawn) && <li class="is-withdrawn">withdrawn</li>}
      {actuals.length > 0 && <li class="is-actual">actual</li>}
      {error !== null && <li class="fault">history: {error}</li>}
    </ul>
  );
}

function slotAt(instant: number): number {
  const length = minutes.peek() * 60_000;
  return Math.floor(instant / length) * length;
}

function walk(event: KeyboardEvent): void {
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -4, PageDown: 4 }[event.key];
  const starts = slotStarts(span.value, minutes.value);
  const at = starts.indexOf(chosenStart.value ?? Number.NaN);
  const ends = { Home: 0, End: starts.length - 1 }[event.key];
  if (steps === undefined && ends === undefined) return;
  event.preventDefault();
  const wanted = ends ?? Math.min(starts.length - 1, Math.max(0, at + (steps ?? 0)));
  const start = starts[wanted];
  if (start !== undefined) adjust({ slot: utc(start) });
}
