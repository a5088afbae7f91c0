// Bytes of a stream, cut anywhere.
import { describe, expect, test } from "vitest";
import { type Frame, frameReader } from "../src/stream/frames";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function read(...chunks: (string | Uint8Array)[]): Frame[] {
  const reader = frameReader();
  return chunks.flatMap((chunk) => reader.push(typeof chunk === "string" ? bytes(chunk) : chunk));
}

describe("frames", () => {
  test("an event has its name, its data and its id", () => {
    const frames = read('retry: 1000\n\nevent: progress\nid: a.7\ndata: {"epoch":7}\n\n');
    expect(frames).toEqual([{ event: "progress", data: '{"epoch":7}', id: "a.7" }]);
  });

  test("an id belongs to its own event alone", () => {
    const frames = read("event: delta\nid: a.7\ndata: 1\n\nevent: delta\ndata: 2\n\n");
    expect(frames.map((frame) => frame.id)).toEqual(["a.7", null]);
  });

  test("a stream means the same wherever it is cut", () => {
    const text = 'event: rows\r\ndata: {"name":"Yeniköy ☀"}\r\n\r\n: a comment\r\nevent: progress\r\nid: a.1\r\ndata: {}\r\n\r\n';
    const whole = read(text);
    expect(whole).toHaveLength(2);
    const all = bytes(text);
    for (let first = 0; first <= all.length; first += 1) {
      expect(read(all.slice(0, first), all.slice(first))).toEqual(whole);
    }
    expect(read(...[...all].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  test("lines of data are joined, and a blank after the colon is not part of them", () => {
    expect(read("data: one\ndata:two\n\n")).toEqual([{ event: "message", data: "one\ntwo", id: null }]);
  });

  test("an event without data is none, and what was not closed is nothing yet", () => {
    expect(read("event: progress\n\n", "event: delta\ndata: 1\n")).toEqual([]);
  });

  test("the server says when to come back", () => {
    const reader = frameReader();
    expect(reader.retryMs).toBeNull();
    reader.push(bytes("retry: 1000\n\nretry: soon\n\n"));
    expect(reader.retryMs).toBe(1_000);
  });
});
