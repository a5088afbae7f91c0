// Always visible: how fresh everything is, which epoch it is of, how much is going on.

import { changedAt, changesPerSecond, epoch, freshness } from "../desk/feed";
import { elapsed, now } from "../desk/clock";
import { newestRecorded } from "../desk/picture";
import { isHelpOpen, isListOpen } from "../desk/shortcuts";
import { theme, toggleTheme } from "../desk/theme";
import { countText, rateText } from "../read/quantity";
import { durationWords } from "../time/words";

const WORDS = { live: "Live", starting: "Connecting", old: "Old" };

export function TopBar() {
  return (
    <header class="top">
      <button
        type="button"
        class="quiet list-toggle"
        aria-expanded={isListOpen.value}
        aria-controls="units"
        onClick={() => (isListOpen.value = !isListOpen.value)}
      >
        <span aria-hidden="true">☰</span> Units
      </button>
      <span class="brand">
        <img src="/icon.svg" alt="" width="20" height="20" />
        SmartPulse
      </span>
      <Standing />
      <span class="spring" />
      <button type="button" class="quiet" onClick={toggleTheme} aria-label={`Theme: ${theme.value}. Switch`}>
        <span aria-hidden="true">{theme.value === "dark" ? "☾" : "☀"}</span>
      </button>
      <button type="button" class="quiet" onClick={() => (isHelpOpen.value = true)} aria-label="Keyboard shortcuts">
        <span aria-hidden="true">?</span>
      </button>
    </header>
  );
}

function Standing() {
  const { type, silentMs } = freshness.value;
  const seen = changedAt.value === null ? null : elapsed.value - changedAt.value;
  const told = newestRecorded.value === null ? null : now.value - newestRecorded.value;
  const ages = [seen, told].filter((age) => age !== null);
  const ago = ages.length === 0 ? "—" : `${durationWords(Math.min(...ages))} ago`;
  return (
    <dl class="standing" aria-label="Freshness">
      <div class={`state is-${type}`} id="standing-state">
        <dt class="unseen">State</dt>
        <dd>
          <i class="lamp" aria-hidden="true" />
          {WORDS[type]}
        </dd>
      </div>
      <div title="The epoch that is shown: a number that every closed group of changes raises">
        <dt>epoch</dt>
        <dd id="standing-epoch">{countText(epoch.value)}</dd>
      </div>
      <div title="Changed rows a second of what is shown, over ten seconds">
        <dt>changes</dt>
        <dd>{rateText(changesPerSecond.value)}/s</dd>
      </div>
      <div title="When something shown here last changed">
        <dt>newest change</dt>
        <dd>{ago}</dd>
      </div>
      <div title="When the service was last heard">
        <dt>last frame</dt>
        <dd>{(silentMs / 1_000).toFixed(1)} s</dd>
      </div>
    </dl>
  );
}
