// The page: who and how fresh at the top, the list at the side, one subject in the middle.

import { effect } from "@preact/signals";
import { isTotal, subjectPath } from "../place";
import { isLiveNow, place } from "../desk/address";
import { unit } from "../desk/directory";
import { picture } from "../desk/picture";
import { Answer } from "./answer";
import { Banners } from "./banners";
import { Controls } from "./controls";
import { DayCurve } from "./day_curve";
import { DayTable } from "./day_table";
import { EditBar } from "./edit_bar";
import { Evolution } from "./evolution";
import { Heading } from "./heading";
import { Members } from "./members";
import { Revisions } from "./revisions";
import { Shortcuts } from "./shortcuts";
import { TopBar } from "./top_bar";
import { UnitList } from "./unit_list";
import { WithdrawDialog } from "./withdraw_dialog";

effect(() => {
  // Among many tabs one is found by what it shows.
  const { subject } = place.value;
  const key = subject?.type === "total" && subject.dimension !== "all" ? subject.key : null;
  const named = unit.value?.name ?? key ?? subjectPath(subject);
  document.title = named === "" ? "SmartPulse" : `${named} · SmartPulse`;
});

export function Console() {
  const { subject } = place.value;
  return (
    <div class={isLiveNow.value ? "console" : "console is-past"}>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the forecast
      </a>
      <TopBar />
      <Banners />
      <div class="body">
        <UnitList />
        <main id="main" tabIndex={-1}>
          {subject === null ? <p class="empty">Choose a unit from the list.</p> : <SubjectView />}
        </main>
      </div>
      <Shortcuts />
      <WithdrawDialog />
    </div>
  );
}

function skip(event: Event): void {
  // The address is the place of the page; a jump must not change it.
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function SubjectView() {
  const { error } = picture.value;
  const total = isTotal(place.value);
  return (
    <>
      <Heading />
      <Controls />
      {error !== null && (
        <p class="fault" role="alert">
          This could not be read: {error}
        </p>
      )}
      <Answer />
      <div class="work">
        <DayCurve />
        <section class="panel slots" aria-labelledby="slots-title">
          <EditBar />
          <DayTable />
        </section>
        <div class="told">
          {total ? (
            <Members />
          ) : (
            <>
              <Evolution />
              <Revisions />
            </>
          )}
        </div>
      </div>
    </>
  );
}
