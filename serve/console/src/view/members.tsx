// Which plants make a total at the chosen slot: who reports what, and who does not.

import { isLiveNow, open } from "../desk/address";
import { zone } from "../desk/day";
import { belonging, said } from "../desk/members";
import { picture } from "../desk/picture";
import { settledStart } from "../desk/slot_facts";
import { exactText } from "../read/quantity";
import { dateOf, timeOf } from "../time/zone";
import { subjectOfUnit, unitName } from "../units/unit";

/** Lines beyond this many nobody reads; those that do not report come first. */
const LINES_AT_MOST = 500;

export function Members() {
  const start = settledStart.value;
  const { data, error, isLoading } = said.state.value;
  const row = picture.value.slots.find((slot) => slot.start === start);
  const plants = belonging.value.map((plant) => {
    const value = data?.get(unitName(plant.unitType, plant.unitNo));
    return { plant, value: value ?? null };
  });
  const silent = plants.filter(({ value }) => value === null);
  const ordered = [...silent, ...plants.filter(({ value }) => value !== null)].slice(0, LINES_AT_MOST);
  return (
    <section class="panel members" aria-labelledby="members-title">
      <header>
        <h2 id="members-title">
          Members{start !== null && ` at ${dateOf(start, zone.value).slice(5)} ${timeOf(start, zone.value)}`}
        </h2>
        {row?.members !== undefined && (
          <span class="hint" id="reporting">
            {row.reporting} of {row.members} reporting
          </span>
        )}
      </header>
      {error !== null && <p class="fault">{error}</p>}
      {plants.length === 0 && <p class="empty">Nobody belongs to it then.</p>}
      {plants.length > 0 && (
        <div class="scroller">
          <table>
            <thead>
              <tr>
                <th scope="col">plant</th>
                <th scope="col">type</th>
                <th scope="col">MW</th>
              </tr>
            </thead>
            <tbody>
              {ordered.map(({ plant, value }) => (
                // A line that falls silent is another line: Chromium keeps the old colour of one that is moved and
                // classed anew at once.
                <tr key={`${plant.unitNo}/${value === null}`} class={value === null && data !== null ? "is-silent" : ""}>
                  <td class="text">
                    <button type="button" class="link" onClick={() => open(subjectOfUnit(plant))}>
                      {plant.unitNo} {plant.name}
                    </button>
                  </td>
                  <td class="text">{plant.plantType ?? "—"}</td>
                  <td class="number">
                    {value !== null ? exactText(value) : data === null ? (isLoading ? "…" : "—") : "no value"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {plants.length > ordered.length && (
            <p class="hint">{plants.length - ordered.length} more are not listed.</p>
          )}
          {!isLiveNow.value && <p class="hint">Regions and types are as they are now.</p>}
        </div>
      )}
    </section>
  );
}
