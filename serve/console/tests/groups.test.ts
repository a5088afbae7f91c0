// Groups are closed by the event with the id, and only then shown.
import { describe, expect, test } from "vitest";
import type { Frame } from "../src/stream/frames";
import { BrokenStream, type GroupReader, type Step, groupReader } from "../src/stream/groups";
import { type Rows, applied, collected, identity } from "../src/stream/rows";

const frame = (event: string, data: unknown, id: string | null = null): Frame => ({ event, data: JSON.stringify(data), id });
const key = (hour: number) => ({
  kind: "forecast" as const,
  unitType: "PP",
  unitNo: 7,
  provider: "FinalForecast",
  period: 60,
  ds: `2026-11-25T${String(hour).padStart(2, "0")}:00:00Z`,
});
const change = (hour: number, v: number | null) => ({
  key: key(hour),
  old: null,
  new: v === null ? null : { v },
  causes: [{ type: "batch", id: "b" }],
});

const begin = frame("snapshot-begin", { epoch: 41, incarnation: "i", clock: "2026-11-24T02:00:00Z" });
const end = frame("snapshot-end", { epoch: 41, clock: "2026-11-24T02:00:00Z" }, "i.41");
const rows = (...hours: number[]): Frame =>
  frame("rows", { epoch: 41, view: "latest", rows: hours.map((hour) => ({ key: key(hour), old: null, new: { v: hour } })) });
const delta = (epoch: number, deltas: unknown[], id: string | null = null, fromEpoch?: number): Frame =>
  frame("delta", { epoch, view: "latest", deltas, ...(fromEpoch === undefined ? {} : { fromEpoch }) }, id);

function take(reader: GroupReader, frames: Frame[]): Step[] {
  return frames.map((each) => reader.take(each)).filter((step) => step !== null);
}

function shown(frames: Frame[]): Rows {
  let current: Rows = new Map();
  for (const step of take(groupReader(null), frames)) {
    if (step.type === "snapshot") current = collected(step.rows);
    if (step.type === "changes") current = applied(current, step.deltas);
  }
  return current;
}

const values = (held: Rows): unknown[] => [...held.values()].map((row) => row.value.v);

describe("groups", () => {
  test("a snapshot is shown when it ends", () => {
    const steps = take(groupReader(null), [begin, rows(1, 2), rows(3)]);
    expect(steps).toEqual([]);
    expect(values(shown([begin, rows(1, 2), rows(3), end]))).toEqual([1, 2, 3]);
  });

  test("a snapshot replaces everything", () => {
    expect(values(shown([begin, rows(1, 2), end, begin, rows(3), end]))).toEqual([3]);
  });

  test("a group of several events is shown at its last", () => {
    const before = [begin, rows(1, 2), end, delta(42, [change(1, 10)])];
    expect(values(shown(before))).toEqual([1, 2]);
    expect(values(shown([...before, delta(42, [change(2, 20)], "i.42")]))).toEqual([10, 20]);
  });

  test("what came of a cut group is thrown away with its connection", () => {
    const first = groupReader(null);
    take(first, [begin, rows(1), end, delta(42, [change(1, 99)])]);
    const second = groupReader(41);
    const steps = take(second, [delta(42, [change(1, 10)], "i.42")]);
    expect(steps).toMatchObject([{ type: "changes", epoch: 42, deltas: [{ new: { v: 10 } }] }]);
  });

  test("a slot without a value has no row", () => {
    expect(values(shown([begin, rows(1, 2), end, delta(42, [change(1, null)], "i.42")]))).toEqual([2]);
  });

  test("progress moves the token and nothing else", () => {
    const progress = frame("progress", { epoch: 50, clock: "2026-11-24T02:00:01Z" }, "i.50");
    const steps = take(groupReader(null), [begin, end, progress]);
    expect(steps.at(-1)).toEqual({ type: "progress", epoch: 50, clock: "2026-11-24T02:00:01Z", id: "i.50" });
  });

  test("after must-resync a snapshot follows in the same stream", () => {
    const resync = frame("must-resync", { reason: "too old", epoch: 57 });
    const steps = take(groupReader(3), [resync, begin, rows(5), end]);
    expect(steps.map((step) => step.type)).toEqual(["resync", "snapshot"]);
    expect(() => take(groupReader(3), [resync, delta(58, [change(1, 1)], "i.58")])).toThrow(BrokenStream);
  });

  test("a folded group leads from where the page is; a gap is noticed", () => {
    expect(take(groupReader(41), [delta(60, [change(1, 6)], "i.60", 41)])).toHaveLength(1);
    expect(() => take(groupReader(41), [delta(60, [change(1, 6)], "i.60", 45)])).toThrow(BrokenStream);
  });

  test("a stream that breaks its rules is not believed", () => {
    expect(() => take(groupReader(null), [rows(1)])).toThrow(BrokenStream);
    expect(() => take(groupReader(null), [end])).toThrow(BrokenStream);
    expect(() => take(groupReader(null), [delta(42, [], "i.42")])).toThrow(BrokenStream);
    expect(() => take(groupReader(41), [delta(42, []), frame("progress", { epoch: 42, clock: "" }, "i.42")])).toThrow(BrokenStream);
    expect(() => take(groupReader(null), [begin, frame("snapshot-end", { epoch: 41 })])).toThrow(BrokenStream);
  });

  test("events from a later release are passed over", () => {
    expect(groupReader(1).take(frame("weather", {}))).toBeNull();
  });
});

describe("rows", () => {
  test("a row's identity is its whole key, whatever the order of its fields", () => {
    const same = Object.fromEntries(Object.entries(key(1)).reverse());
    expect(identity("latest", same)).toBe(identity("latest", key(1)));
    expect(identity("actuals", key(1))).not.toBe(identity("latest", key(1)));
    expect(identity("latest", { ...key(1), period: 15 })).not.toBe(identity("latest", key(1)));
    expect(identity("totals", { dimension: "region", key: "1" })).not.toBe(identity("totals", { dimension: "region1" }));
  });

  test("rows shown before stay as they were", () => {
    const before = shown([begin, rows(1), end]);
    const after = applied(before, [{ ...change(1, 10), view: "latest" }]);
    expect(values(before)).toEqual([1]);
    expect(values(after)).toEqual([10]);
  });
});
