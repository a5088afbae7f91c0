// Every revision of the day in the order in which they count, newest first: who issued it, and what became of it.

import { go } from "../desk/address";
import { now } from "../desk/clock";
import { zone } from "../desk/day";
import { REVISIONS_AT_MOST, history, pointedBatch, revisions } from "../desk/history";
import { considerWithdrawal } from "../desk/saving";
import { type Revision, shortId } from "../read/slot";
import { instantWords } from "../time/words";

export function Revisions() {
  const { isLoading, error } = history.state.value;
  const all = revisions.value.toReversed();
  return (
    <section class="panel revisions" aria-labelledby="revisions-title">
      <header>
        <h2 id="revisions-title">Revisions of the day</h2>
        <span class="hint">{all.length === REVISIONS_AT_MOST ? `the newest ${all.length}` : all.length}</span>
      </header>
      {error !== null && <p class="fault">{error}</p>}
      {all.length === 0 && <p class="empty">{isLoading ? "Reading…" : "Nobody has said anything about this day."}</p>}
      {all.length > 0 && (
        <div class="scroller" onPointerLeave={() => (pointedBatch.value = null)}>
          <table>
            <thead>
              <tr>
                <th scope="col">issued</th>
                <th scope="col">by</th>
                <th scope="col">slots</th>
                <th scope="col">batch</th>
                <th scope="col">
                  <span class="unseen">what one can do</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map((revision) => (
                <Line key={`${revision.batchId}/${revision.period}`} revision={revision} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Line({ revision }: { revision: Revision }) {
  const { batchId, validAfter, recorded, user, note, withdrawn, confirmed, predictions, period } = revision;
  const point = (): void => {
    pointedBatch.value = batchId;
  };
  const at = (text: string): string => instantWords(Date.parse(text), zone.value, now.peek());
  return (
    <tr class={withdrawn ? "is-withdrawn" : ""} onPointerEnter={point} onFocusIn={point}>
      <td title={`valid after ${validAfter}, recorded ${recorded}`}>
        {at(validAfter)}
      </td>
      <td class="text" title={note ?? undefined}>
        {user ?? "—"}
        {note !== null && <q>{note}</q>}
      </td>
      <td>
        {predictions.length} <small>× {period} min</small>
        {withdrawn && <mark>withdrawn</mark>}
        {confirmed && !withdrawn && <mark class="calm">no news</mark>}
      </td>
      <td>
        <code title={batchId}>{shortId(batchId)}</code>
      </td>
      <td class="acts">
        <button type="button" class="small" onClick={() => go({ date: validAfter })} title="Show what counted then">
          As of
        </button>
        {!withdrawn && (
          <button type="button" class="small" onClick={() => void considerWithdrawal(batchId)}>
            Withdraw…
          </button>
        )}
      </td>
    </tr>
  );
}
