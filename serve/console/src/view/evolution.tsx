// How the forecast of one delivery came to be: each value it had, by the time it was issued.

import { now } from "../desk/clock";
import { zone } from "../desk/day";
import { pointedBatch } from "../desk/history";
import { evolution, settledStart } from "../desk/slot_facts";
import { exactText } from "../read/quantity";
import { axisRange } from "../read/layers";
import { type Stage, shortId } from "../read/slot";
import { instantWords } from "../time/words";
import { dateOf, timeOf } from "../time/zone";

const LINES_AT_MOST = 100;

export function Evolution() {
  const { data, isLoading, error } = evolution.state.value;
  const start = settledStart.value;
  const stages = data ?? [];
  return (
    <section class="panel evolution" aria-labelledby="evolution-title">
      <header>
        <h2 id="evolution-title">
          Evolution{start !== null && ` of ${dateOf(start, zone.value).slice(5)} ${timeOf(start, zone.value)}`}
        </h2>
        <span class="hint">how this delivery’s value came to be</span>
      </header>
      {error !== null && <p class="fault">{error}</p>}
      {stages.length === 0 && error === null && (
        <p class="empty">{isLoading ? "Reading…" : "Nobody has said anything about this slot."}</p>
      )}
      {stages.length > 0 && <Track stages={stages} />}
      {stages.length > 0 && (
        <div class="scroller" onPointerLeave={() => (pointedBatch.value = null)}>
          <table>
            <thead>
              <tr>
                <th scope="col">issued</th>
                <th scope="col">MW</th>
                <th scope="col">by</th>
                <th scope="col">batch</th>
              </tr>
            </thead>
            <tbody>
              {stages.toReversed().slice(0, LINES_AT_MOST).map((stage) => (
                <Line key={`${stage.batchId}/${stage.period}`} stage={stage} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Line({ stage }: { stage: Stage }) {
  const { batchId, validAfter, recorded, v, user, note, withdrawn, confirmed } = stage;
  return (
    <tr class={withdrawn ? "is-withdrawn" : ""} onPointerEnter={() => (pointedBatch.value = batchId)}>
      <td title={`valid after ${validAfter}, recorded ${recorded}`}>
        {instantWords(Date.parse(validAfter), zone.value, now.peek())}
      </td>
      <td class="number">
        {v === null ? "withdrawn" : exactText(v)}
        {confirmed && <mark class="calm">no news</mark>}
        {withdrawn && <mark>batch withdrawn</mark>}
      </td>
      <td class="text" title={note ?? undefined}>
        {user ?? "—"}
        {note !== null && <q>{note}</q>}
      </td>
      <td>
        <code title={batchId}>{shortId(batchId)}</code>
      </td>
    </tr>
  );
}

const WIDTH = 400;
const HEIGHT = 64;

/** The values over their issue times, as a line of steps. */
function Track({ stages }: { stages: Stage[] }) {
  const told = stages.filter((stage) => stage.v !== null && !stage.withdrawn);
  if (told.length < 2) return null;
  const times = told.map((stage) => Date.parse(stage.validAfter));
  const values = told.map((stage) => stage.v as number);
  const first = Math.min(...times);
  // The newest value holds on: a little of that is drawn, too.
  const length = Math.max((Math.max(...times) - first) * 1.05, 1);
  const [least, most] = axisRange(Math.min(...values), Math.max(...values));
  const x = (time: number): number => ((time - first) / length) * (WIDTH - 8) + 4;
  const y = (value: number): number => HEIGHT - ((value - least) / (most - least)) * HEIGHT;
  const path = told.map((stage, index) => {
    const [across, up] = [x(Date.parse(stage.validAfter)).toFixed(1), y(stage.v as number).toFixed(1)];
    return index === 0 ? `M${across} ${up}` : `H${across}V${up}`;
  });
  const words = `${told.length} values from ${exactText(Math.min(...values))} to ${exactText(Math.max(...values))} MW`;
  return (
    <svg class="track" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words}>
      <path d={`${path.join("")}H${WIDTH}`} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
