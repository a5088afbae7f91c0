// Numbers out and in: what is shown of a value, and what somebody may type for one.

const full = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 5 });
const short = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const rate = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** Every decimal there is, two at least: `54.30`, `54.12345`. */
export function exactText(value: number): string {
  return signed(full.format(value));
}

/** Two decimals, for tables. */
export function shortText(value: number): string {
  return signed(short.format(value));
}

export function countText(count: number): string {
  return whole.format(count);
}

export function rateText(perSecond: number): string {
  return perSecond >= 100 ? whole.format(perSecond) : rate.format(perSecond);
}

function signed(text: string): string {
  return text.replace("-", "−");
}

/** What somebody typed: the JSON number it means, null for nothing (a withdrawal), or undefined. */
export function typedValue(text: string): string | null | undefined {
  const plain = text.trim().replace(/^[−–]/, "-").replace(/[\u00a0\u202f' ]/g, "");
  if (plain === "" || plain === "-") return null;
  // Both marks: the last is the decimal one. One comma alone is a decimal comma, as in `54,3`.
  const last = Math.max(plain.lastIndexOf(","), plain.lastIndexOf("."));
  const kinds = (plain.includes(",") ? 1 : 0) + (plain.includes(".") ? 1 : 0);
  const isGroupedOnly = kinds === 1 && plain.split(/[,.]/).length > 2;
  // `1,234` is one number in one country and another in the next: nobody's forecast is guessed at.
  const isAmbiguous = kinds === 1 && /^-?[1-9]\d{0,2},\d{3}$/.test(plain);
  if (isGroupedOnly || isAmbiguous) return undefined;
  const head = last < 0 ? plain : plain.slice(0, last).replace(/[,.]/g, "");
  const tail = last < 0 ? "" : plain.slice(last + 1);
  const number = tail === "" ? head : `${head}.${tail}`;
  if (!/^-?\d+(\.\d+)?$/.test(number)) return undefined;
  return number.replace(/^(-?)0+(?=\d)/, "$1");
}

/** A pasted block as values in reading order: lines, and cells by tab or semicolon. */
export function pastedValues(text: string): string[] {
  const lines = text.replace(/\r\n?/g, "\n").replace(/\n$/, "").split("\n");
  return lines.flatMap((line) => line.split(/[\t;]/)).map((cell) => cell.trim());
}
