// The answer to what one most often asks: how much, when, who said so, and when it last changed.

import { Fragment } from "preact";
import { isTotal } from "../place";
import { adjust, place } from "../desk/address";
import { now } from "../desk/clock";
import { date, today, zone } from "../desk/day";
import { flashOf, minutes, picture, provider } from "../desk/picture";
import { askedActuals, askedOrigin, askedOthers, askedRows, askedStart } from "../desk/slot_facts";
import { considerWithdrawal } from "../desk/saving";
import { exactText } from "../read/quantity";
import { type Slot, shortId } from "../read/slot";
import { agoWords, dateWords, instantWords, nearWord, slotWords } from "../time/words";

export function Answer() {
  const [row, ...more] = askedRows.value;
  const start = askedStart.value;
  const flash = row === undefined ? 0 : flashOf(row);
  const near = nearWord(date.value, today.value);
  const when = start === null ? "" : slotWords(start, row?.minutes ?? minutes.value, zone.value);
  return (
    <section class="answer" aria-label="The chosen slot" id="answer">
      <div class="figure">
        <p class="when">
          {near !== null && <b>{near} </b>}
          {dateWords(date.value)} <strong>{when}</strong> <span class="zone">{zone.value}</span>
        </p>
        <p class={flash > 0 ? `value flash-${flash % 2}` : "value"} id="answer-value">
          {row === undefined || row.value === null ? (
            <span class="none">{picture.value.isLoading ? "…" : nothing(row)}</span>
          ) : (
            <>
              {exactText(row.value)} <small>MW</small>
            </>
          )}
        </p>
        {more.map((other) => (
          <p class="also" key={other.minutes}>
            also saved for {other.minutes} min: {other.value === null ? "no value" : `${exactText(other.value)} MW`}
          </p>
        ))}
      </div>
      <Facts row={row} />
      <Beside />
    </section>
  );
}

function nothing(row: Slot | undefined): string {
  return row === undefined ? "no forecast" : "not enough covered";
}

function Facts({ row }: { row: Slot | undefined }) {
  const origin = askedOrigin.value;
  const at = (text: string) => <time dateTime={text}>{instantWords(Date.parse(text), zone.value, now.value)}</time>;
  const validAfter = row?.validAfter ?? origin?.validAfter;
  const recorded = row?.recorded ?? origin?.recorded;
  const note = origin?.note ?? row?.note ?? null;
  const batchId = row?.batchId ?? origin?.batchId;
  // A version counts from its issue time, but never before it was recorded.
  const stands = [validAfter, recorded].filter((text) => text !== undefined).map((text) => Date.parse(text));
  return (
    <dl class="said" id="answer-facts">
      <dt>provider</dt>
      <dd>{provider.value}</dd>
      {origin !== null && (
        <>
          <dt>said by</dt>
          <dd>
            {origin.user ?? "nobody named"}
            {note !== null && <q>{note}</q>}
          </dd>
        </>
      )}
      {validAfter !== undefined && (
        <>
          <dt title="valid after: the version counts from this instant">issued</dt>
          <dd>
            {at(validAfter)} <small>(valid after)</small>
          </dd>
        </>
      )}
      {recorded !== undefined && (
        <>
          <dt>recorded</dt>
          <dd>{at(recorded)}</dd>
        </>
      )}
      {stands.length > 0 && (
        <>
          <dt>last changed</dt>
          <dd class="changed">{agoWords(Math.max(...stands), now.value)}</dd>
        </>
      )}
      {row?.members !== undefined && (
        <>
          <dt>reporting</dt>
          <dd>
            {row.reporting} of {row.members} members
          </dd>
        </>
      )}
      {row?.coverage !== undefined && (
        <>
          <dt>coverage</dt>
          <dd>{Math.round(row.coverage * 1_000) / 10} %</dd>
        </>
      )}
      {row !== undefined && recorded === undefined && !isTotal(place.value) && (
        <>
          <dt>computed</dt>
          <dd>from the slots as saved; a computed slot has no single batch</dd>
        </>
      )}
      {batchId !== undefined && (
        <>
          <dt>batch</dt>
          <dd>
            <code title={batchId}>{shortId(batchId)}</code>{" "}
            <button type="button" class="small" onClick={() => void considerWithdrawal(batchId)}>
              Withdraw…
            </button>
          </dd>
        </>
      )}
    </dl>
  );
}

/** The actual, and what others say of the same time. */
function Beside() {
  const actuals = askedActuals.value.filter((actual) => actual.value !== null);
  const others = askedOthers.value;
  if (actuals.length === 0 && others.length === 0) return null;
  return (
    <dl class="beside" aria-label="Beside it">
      {actuals.map((actual) => (
        <Fragment key={actual.minutes}>
          <dt class="is-actual">
            actual ({actual.provider}) <OwnSlot slot={actual} />
          </dt>
          <dd>{exactText(actual.value ?? 0)} MW</dd>
        </Fragment>
      ))}
      {others.map((other) => (
        <Fragment key={`${other.provider}/${other.minutes}`}>
          <dt>
            <button type="button" class="link" onClick={() => adjust({ provider: other.provider })}>
              {other.provider}
            </button>{" "}
            <OwnSlot slot={other} />
          </dt>
          <dd>{other.value === null ? "—" : `${exactText(other.value)} MW`}</dd>
        </Fragment>
      ))}
    </dl>
  );
}

/** The slot of a value that has another one than what it stands beside. */
function OwnSlot({ slot }: { slot: Slot }) {
  if (slot.minutes === (askedRows.value[0]?.minutes ?? minutes.value)) return null;
  return <small>{slotWords(slot.start, slot.minutes, zone.value)}</small>;
}
