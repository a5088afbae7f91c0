// What one chooses: the day, the provider, the slot length, the zone, and both axes of time.

import { signal } from "@preact/signals";
import type { ZoneChoice } from "../place";
import { adjust, go, isLiveNow, place } from "../desk/address";
import { now } from "../desk/clock";
import { date, span, subjectZone, today, zone } from "../desk/day";
import { provider, providers } from "../desk/picture";
import { editing } from "../desk/saving";
import { goToDay } from "../desk/shortcuts";
import { utc } from "../read/answer";
import { hoursOf } from "../time/day";
import { civilMs, datePlus, instantOf, isDate } from "../time/zone";

const PERIODS = [5, 10, 15, 30, 60];

export function Controls() {
  return (
    <div class="controls">
      <DayChoice />
      <ProviderChoice />
      <PeriodChoice />
      <ZoneOptions />
      <Axes />
    </div>
  );
}

function ProviderChoice() {
  return (
    <select
      id="provider"
      aria-label="Provider"
      value={provider.value}
      onChange={(event) => go({ provider: event.currentTarget.value })}
    >
      {providers.value.map((known) => (
        <option key={known} value={known}>
          {known}
        </option>
      ))}
    </select>
  );
}

function PeriodChoice() {
  const { period } = place.value;
  const all = new Set(period === null ? PERIODS : [...PERIODS, period]);
  return (
    <select
      id="period"
      aria-label="Slots"
      value={period ?? ""}
      // What is edited is as it was saved.
      disabled={editing.value !== null}
      onChange={(event) => go({ period: Number(event.currentTarget.value) || null })}
    >
      <option value="">slots as saved</option>
      {[...all].map((minutes) => (
        <option key={minutes} value={minutes}>
          {minutes} min slots
        </option>
      ))}
    </select>
  );
}

function ZoneOptions() {
  return (
    <select
      id="zone"
      aria-label="Zone of all times"
      value={place.value.zone}
      onChange={(event) => adjust({ zone: event.currentTarget.value as ZoneChoice })}
    >
      <option value="unit">
        {subjectZone.value} ({place.value.subject?.type === "total" ? "plants" : "unit"})
      </option>
      <option value="browser">{Intl.DateTimeFormat().resolvedOptions().timeZone} (mine)</option>
      <option value="utc">UTC</option>
    </select>
  );
}

function DayChoice() {
  const shown = date.value;
  const near = (days: number, word: string) => {
    const day = datePlus(today.value, days);
    return (
      <button type="button" aria-pressed={shown === day} onClick={() => goToDay(day)}>
        {word}
      </button>
    );
  };
  const hours = hoursOf(span.value);
  return (
    <div class="days" role="group" aria-label="Day">
      <button type="button" aria-label="A day earlier" onClick={() => goToDay(datePlus(shown, -1))}>
        ‹
      </button>
      {near(-1, "Yesterday")}
      {near(0, "Today")}
      {near(1, "Tomorrow")}
      <button type="button" aria-label="A day later" onClick={() => goToDay(datePlus(shown, 1))}>
        ›
      </button>
      <input
        type="date"
        aria-label="Date"
        value={shown}
        onChange={(event) => isDate(event.currentTarget.value) && goToDay(event.currentTarget.value)}
      />
      {hours !== 24 && <strong class="odd-day">{hours} hours: the clocks change</strong>}
    </div>
  );
}

/** Whether the axes are unfolded; they are while one looks at the past. */
const isUnfolded = signal(false);

function Axes() {
  const isOpen = isUnfolded.value || !isLiveNow.value;
  return (
    <div class="axes">
      <button
        type="button"
        id="look-back"
        aria-expanded={isOpen}
        aria-pressed={!isLiveNow.value}
        onClick={() => (isUnfolded.value = !isOpen)}
      >
        Look back
      </button>
      {isOpen && (
        <>
          <Instant id="as-of" name="As of" field="date" title="What counted then: versions issued by that time" />
          <Instant id="known-at" name="Known at" field="knownAt" title="What this system had recorded by then" />
        </>
      )}
    </div>
  );
}

function Instant(props: { id: string; name: string; field: "date" | "knownAt"; title: string }) {
  const given = place.value[props.field];
  const local = (instant: number): string => new Date(civilMs(instant, zone.value)).toISOString().slice(0, 19);
  const change = (text: string): void => {
    const instant = instantOf(text.length === 16 ? `${text}:00` : text, zone.value);
    if (text === "") go({ [props.field]: null });
    else if (instant !== null) go({ [props.field]: utc(instant) });
  };
  const hourAgo = Math.floor((now.peek() - 3_600_000) / 60_000) * 60_000;
  return (
    <label title={props.title}>
      <span>{props.name}</span>
      <input
        id={props.id}
        type="datetime-local"
        step="1"
        max={local(now.peek())}
        value={given === null ? "" : local(Date.parse(given))}
        onChange={(event) => change(event.currentTarget.value)}
      />
      {given === null && (
        <button type="button" class="small" onClick={() => go({ [props.field]: utc(hourAgo) })}>
          1 h ago
        </button>
      )}
    </label>
  );
}
