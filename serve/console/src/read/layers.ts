// Curves of slots on one axis of time, as the chart wants them: a value holds from the start of its slot to its
// end, and where nothing follows the line ends there.

export interface Step {
  start: number;
  minutes: number;
  value: number | null;
}

export interface Aligned {
  /** Seconds since 1970. */
  x: number[];
  /** One a layer; null where it has nothing. */
  layers: (number | null)[][];
}

/** A moment before the end of a slot, so that a line is drawn to its end and no further. */
const JUST_BEFORE_MS = 1_000;

export function aligned(layers: readonly (readonly Step[])[]): Aligned {
  const times = new Set<number>();
  for (const steps of layers) {
    const starts = new Set(steps.map((step) => step.start));
    for (const step of steps) {
      const end = step.start + step.minutes * 60_000;
      times.add(step.start);
      if (!starts.has(end)) times.add(end - JUST_BEFORE_MS).add(end);
    }
  }
  const x = [...times].sort((left, right) => left - right);
  return { x: x.map((ms) => ms / 1_000), layers: layers.map((steps) => held(x, steps)) };
}

/** The value that holds at each instant of `x`, which is sorted, as `steps` are. */
function held(x: readonly number[], steps: readonly Step[]): (number | null)[] {
  let next = 0;
  return x.map((at) => {
    while (next + 1 < steps.length && (steps[next + 1] as Step).start <= at) next += 1;
    const step = steps[next];
    const holds = step !== undefined && step.start <= at && at < step.start + step.minutes * 60_000;
    return holds ? step.value : null;
  });
}

/** The range of an axis that shows all values: from zero where that costs little. */
export function axisRange(least: number | null, most: number | null): [number, number] {
  if (least === null || most === null) return [0, 1];
  const from = least >= 0 && least < most * 0.4 ? 0 : least;
  const room = Math.max((most - from) * 0.08, Math.abs(most) * 0.01, 0.01);
  return [from === 0 ? 0 : from - room, most + room];
}
