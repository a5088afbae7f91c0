// Frames into closed groups: a pure machine, so that what a cut leaves behind can be tested byte by byte.
//
// All changes of an epoch come as one group whose last event carries the id. Nothing of a group is shown before
// that event is here, and what came of a group that was cut is thrown away: a page is always of one epoch.

import type { Frame } from "./frames";
import type { Delta, Row, RowKey, RowValue, ViewDelta } from "./rows";

/** What a frame completed. */
export type Step =
  | { type: "snapshot"; rows: Row[]; epoch: number; clock: string; id: string }
  | { type: "changes"; deltas: ViewDelta[]; epoch: number; id: string }
  | { type: "progress"; epoch: number; clock: string; id: string }
  | { type: "resync"; reason: string };

/** The stream broke its own rules: the connection is given up and resumed after the last closed group. */
export class BrokenStream extends Error {}

interface SnapshotBegin {
  epoch: number;
  clock: string;
}
interface RowsPart {
  view: string;
  rows: { key: RowKey; new: RowValue }[];
}
interface DeltaPart {
  epoch: number;
  fromEpoch?: number;
  view: string;
  deltas: Delta[];
}
interface ProgressPart {
  epoch: number;
  clock: string;
}

export interface GroupReader {
  /** What `frame` completed; null while a group is open, and for events this page does not know. */
  take(frame: Frame): Step | null;
}

/** A reader of one connection. `epoch` is what the rows shown are of, where there are any. */
export function groupReader(epoch: number | null): GroupReader {
  let shown = epoch;
  let snapshot: Row[] | null = null;
  /** The changes of a group that is not closed yet. */
  let open: ViewDelta[] | null = null;

  function closes(id: string | null, what: string): string {
    if (id === null) throw new BrokenStream(`${what} without an id`);
    return id;
  }

  function delta(frame: Frame): Step | null {
    const part = JSON.parse(frame.data) as DeltaPart;
    if (snapshot !== null) throw new BrokenStream("a delta inside a snapshot");
    if (shown === null) throw new BrokenStream("a delta before any snapshot");
    if (part.fromEpoch !== undefined && part.fromEpoch > shown) {
      throw new BrokenStream(`changes lead from epoch ${part.fromEpoch}, shown is ${shown}`);
    }
    const deltas: ViewDelta[] = open ?? [];
    for (const change of part.deltas) deltas.push({ ...change, view: part.view });
    open = deltas;
    if (frame.id === null) return null;
    open = null;
    shown = part.epoch;
    return { type: "changes", deltas, epoch: part.epoch, id: frame.id };
  }

  function take(frame: Frame): Step | null {
    switch (frame.event) {
      case "snapshot-begin":
        snapshot = [];
        open = null;
        return null;
      case "rows": {
        if (snapshot === null) throw new BrokenStream("rows outside a snapshot");
        const part = JSON.parse(frame.data) as RowsPart;
        for (const row of part.rows) snapshot.push({ view: part.view, key: row.key, value: row.new });
        return null;
      }
      case "snapshot-end": {
        if (snapshot === null) throw new BrokenStream("the end of a snapshot that did not begin");
        const end = JSON.parse(frame.data) as SnapshotBegin;
        const rows = snapshot;
        snapshot = null;
        shown = end.epoch;
        const id = closes(frame.id, "the end of a snapshot");
        return { type: "snapshot", rows, epoch: end.epoch, clock: end.clock, id };
      }
      case "delta":
        return delta(frame);
      case "progress": {
        const part = JSON.parse(frame.data) as ProgressPart;
        if (snapshot !== null || open !== null) throw new BrokenStream("progress inside a group");
        shown = part.epoch;
        return { type: "progress", ...part, id: closes(frame.id, "progress") };
      }
      case "must-resync": {
        snapshot = null;
        open = null;
        shown = null;
        const { reason } = JSON.parse(frame.data) as { reason: string };
        return { type: "resync", reason };
      }
      default:
        return null;
    }
  }

  return { take };
}
