// The slots of the day as a table of hours: a row an hour of the wall clock, a column a minute of the hour. Arrow keys
// walk it; while somebody edits, each cell is a field, and what is wrong with a slot is said at the slot.

import { adjust, place } from "../desk/address";
import { span, zone } from "../desk/day";
import { chosenStart, flashOf, minutes, periods, picture, pointedStart } from "../desk/picture";
import { editedMinutes, editing, fill, standingText, verdictOf } from "../desk/saving";
import { utc } from "../read/answer";
import { exactText, pastedValues, shortText } from "../read/quantity";
import type { Slot } from "../read/slot";
import { type HourTable, hourTable, slotStarts } from "../time/day";
import { slotWords } from "../time/words";

export function DayTable() {
  const length = editing.value === null ? minutes.value : editedMinutes.value;
  const table = hourTable(slotStarts(span.value, length), zone.value);
  const rows = new Map(picture.value.slots.filter((slot) => slot.minutes === length).map((slot) => [slot.start, slot]));
  const more = periods.value.filter((other) => other !== length);
  return (
    <>
      <div class="scroller" onPointerLeave={() => (pointedStart.value = null)}>
        <table id="table" role="grid" aria-labelledby="slots-title" onKeyDown={(event) => walk(event, table)}>
          <thead>
            <tr>
              <th scope="col">
                <span class="unseen">hour</span>
              </th>
              {table.columns.map((column) => (
                <th scope="col" key={column}>
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row) => (
              <tr key={row.label}>
                <th scope="row">{row.label}</th>
                {row.starts.map((start, column) =>
                  start === undefined ? (
                    <td key={table.columns[column]} />
                  ) : (
                    <Cell key={start} start={start} minutes={length} slot={rows.get(start)} />
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {[...rows.values()].some((slot) => slot.reporting !== slot.members) && (
        <p class="hint">Underlined: not every member reports.</p>
      )}
      {more.length > 0 && place.value.period === null && (
        <p class="hint">
          Values were saved for {more.join(", ")} min, too. Choose “Slots” to see what holds across them.
        </p>
      )}
    </>
  );
}

interface CellProps {
  start: number;
  minutes: number;
  slot: Slot | undefined;
}

function Cell(props: CellProps) {
  const { start, slot } = props;
  const isChosen = chosenStart.value === start;
  const words = slotWords(start, props.minutes, zone.value);
  const point = (): void => {
    pointedStart.value = start;
  };
  if (editing.value !== null) return <Field start={start} words={words} isChosen={isChosen} point={point} />;
  const flash = slot === undefined ? 0 : flashOf(slot);
  const classes = [isChosen ? "is-chosen" : "", flash > 0 ? `flash-${flash % 2}` : ""];
  const value = slot === undefined || slot.value === null ? null : slot.value;
  const counts = slot?.members === undefined ? "" : `, ${slot.reporting} of ${slot.members} reporting`;
  if (slot?.members !== undefined && slot.reporting !== slot.members) classes.push("is-partial");
  return (
    <td
      role="gridcell"
      tabIndex={isChosen ? 0 : -1}
      class={classes.join(" ").trim()}
      data-start={start}
      aria-selected={isChosen}
      aria-label={`${words}: ${value === null ? "no value" : `${exactText(value)} MW`}${counts}`}
      onPointerEnter={point}
      onClick={() => adjust({ slot: utc(start) })}
      onFocus={() => !isChosen && adjust({ slot: utc(start) })}
    >
      {value === null ? "·" : shortText(value)}
    </td>
  );
}

function Field(props: { start: number; words: string; isChosen: boolean; point: () => void }) {
  const { start, words } = props;
  const typed = editing.value?.texts.get(start);
  const standing = standingText(start);
  const verdict = verdictOf(start);
  const classes = [typed === undefined ? "" : "is-typed"];
  if (verdict !== undefined) classes.push(verdict.isWarning ? "is-warned" : "is-refused");
  const id = `verdict-${start}`;
  return (
    <td role="gridcell" class={classes.join(" ").trim()} data-start={start} onPointerEnter={props.point}>
      <input
        inputMode="decimal"
        autocomplete="off"
        value={typed ?? standing}
        placeholder="·"
        tabIndex={props.isChosen ? 0 : -1}
        aria-label={`${words}, MW`}
        aria-invalid={verdict !== undefined && !verdict.isWarning}
        aria-describedby={verdict === undefined ? undefined : id}
        onInput={(event) => fill(start, [event.currentTarget.value])}
        onFocus={(event) => {
          event.currentTarget.select();
          if (!props.isChosen) adjust({ slot: utc(start) });
        }}
        onPaste={(event) => paste(event, start)}
      />
      {verdict !== undefined && (
        <span class="verdict" id={id} title={verdict.message}>
          {verdict.code}
        </span>
      )}
    </td>
  );
}

/** A block of cells goes into the slots from here on; a single value goes where it is pasted. */
function paste(event: ClipboardEvent, start: number): void {
  const values = pastedValues(event.clipboardData?.getData("text") ?? "");
  if (values.length < 2) return;
  event.preventDefault();
  fill(start, values);
}

/** Rows and columns that a key moves by. */
const WAYS: Record<string, [number, number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  Enter: [1, 0],
};

function walk(event: KeyboardEvent, table: HourTable): void {
  const isField = event.target instanceof HTMLInputElement;
  const [down = 0, right = 0] = WAYS[event.key] ?? [];
  if (down === 0 && right === 0) return jump(event, table, isField);
  // Inside a field left and right walk its text.
  if ((isField && right !== 0) || (!isField && event.key === "Enter")) return;
  event.preventDefault();
  const starts = table.rows.flatMap((row) => row.starts);
  const width = table.columns.length;
  let at = starts.indexOf(Number((event.target as HTMLElement).closest("td")?.dataset.start));
  do at += down * width + right;
  while (at >= 0 && at < starts.length && starts[at] === undefined);
  focusCell(starts[at]);
}

function jump(event: KeyboardEvent, table: HourTable, isField: boolean): void {
  const starts = table.rows.flatMap((row) => row.starts).filter((start) => start !== undefined);
  const target = event.key === "Home" ? starts[0] : event.key === "End" ? starts.at(-1) : undefined;
  if (target === undefined || isField) return;
  event.preventDefault();
  focusCell(target);
}

function focusCell(start: number | undefined): void {
  const cell = document.querySelector<HTMLElement>(`#table td[data-start="${start}"]`);
  (cell?.querySelector("input") ?? cell)?.focus();
}
