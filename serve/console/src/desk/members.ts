// The plants of the total that is shown, and what each says at the chosen slot.

import { computed } from "@preact/signals";
import { isTotal } from "../place";
import { ask, utc } from "../read/answer";
import { type Element, slotsOfElements } from "../read/slot";
import { plantsOf, unitName } from "../units/unit";
import { place } from "./address";
import { memberships, units } from "./directory";
import { onChanges } from "./feed";
import { minutes, provider } from "./picture";
import { following } from "./reading";
import { settledStart } from "./slot_facts";

/** The plants that belong at the start of the chosen slot. */
export const belonging = computed(() => {
  const { subject } = place.value;
  const start = settledStart.value;
  if (subject === null || start === null || !isTotal(place.value)) return [];
  return plantsOf(subject, units.value, memberships.value, start);
});

/** One read of all of them, of that slot alone. */
const question = computed<string | null>(() => {
  const start = settledStart.value;
  if (start === null || belonging.value.length === 0) return null;
  const { date, knownAt } = place.value;
  const query = {
    from: utc(start),
    to: utc(start + minutes.value * 60_000),
    period: minutes.value,
    ...(date === null ? {} : { date }),
    ...(knownAt === null ? {} : { known_at: knownAt }),
  };
  const unitIds = belonging.value.map((plant) => plant.unitNo);
  return JSON.stringify({ providerKey: provider.value, unitType: "PP", unitIds, query });
});

/** The value of each plant by its name; null where it has none. */
async function read(body: string, abort: AbortSignal): Promise<Map<string, number | null>> {
  const headers = { "content-type": "application/json" };
  const path = "/api/v2.0/production-forecast/multi";
  const answer = await ask<Element[]>(path, { method: "POST", headers, body, signal: abort });
  return new Map(
    answer.data.map((element) => [
      unitName(element.unitType ?? "PP", element.unitNo ?? 0),
      slotsOfElements([element])[0]?.value ?? null,
    ]),
  );
}

/** A large total changes with every save of its plants; its members are read again at ease. */
const REST = 20;
export const said = following(question, read, REST);
onChanges(() => said.again());
