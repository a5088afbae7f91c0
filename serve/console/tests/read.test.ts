// Numbers, curves and saves as text.
import { describe, expect, test } from "vitest";
import { Refused, withWords } from "../src/read/answer";
import { aligned, axisRange } from "../src/read/layers";
import { exactText, pastedValues, rateText, shortText, typedValue } from "../src/read/quantity";
import { outcomeOf, outcomeOfRefusal, refusedSlots, saveBody, savePath } from "../src/read/save";
import { slotOfRow, slotsOfElements } from "../src/read/slot";

describe("numbers", () => {
  test("shown with every decimal there is, two at least", () => {
    expect([54.3, 0, 54.12345, -3.5, 12_345.6].map(exactText)).toEqual(["54.30", "0.00", "54.12345", "−3.50", "12,345.60"]);
    expect(shortText(54.126)).toBe("54.13");
    expect([0, 3.25, 1_234.5].map(rateText)).toEqual(["0.0", "3.3", "1,235"]);
  });

  test.each([
    ["54.3", "54.3"],
    ["54,3", "54.3"],
    ["  7 ", "7"],
    ["-3.25", "-3.25"],
    ["−3,25", "-3.25"],
    ["1,234.5", "1234.5"],
    ["1.234,5", "1234.5"],
    ["0,125", "0.125"],
    ["007.50", "7.50"],
    ["", null],
    ["-", null],
  ])("%s means %s", (text, value) => expect(typedValue(text)).toBe(value));

  test.each(["abc", "1.2.3", "12e3", "1,234", "1 MW", "--3", "0x10"])("%s is no number", (text) => {
    expect(typedValue(text)).toBeUndefined();
  });

  test("a pasted block is read line by line", () => {
    expect(pastedValues("1\r\n2\r\n3\r\n")).toEqual(["1", "2", "3"]);
    expect(pastedValues("1\t2\n3\t4")).toEqual(["1", "2", "3", "4"]);
    expect(pastedValues("1,5\n\n2,5")).toEqual(["1,5", "", "2,5"]);
  });
});

describe("layers", () => {
  const hour = (at: number, value: number | null, minutes = 60) => ({ start: at * 3_600_000, minutes, value });

  test("a value holds to the end of its slot, and there the line ends", () => {
    const { x, layers } = aligned([[hour(0, 1), hour(1, 2)]]);
    expect(x).toEqual([0, 3_600, 7_199, 7_200]);
    expect(layers).toEqual([[1, 2, 2, null]]);
  });

  test("layers of different slots share one axis", () => {
    const { x, layers } = aligned([[hour(0, 4)], [hour(0, 1, 30), hour(0.5, 2, 30)]]);
    expect(x).toEqual([0, 1_800, 3_599, 3_600]);
    expect(layers).toEqual([[4, 4, 4, null], [1, 2, 2, null]]);
  });

  test("a gap stays a gap, and a withdrawn slot has none", () => {
    expect(aligned([[hour(0, 1), hour(2, 3)]]).layers).toEqual([[1, 1, null, 3, 3, null]]);
    expect(aligned([[hour(0, null), hour(1, 2)]]).layers).toEqual([[null, 2, 2, null]]);
    expect(aligned([[]])).toEqual({ x: [], layers: [[]] });
  });

  test("the axis begins at zero where that costs little", () => {
    expect(axisRange(10, 100)[0]).toBe(0);
    expect(axisRange(90, 100)[0]).toBeGreaterThan(85);
    expect(axisRange(-5, 100)[0]).toBeLessThan(-5);
    expect(axisRange(null, null)).toEqual([0, 1]);
    const [least, most] = axisRange(0, 0);
    expect(most).toBeGreaterThan(least);
  });
});

