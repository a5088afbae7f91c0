// Days, slots and words in zones that make it hard.
import { describe, expect, test } from "vitest";
import { daySpan, hourTable, hourTicks, hoursOf, slotOfInterest, slotStarts } from "../src/time/day";
import { agoWords, dateWords, durationWords, instantWords, nearWord, slotWords } from "../src/time/words";
import { dateOf, datePlus, dayStart, instantOf, isDate, isZone, offsetText, timeOf } from "../src/time/zone";

const at = (text: string): number => Date.parse(text);
const iso = (instant: number | null): string | null => (instant === null ? null : new Date(instant).toISOString());

describe("zones", () => {
  test("a day begins at the zone's midnight", () => {
    expect(iso(dayStart("2026-11-25", "Europe/Istanbul"))).toBe("2026-11-24T21:00:00.000Z");
    expect(iso(dayStart("2026-11-25", "UTC"))).toBe("2026-11-25T00:00:00.000Z");
    expect(iso(dayStart("2026-11-25", "Asia/Kolkata"))).toBe("2026-11-24T18:30:00.000Z");
    expect(iso(dayStart("2026-11-25", "Pacific/Kiritimati"))).toBe("2026-11-24T10:00:00.000Z");
  });

  test("where the clocks skip midnight the day begins after it", () => {
    // Beirut went from 00:00 to 01:00 on 2021-03-28.
    expect(iso(dayStart("2021-03-28", "Asia/Beirut"))).toBe("2021-03-27T22:00:00.000Z");
    expect(timeOf(dayStart("2021-03-28", "Asia/Beirut"), "Asia/Beirut")).toBe("01:00");
  });

  test("a local time names an instant, none, or the earlier of two", () => {
    expect(iso(instantOf("2026-11-25T12:00", "Europe/Istanbul"))).toBe("2026-11-25T09:00:00.000Z");
    expect(instantOf("2026-03-29T02:30", "Europe/Berlin")).toBeNull();
    expect(iso(instantOf("2026-10-25T02:30", "Europe/Berlin"))).toBe("2026-10-25T00:30:00.000Z");
    expect(instantOf("soon", "UTC")).toBeNull();
  });

  test("dates", () => {
    expect(dateOf(at("2026-11-24T21:30:00Z"), "Europe/Istanbul")).toBe("2026-11-25");
    expect(datePlus("2026-12-31", 1)).toBe("2027-01-01");
    expect(datePlus("2028-03-01", -1)).toBe("2028-02-29");
    expect(isDate("2026-02-29")).toBe(false);
    expect(isDate("2028-02-29")).toBe(true);
    expect(isZone("Europe/Istanbul")).toBe(true);
    expect(isZone("Mars/Olympus")).toBe(false);
  });

  test("offsets", () => {
    expect(offsetText(at("2026-07-01T00:00:00Z"), "Europe/Berlin")).toBe("+02:00");
    expect(offsetText(at("2026-07-01T00:00:00Z"), "UTC")).toBe("Z");
    expect(offsetText(at("2026-07-01T00:00:00Z"), "America/St_Johns")).toBe("−02:30");
  });
});

