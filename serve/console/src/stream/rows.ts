// The rows a subscription shows, kept by their whole key, and how a closed group changes them.

/** What a row is about. Which fields there are depends on its view. */
export interface RowKey {
  kind?: "forecast" | "actual";
  unitType?: string;
  unitNo?: number;
  dimension?: string;
  key?: string;
  provider?: string;
  period?: number;
  ds?: string;
}

/** What a row says: a value as saved, a computed one, a total, or a unit. */
export type RowValue = Record<string, unknown>;

export interface Row {
  view: string;
  key: RowKey;
  value: RowValue;
}

export interface Cause {
  type: string;
  id: string;
}

export interface Delta {
  key: RowKey;
  old: RowValue | null;
  new: RowValue | null;
  causes: Cause[];
}

/** A delta with the view it belongs to. */
export interface ViewDelta extends Delta {
  view: string;
}

/** Rows by identity. Never changed in place: a reader may keep one while the next is made. */
export type Rows = ReadonlyMap<string, Row>;

/** The identity of a row: all fields of its key, in one order, whatever order they came in. */
export function identity(view: string, key: RowKey): string {
  const fields = [
    view,
    key.kind,
    key.unitType,
    key.unitNo,
    key.dimension,
    key.key,
    key.provider,
    key.period,
    key.ds,
  ];
  return fields.map((field) => (field === undefined ? "" : String(field))).join("\u001f");
}

/** `rows` after `deltas`. */
export function applied(rows: Rows, deltas: readonly ViewDelta[]): Rows {
  const next = new Map(rows);
  for (const delta of deltas) {
    const name = identity(delta.view, delta.key);
    if (delta.new === null) next.delete(name);
    else next.set(name, { view: delta.view, key: delta.key, value: delta.new });
  }
  return next;
}

/** The rows of a snapshot. */
export function collected(rows: readonly Row[]): Rows {
  return new Map(rows.map((row) => [identity(row.view, row.key), row]));
}
