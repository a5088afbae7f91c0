// Civil time of an IANA zone, by the browser's own time zone data.
//
// An instant is milliseconds since 1970 in UTC; a civil date is text like 2026-11-25. A day is never 24 hours:
// it is what lies between the first instants of two dates.

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string): Intl.DateTimeFormat {
  let known = formatters.get(zone);
  if (known === undefined) {
    known = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formatters.set(zone, known);
  }
  return known;
}

/** Whether the browser knows the zone. */
export function isZone(name: string): boolean {
  try {
    formatter(name);
    return true;
  } catch {
    return false;
  }
}

/** Civil time as the milliseconds it would be in UTC. */
export function civilMs(instant: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatter(zone).formatToParts(instant)) {
    if (type !== "literal") parts[type] = Number(value);
  }
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const below = ((instant % 1_000) + 1_000) % 1_000;
  return Date.UTC(year, month - 1, day, hour, minute, second) + below;
}

/** How far the zone is ahead of UTC then, in minutes. */
export function offsetMinutes(instant: number, zone: string): number {
  return Math.round((civilMs(instant, zone) - instant) / 60_000);
}

/** `+03:00`, or `Z`. */
export function offsetText(instant: number, zone: string): string {
  const minutes = offsetMinutes(instant, zone);
  if (minutes === 0) return "Z";
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "−" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

export function two(number: number): string {
  return String(number).padStart(2, "0");
}

/** The civil date of an instant. */
export function dateOf(instant: number, zone: string): string {
  return new Date(civilMs(instant, zone)).toISOString().slice(0, 10);
}

/** `14:05` of an instant. */
export function timeOf(instant: number, zone: string): string {
  return new Date(civilMs(instant, zone)).toISOString().slice(11, 16);
}

/** The date `days` later. */
export function datePlus(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

/** Whether a text is a date of the calendar. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const parsed = Date.parse(`${text}T00:00:00Z`);
  return Number.isFinite(parsed) && new Date(parsed).toISOString().startsWith(text);
}

const starts = new Map<string, number>();

/** The first instant of a date: midnight, or what follows where the clocks skip midnight. */
export function dayStart(date: string, zone: string): number {
  const name = `${date} ${zone}`;
  const known = starts.get(name);
  if (known !== undefined) return known;
  const midnight = Date.parse(`${date}T00:00:00Z`);
  // No zone is further from UTC than this.
  let before = midnight - 16 * 3_600_000;
  let after = midnight + 16 * 3_600_000;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (dateOf(middle, zone) < date) before = middle;
    else after = middle;
  }
  if (starts.size > 500) starts.clear();
  starts.set(name, after);
  return after;
}

/** The instant of a local time like `2026-11-25T12:00`; null where the clocks skip it, the earlier of two. */
export function instantOf(local: string, zone: string): number | null {
  const wanted = Date.parse(`${local}Z`);
  if (!Number.isFinite(wanted)) return null;
  const offsets = [-26, 0, 26].map((hours) => offsetMinutes(wanted + hours * 3_600_000, zone));
  const candidates = offsets.map((offset) => wanted - offset * 60_000);
  const fitting = candidates.filter((instant) => civilMs(instant, zone) === wanted);
  return fitting.length === 0 ? null : Math.min(...fitting);
}
