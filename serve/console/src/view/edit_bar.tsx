// Above the table: its title, and while somebody edits, everything a save needs and what became of it.

import { adjust } from "../desk/address";
import { periods, provider, providers } from "../desk/picture";
import { amend, beginEdit, editedMinutes, editing, endEdit, isEditable, isSaving, outcome, save, unreadable } from "../desk/saving";
import { countText, typedValue } from "../read/quantity";
import type { SaveOutcome } from "../read/save";

const PERIODS = [5, 10, 15, 30, 60];

export function EditBar() {
  return (
    <>
      <header>
        <h2 id="slots-title">Slots in MW</h2>
        {editing.value === null ? (
          isEditable.value && (
            <button type="button" id="edit" onClick={beginEdit}>
              Edit
            </button>
          )
        ) : (
          <button type="button" onClick={endEdit}>
            {editing.value.texts.size > 0 ? "Discard" : "Done"}
          </button>
        )}
      </header>
      {editing.value !== null && <SaveForm />}
      {editing.value !== null && outcome.value !== null && <Outcome outcome={outcome.value} />}
    </>
  );
}

function SaveForm() {
  const draft = editing.value;
  if (draft === null) return null;
  const typed = [...draft.texts.values()];
  const withdrawn = typed.filter((text) => typedValue(text) === null).length;
  const faults = unreadable.value.size;
  const isReady = typed.length > 0 && faults === 0 && !isSaving.value;
  const slots = typed.length === 1 ? "1 slot" : `${typed.length} slots`;
  return (
    <form
      class="save"
      aria-label="Save by hand"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <p class="hint">
        Type into a slot, or paste a column or block of values: it fills the slots from there on. An empty slot is
        withdrawn.
      </p>
      <label>
        <span>as</span>
        <input
          list="known-providers"
          value={provider.value}
          maxLength={50}
          required
          onChange={(event) => event.currentTarget.value !== "" && adjust({ provider: event.currentTarget.value })}
        />
        <datalist id="known-providers">
          {providers.value.map((known) => (
            <option key={known} value={known} />
          ))}
        </datalist>
      </label>
      <label>
        <span>slots of</span>
        <select
          value={editedMinutes.value}
          disabled={draft.texts.size > 0}
          onChange={(event) => amend({ period: Number(event.currentTarget.value) })}
        >
          {[...new Set([...PERIODS, ...periods.value, editedMinutes.value])].map((minutes) => (
            <option key={minutes} value={minutes}>
              {minutes} min
            </option>
          ))}
        </select>
      </label>
      <label class="wide">
        <span>note</span>
        <input
          id="note"
          value={draft.note}
          maxLength={255}
          onInput={(event) => amend({ note: event.currentTarget.value })}
        />
      </label>
      <Tick name="clip to the upper limit" on={draft.clips} set={(clips) => amend({ clips })} />
      {provider.value !== "FinalForecast" && (
        <Tick name="also as FinalForecast" on={draft.alsoFinal} set={(alsoFinal) => amend({ alsoFinal })} />
      )}
      <button type="submit" class="main" id="save" disabled={!isReady}>
        {isSaving.value ? "Saving…" : typed.length === 0 ? "Nothing typed yet" : `Save ${slots}`}
      </button>
      {withdrawn > 0 && <span class="hint">{withdrawn} of them withdrawn</span>}
      {faults > 0 && <span class="fault">{faults} cannot be read</span>}
    </form>
  );
}

function Tick(props: { name: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <label class="tick">
      <input type="checkbox" checked={props.on} onChange={(event) => props.set(event.currentTarget.checked)} />
      <span>{props.name}</span>
    </label>
  );
}

function Outcome({ outcome }: { outcome: SaveOutcome }) {
  const { saved, skipped, refused, message, verdicts } = outcome;
  const isFault = refused > 0 || message !== null;
  const rules = new Map([...verdicts.values()].map((verdict) => [verdict.code, verdict]));
  return (
    <div class={isFault ? "outcome is-fault" : "outcome"} role={isFault ? "alert" : "status"} id="outcome">
      {message !== null ? (
        <p>Nothing was saved: {message}</p>
      ) : (
        <p>
          <b>{countText(saved)} saved</b>
          {skipped > 0 && `, ${countText(skipped)} were equal already`}
          {refused > 0 && <strong>, {countText(refused)} refused</strong>}
        </p>
      )}
      {[...rules.values()].map((rule) => (
        <p key={rule.code}>
          <code>{rule.code}</code> {rule.message}
        </p>
      ))}
    </div>
  );
}
