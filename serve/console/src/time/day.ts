// The slots of a civil day and where they stand in a table of hours: days have 23, 24 or 25 hours, zones may be
// half an hour off, and slots are aligned in UTC.

import { civilMs, datePlus, dayStart, offsetText, timeOf, two } from "./zone";

/** `[from, to)`. */
export interface Span {
  from: number;
  to: number;
}

/** What a civil date covers. */
export function daySpan(date: string, zone: string): Span {
  return { from: dayStart(date, zone), to: dayStart(datePlus(date, 1), zone) };
}

export function hoursOf(span: Span): number {
  return (span.to - span.from) / 3_600_000;
}

/** Starts of all slots of `minutes` that begin in the span. */
export function slotStarts(span: Span, minutes: number): number[] {
  const length = minutes * 60_000;
  const starts: number[] = [];
  for (let at = Math.ceil(span.from / length) * length; at < span.to; at += length) starts.push(at);
  return starts;
}

/** One hour of the clock on the wall, as a row of the table. */
export interface HourRow {
  /** `02`, with the offset where the day has this hour twice. */
  label: string;
  /** By column; undefined where no slot starts. */
  starts: (number | undefined)[];
}

export interface HourTable {
  /** Minutes past the hour, as `:15`. */
  columns: string[];
  rows: HourRow[];
}

/** Slot starts as a table: a row an hour of the wall clock, a column a minute of the hour. */
export function hourTable(starts: readonly number[], zone: string): HourTable {
  const minutes = new Set<number>();
  const hours = new Map<string, { hour: number; offset: string; starts: Map<number, number> }>();
  for (const start of starts) {
    const civil = new Date(civilMs(start, zone));
    const offset = offsetText(start, zone);
    const name = `${civil.toISOString().slice(0, 13)} ${offset}`;
    let row = hours.get(name);
    if (row === undefined) {
      row = { hour: civil.getUTCHours(), offset, starts: new Map() };
      hours.set(name, row);
    }
    minutes.add(civil.getUTCMinutes());
    row.starts.set(civil.getUTCMinutes(), start);
  }
  const columns = [...minutes].sort((left, right) => left - right);
  const all = [...hours.values()];
  const rows = all.map((row) => {
    const isTwice = all.some((other) => other !== row && other.hour === row.hour);
    return {
      label: isTwice ? `${two(row.hour)} ${row.offset}` : two(row.hour),
      starts: columns.map((minute) => row.starts.get(minute)),
    };
  });
  return { columns: columns.map((minute) => `:${two(minute)}`), rows };
}

/** The slot that one most likely asks about: the one that runs now, else the one at noon. */
export function slotOfInterest(span: Span, minutes: number, now: number, zone: string): number | null {
  const starts = slotStarts(span, minutes);
  const running = starts.find((start) => start <= now && now < start + minutes * 60_000);
  if (running !== undefined) return running;
  const noon = starts.findLast((start) => timeOf(start, zone) <= "12:00");
  return noon ?? starts[0] ?? null;
}

/** Ticks of a time axis: whole hours of the wall clock, every so many that at most `most` are shown. */
export function hourTicks(span: Span, zone: string, most: number): number[] {
  const every = [1, 2, 3, 4, 6, 12].find((hours) => hoursOf(span) / hours <= most) ?? 24;
  const ticks: number[] = [];
  for (let at = span.from; at <= span.to; at += 15 * 60_000) {
    const civil = new Date(civilMs(at, zone));
    const isEnd = at === span.to;
    if (civil.getUTCMinutes() === 0 && (isEnd || civil.getUTCHours() % every === 0)) ticks.push(at);
  }
  return ticks;
}