describe("days", () => {
  test("have 23, 24 or 25 hours, and half hours where a zone shifts by them", () => {
    expect(hoursOf(daySpan("2026-11-25", "Europe/Istanbul"))).toBe(24);
    expect(hoursOf(daySpan("2026-03-29", "Europe/Berlin"))).toBe(23);
    expect(hoursOf(daySpan("2026-10-25", "Europe/Berlin"))).toBe(25);
    expect(hoursOf(daySpan("2026-10-04", "Australia/Lord_Howe"))).toBe(23.5);
  });

  test("have as many quarters as hours times four", () => {
    expect(slotStarts(daySpan("2026-03-29", "Europe/Berlin"), 15)).toHaveLength(92);
    expect(slotStarts(daySpan("2026-11-25", "Europe/Berlin"), 15)).toHaveLength(96);
    expect(slotStarts(daySpan("2026-10-25", "Europe/Berlin"), 15)).toHaveLength(100);
  });

  test("slots are aligned in UTC, whatever the zone", () => {
    const starts = slotStarts(daySpan("2026-11-25", "Asia/Kolkata"), 60);
    expect(iso(starts[0] ?? null)).toBe("2026-11-24T19:00:00.000Z");
    expect(starts).toHaveLength(24);
    expect(hourTable(starts, "Asia/Kolkata").columns).toEqual([":30"]);
  });

  test("the table has a row an hour of the wall clock, and says which of two it is", () => {
    const span = daySpan("2026-10-25", "Europe/Berlin");
    const table = hourTable(slotStarts(span, 15), "Europe/Berlin");
    expect(table.columns).toEqual([":00", ":15", ":30", ":45"]);
    expect(table.rows.map((row) => row.label).slice(0, 5)).toEqual(["00", "01", "02 +02:00", "02 +01:00", "03"]);
    expect(table.rows).toHaveLength(25);
    const short = hourTable(slotStarts(daySpan("2026-03-29", "Europe/Berlin"), 60), "Europe/Berlin");
    expect(short.rows.map((row) => row.label).slice(0, 4)).toEqual(["00", "01", "03", "04"]);
  });

  test("every slot stands in the table once", () => {
    for (const zone of ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "UTC"]) {
      for (const date of ["2026-03-29", "2026-10-04", "2026-10-25", "2026-04-05"]) {
        const starts = slotStarts(daySpan(date, zone), 15);
        const table = hourTable(starts, zone);
        const standing = table.rows.flatMap((row) => row.starts).filter((start) => start !== undefined);
        expect(standing.toSorted((left, right) => left - right), `${zone} ${date}`).toEqual(starts);
      }
    }
  });

  test("one asks about now, and about noon of another day", () => {
    const zone = "Europe/Istanbul";
    const now = at("2026-11-24T10:07:00Z");
    const interest = (date: string, minutes: number): string | null => iso(slotOfInterest(daySpan(date, zone), minutes, now, zone));
    expect(interest("2026-11-24", 15)).toBe("2026-11-24T10:00:00.000Z");
    expect(interest("2026-11-25", 15)).toBe("2026-11-25T09:00:00.000Z");
    expect(interest("2026-11-25", 60)).toBe("2026-11-25T09:00:00.000Z");
  });

  test("ticks stand at whole hours of the wall clock, as many as fit", () => {
    const span = daySpan("2026-10-25", "Europe/Berlin");
    const ticks = hourTicks(span, "Europe/Berlin", 9).map((tick) => timeOf(tick, "Europe/Berlin"));
    expect(ticks).toEqual(["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "00:00"]);
  });
});

describe("words", () => {
  test("slots say their offset where the hour may be meant twice", () => {
    expect(slotWords(at("2026-11-25T09:00:00Z"), 15, "Europe/Istanbul")).toBe("12:00–12:15");
    expect(slotWords(at("2026-10-25T00:30:00Z"), 15, "Europe/Berlin")).toBe("02:30–02:45 +02:00");
    expect(slotWords(at("2026-10-25T01:30:00Z"), 15, "Europe/Berlin")).toBe("02:30–02:45 +01:00");
  });

  test("dates and instants", () => {
    expect(dateWords("2026-11-25")).toBe("Wed 25 Nov 2026");
    expect(nearWord("2026-11-25", "2026-11-24")).toBe("tomorrow");
    expect(nearWord("2026-11-26", "2026-11-24")).toBeNull();
    const now = at("2026-11-24T02:00:00Z");
    expect(instantWords(at("2026-11-24T02:14:05.123Z"), "Europe/Istanbul", now)).toBe("24 Nov 05:14:05");
    expect(instantWords(at("2025-11-24T02:14:05Z"), "UTC", now)).toBe("24 Nov 2025 02:14:05");
  });

  test("durations", () => {
    const minute = 60_000;
    const words = [0, 4_900, 60_000, 59 * minute, 60 * minute, 200 * minute, 52 * 60 * minute, 8 * 24 * 60 * minute].map(durationWords);
    expect(words).toEqual(["0 s", "4 s", "1 min", "59 min", "1 h", "3 h 20 min", "2 d 4 h", "8 d"]);
    expect(agoWords(1_000, 5_000)).toBe("4 s ago");
    expect(agoWords(65_000, 5_000)).toBe("in 1 min");
    expect(agoWords(5_300, 5_000)).toBe("0 s ago");
  });
});