describe("slots", () => {
  test("of rows of the stream, as saved and of totals", () => {
    const key = { kind: "forecast", unitType: "PP", unitNo: 7, provider: "P", period: 15, ds: "2026-11-25T09:00:00Z" } as const;
    const saved = { v: 12.5, validAfter: "2026-11-24T01:00:00Z", recorded: "2026-11-24T01:00:01Z", batchId: "b" };
    expect(slotOfRow(key, saved)).toMatchObject({ start: Date.parse(key.ds), minutes: 15, value: 12.5, batchId: "b" });
    expect(slotOfRow(key, { v: null, coverage: 0.5 })).toMatchObject({ value: null, coverage: 0.5 });
    expect(slotOfRow(key, { v: 3, members: 6, reporting: 5, coverage: 0.8 })).toMatchObject({ members: 6, reporting: 5 });
    expect(slotOfRow({ unitType: "PP", unitNo: 7 }, { name: "Kalyon" })).toBeNull();
  });

  test("of REST elements: full coverage is not written, and rows as saved have none", () => {
    const element = { providerKey: "P", period: 60, predictions: [
      { ds: "2026-11-25T09:00:00Z", v: 1, c: "2026-11-24T01:00:00Z", bn: "note" },
      { ds: "2026-11-25T10:00:00Z", v: null, coverage: 0.25 },
      { ds: "2026-11-25T11:00:00Z", v: 3 },
    ] };
    const slots = slotsOfElements([element]);
    expect(slots.map((slot) => slot.coverage)).toEqual([undefined, 0.25, 1]);
    expect(slots[0]).toMatchObject({ recorded: "2026-11-24T01:00:00Z", note: "note", minutes: 60 });
  });
});

describe("a save", () => {
  const start = Date.parse("2026-11-25T09:00:00Z");
  const save = {
    provider: "User/Forecast", unitType: "PP" as const, unitNo: 7, period: 15, note: " by \"hand\" ", alsoFinal: true, clips: false,
    values: [{ start, value: "54.10" }, { start: start + 900_000, value: null }],
  };

  test("keeps the digits as they were typed", () => {
    const body = saveBody(save);
    expect(body).toContain('"v":54.10}');
    expect(JSON.parse(body)).toEqual({
      unitForecastList: [{
        unitType: "PP", unitNo: 7, period: 15, applyFinalForecast: true, conformUpperLimit: false,
        predictions: [{ ds: "2026-11-25T09:00:00Z", v: 54.1 }, { ds: "2026-11-25T09:15:00Z", v: null }],
      }],
      measureUnit: "MW",
      note: 'by "hand"',
    });
    expect(JSON.parse(saveBody({ ...save, note: " " }))).not.toHaveProperty("note");
    expect(savePath(save)).toBe("/api/v2.0/production-forecast/User%2FForecast/PP/7/forecasts");
  });

  const entry = (providerKey: string, errors: unknown[]) => ({ batchId: "b", providerKey, savedCount: 1, skippedCount: 2, errors });
  const upper = { code: "UPPER_LIMIT", message: "too much", deliveries: ["2026-11-25T09:00:00Z"] };
  const clipped = { code: "CONFORM_UPPER_LIMIT", message: "clipped", deliveries: ["2026-11-25T09:15:00Z"] };

  test("is answered slot by slot", () => {
    const outcome = outcomeOf([entry("P", [upper, clipped]), entry("FinalForecast", [upper])], "P");
    expect(outcome).toMatchObject({ batchId: "b", saved: 1, skipped: 2, refused: 1, message: null });
    expect(outcome.verdicts.get(start)).toEqual({ code: "UPPER_LIMIT", message: "too much", isWarning: false });
    expect(outcome.verdicts.get(start + 900_000)?.isWarning).toBe(true);
  });

  test("that was refused says why, by slot or as a whole", () => {
    const bySlot = new Refused(422, { message: "every value was refused", data: [entry("P", [upper])] });
    expect(outcomeOfRefusal(bySlot, "P")).toMatchObject({ refused: 1, message: null });
    const whole = new Refused(400, { message: "Validation Error", additionalData: { code: "VALIDATION_ERROR", fields: { period: ["must divide a day"] } } });
    expect(outcomeOfRefusal(whole, "P").message).toBe("Validation Error: period must divide a day");
    const conflict = new Refused(409, { message: "no", additionalData: { slots: [{ unitType: "PP", unitNo: 7, ds: "2026-11-25T09:00:00Z", code: "LOCKED" }] } });
    expect(refusedSlots(conflict)).toHaveLength(1);
    expect(refusedSlots(whole)).toEqual([]);
  });
});

test("query words that are null are left out", () => {
  expect(withWords("/a", { from: "2026-01-01T00:00:00+03:00", own: true, period: null })).toBe("/a?from=2026-01-01T00%3A00%3A00%2B03%3A00&own=true");
  expect(withWords("/a", { period: null })).toBe("/a");
});
