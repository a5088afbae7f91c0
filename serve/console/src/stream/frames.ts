// Server-sent events out of bytes as they come: a frame may be cut anywhere, even inside a character.
//
// The browser's own EventSource hides status codes and chooses when to come back by itself; the console has
// to say both, so it reads the stream with `fetch` and this.

/** One event of the stream. */
export interface Frame {
  event: string;
  data: string;
  /** Null where the frame had no `id` line. */
  id: string | null;
}

export interface FrameReader {
  /** The events that `chunk` completed. */
  push(chunk: Uint8Array): Frame[];
  /** Milliseconds before a new attempt, once the server has said so. */
  readonly retryMs: number | null;
}

export function frameReader(): FrameReader {
  const decoder = new TextDecoder();
  let rest = "";
  let isFirst = true;
  let event = "";
  let data: string[] = [];
  let id: string | null = null;
  let retryMs: number | null = null;

  function field(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "data") data.push(value);
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^\d+$/.test(value)) retryMs = Number(value);
  }

  function push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    rest += decoder.decode(chunk, { stream: true });
    if (isFirst && rest.length > 0) {
      rest = rest.replace(/^\uFEFF/, "");
      isFirst = false;
    }
    let start = 0;
    for (;;) {
      const end = lineEnd(rest, start);
      if (end === null) break;
      const line = rest.slice(start, end.at);
      start = end.next;
      if (line !== "") {
        field(line);
        continue;
      }
      if (data.length > 0) frames.push({ event: event || "message", data: data.join("\n"), id });
      event = "";
      data = [];
      id = null;
    }
    rest = rest.slice(start);
    return frames;
  }

  return {
    push,
    get retryMs() {
      return retryMs;
    },
  };
}

/** Where the line that begins at `start` ends, and where the next begins; null while that is not known. */
function lineEnd(text: string, start: number): { at: number; next: number } | null {
  for (let at = start; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === 10) return { at, next: at + 1 };
    if (character !== 13) continue;
    // A line feed may follow in the next chunk; it belongs to this line end.
    if (at + 1 === text.length) return null;
    return { at, next: text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1 };
  }
  return null;
}
