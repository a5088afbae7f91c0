// What nobody may overlook: that the page shows the past, or that what it shows is old.

import { backToLive, isLiveNow, place } from "../desk/address";
import { now } from "../desk/clock";
import { freshness, isAwake } from "../desk/feed";
import { zone } from "../desk/day";
import { picture } from "../desk/picture";
import { countText } from "../read/quantity";
import { durationWords, instantWords } from "../time/words";

export function Banners() {
  return (
    <>
      <OldBanner />
      <PastBanner />
    </>
  );
}

function OldBanner() {
  const { type, silentMs, reason, nextMs } = freshness.value;
  if (type !== "old" || !isAwake.value) return null;
  const since = instantWords(now.value - silentMs, zone.value, now.value);
  const next = nextMs === null ? "Trying again." : `Trying again in ${Math.ceil(nextMs / 1_000)} s.`;
  return (
    <div class="banner is-old" id="old-banner">
      {/* Said once: the seconds that run are for the eye. */}
      <strong role="alert">What you see may be old.</strong>
      <span>
        No word from the service since {since} ({durationWords(silentMs)}){reason === null ? "" : `: ${reason}`}. {next}
      </span>
    </div>
  );
}

function PastBanner() {
  if (isLiveNow.value) return null;
  const { date, knownAt } = place.value;
  const at = (text: string): string => instantWords(Date.parse(text), zone.value, now.value);
  const { epoch } = picture.value;
  return (
    <div class="banner is-past" id="past-banner" role="status">
      <strong>You are looking at the past.</strong>
      <span>
        {date !== null && <>What counted as of {at(date)}</>}
        {date !== null && knownAt !== null && ", "}
        {knownAt !== null && <>{date === null ? "What" : "as"} was known at {at(knownAt)}</>} ({zone.value})
        {epoch !== null && `, read at epoch ${countText(epoch)}`}. Nothing here changes live.
      </span>
      <button type="button" onClick={backToLive}>
        Back to live
      </button>
    </div>
  );
}
