// Instants and durations as people read them.

import { civilMs, dateOf, datePlus, offsetText, timeOf } from "./zone";

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `Wed 25 Nov 2026`. */
export function dateWords(date: string): string {
  const at = new Date(`${date}T00:00:00Z`);
  const words = [WEEKDAYS[at.getUTCDay()], at.getUTCDate(), MONTHS[at.getUTCMonth()], at.getUTCFullYear()];
  return words.join(" ");
}

/** `today`, `tomorrow`, `yesterday`, or nothing. */
export function nearWord(date: string, today: string): string | null {
  if (date === today) return "today";
  if (date === datePlus(today, 1)) return "tomorrow";
  return date === datePlus(today, -1) ? "yesterday" : null;
}

/** `12:00–12:15`, with the offset where the civil hour may be meant twice. */
export function slotWords(start: number, minutes: number, zone: string): string {
  const end = start + minutes * 60_000;
  const isPlain = offsetText(start - 7_200_000, zone) === offsetText(end + 7_200_000, zone);
  const words = `${timeOf(start, zone)}–${timeOf(end, zone)}`;
  return isPlain ? words : `${words} ${offsetText(start, zone)}`;
}

/** `24 Nov 14:05:09`, with the year where it is not `now`'s. */
export function instantWords(instant: number, zone: string, now: number): string {
  const at = new Date(civilMs(instant, zone));
  const year = dateOf(now, zone).slice(0, 4) === String(at.getUTCFullYear()) ? "" : ` ${at.getUTCFullYear()}`;
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}${year} ${at.toISOString().slice(11, 19)}`;
}

/** `4 s`, `12 min`, `3 h 20 min`, `2 d 4 h`. */
export function durationWords(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 || days > 6 ? `${days} d` : `${days} d ${hours % 24} h`;
}

/** `4 s ago`, `in 4 s`. What was just said may seem a moment ahead of a clock that was heard before it. */
export function agoWords(instant: number, now: number): string {
  return instant >= now + 1_000 ? `in ${durationWords(instant - now)}` : `${durationWords(now - instant)} ago`;
}
