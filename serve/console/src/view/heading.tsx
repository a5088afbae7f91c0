// What is looked at: its name, what it is, and the way up to whom it belongs.

import { isTotal, subjectPath, totalOf } from "../place";
import { go, open, place } from "../desk/address";
import { hasUnits, memberships, unit, unitsByName } from "../desk/directory";
import { nowMinute } from "../desk/clock";
import { holds, subjectOfUnit, typeWord, unitName } from "../units/unit";

export function Heading() {
  const { subject } = place.value;
  if (subject === null) return null;
  if (subject.type === "total") {
    const words = { region: "region", plant_type: "plant type", all: "all plants" }[subject.dimension];
    return <Title name={subject.dimension === "all" ? "All plants" : subject.key} facts={[`total of ${words}`]} />;
  }
  const known = unit.value;
  const facts = [`${typeWord(subject.unitType)} ${subject.unitNo}`];
  if (known?.plantType !== undefined) facts.push(known.plantType);
  if (known?.installedPowerMw !== undefined) facts.push(`${known.installedPowerMw} MW installed`);
  if (known?.region !== undefined) facts.push(known.region);
  if (known !== null) facts.push(known.zone);
  else if (hasUnits.value) facts.push("nobody has described this unit");
  return (
    <Title name={known?.name ?? subjectPath(subject)} facts={facts}>
      <Parents />
      {subject.unitType !== "PP" && <SumOrOwn />}
    </Title>
  );
}

function Title(props: { name: string; facts: string[]; children?: preact.ComponentChildren }) {
  return (
    <div class="heading">
      <h1>{props.name}</h1>
      <p class="facts">{props.facts.join(" · ")}</p>
      {props.children}
    </div>
  );
}

function Parents() {
  const { subject } = place.value;
  if (subject?.type !== "unit") return null;
  const own = unitName(subject.unitType, subject.unitNo);
  const standing = memberships.value.filter((membership) => holds(membership, nowMinute.value));
  const names = standing
    .filter((membership) => unitName(membership.childType, membership.childNo) === own)
    .map((membership) => unitName(membership.parentType, membership.parentNo));
  const parents = [...new Set(names)].map((name) => unitsByName.value.get(name)).filter((parent) => parent !== undefined);
  if (parents.length === 0) return null;
  return (
    <p class="parents">
      belongs to{" "}
      {parents.map((parent, index) => (
        <span key={parent.unitNo}>
          {index > 0 && ", "}
          <button type="button" class="link" onClick={() => open(subjectOfUnit(parent))}>
            {parent.name}
          </button>
        </span>
      ))}
    </p>
  );
}

function SumOrOwn() {
  const shown = place.value;
  const { dimension } = totalOf(shown.subject ?? { type: "total", dimension: "all", key: "all" });
  const total = isTotal(shown);
  return (
    <div class="choice" role="group" aria-label={`What is shown of the ${dimension}`}>
      <button type="button" aria-pressed={total} onClick={() => go({ own: false })}>
        Sum of its plants
      </button>
      <button type="button" aria-pressed={!total} onClick={() => go({ own: true })}>
        Its own forecast
      </button>
    </div>
  );
}
