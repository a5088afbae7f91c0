// The REST doors as functions: the envelope is opened, refusals become errors that know their status, and the
// epoch an answer shows comes along.

/** A successful answer and the epoch it shows. */
export interface Answer<T> {
  data: T;
  epoch: number;
  /** The instant used, where one asked what was known then. */
  knownAt: string | null;
}

interface Envelope {
  message?: string;
  data?: unknown;
  additionalData?: Record<string, unknown>;
}

/** A door said no, or did not answer (status 0). */
export class Refused extends Error {
  readonly status: number;
  readonly code: string | null;
  /** What the door answered nevertheless: decisions slot by slot. */
  readonly data: unknown;
  readonly additional: Record<string, unknown>;

  constructor(status: number, envelope: Envelope) {
    super(envelope.message ?? `status ${status}`);
    this.status = status;
    this.data = envelope.data;
    this.additional = envelope.additionalData ?? {};
    this.code = typeof this.additional.code === "string" ? this.additional.code : null;
  }

  /** The message with the fields it names. */
  get words(): string {
    const fields = this.additional.fields;
    if (typeof fields !== "object" || fields === null) return this.message;
    const named = Object.entries(fields).map(([field, rules]) => `${field} ${String(rules)}`);
    return `${this.message}: ${named.join("; ")}`;
  }
}

export async function ask<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, { message: "the service does not answer" });
  }
  let envelope: Envelope;
  try {
    envelope = (await answer.json()) as Envelope;
  } catch {
    throw new Refused(answer.status, { message: `status ${answer.status} without a readable answer` });
  }
  if (!answer.ok) throw new Refused(answer.status, envelope);
  return {
    data: envelope.data as T,
    epoch: Number(answer.headers.get("x-smartpulse-epoch") ?? 0),
    knownAt: answer.headers.get("x-smartpulse-known-at"),
  };
}

/** A path with query words; those that are null are left out. */
export function withWords(path: string, words: Record<string, string | number | boolean | null>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(words)) {
    if (value !== null) query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** An instant as the doors read it. */
export function utc(instant: number): string {
  return new Date(instant).toISOString().replace(".000Z", "Z");
}
