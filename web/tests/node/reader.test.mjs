// Files that arrive in pieces: the same events and the same bytes, however they are cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codec, decoded, drawn, flextok } from "./setup.mjs";

const { width, height, rgba } = drawn(120, 90);
const whole = codec().encode(rgba, width, height);

/** Feeds a file in pieces of one size; what comes last of each kind of event, and what was thrown. */
function read(file, size) {
  const reader = new flextok.Reader();
  const [last, order] = [{}, []];
  let thrown;
  const tell = (event) => {
    if (!(event.type in last)) order.push(event.type);
    last[event.type] = event;
  };
  for (let at = 0; at < file.length; at += size) {
    try {
      reader.feed(file.subarray(at, at + size)).forEach(tell);
    } catch (error) {
      (error.events ?? []).forEach(tell);
      thrown ??= { kind: error.kind, message: error.message };
    }
  }
  const { layers, complete } = reader;
  const bytes = reader.bytes();
  reader.free();
  return { last, order, thrown, layers, complete, bytes };
}

test("one byte at a time, 123 bytes at a time and all at once are the same", () => {
  const once = read(whole, whole.length);
  assert.equal(once.complete, true);
  assert.equal(once.layers, 256);
  assert.deepEqual(once.bytes, whole);
  assert.deepEqual(once.order.toSorted(), ["complete", "header", "proven", "tokens"]);
  assert.deepEqual(once.last.header, {
    type: "header", width, height, tokens: 256, model: codec().fingerprint, canvases: 1, codebookSize: 64_000,
  });
  for (const size of [1, 123]) {
    assert.deepEqual({ ...read(whole, size), order: [] }, { ...once, order: [] });
  }
  assert.deepEqual(decoded(codec().decode(read(whole, 1).bytes)), decoded(codec().decode(whole)));
});

test("events come one for each token, with checkpoints among them, when bytes come one at a time", () => {
  const reader = new flextok.Reader();
  const seen = [];
  for (const byte of whole) seen.push(...reader.feed(Uint8Array.of(byte)));
  reader.free();
  assert.equal(seen.filter(({ type }) => type === "tokens").length, 256);
  assert.deepEqual(seen.filter(({ type }) => type === "proven").map(({ layers }) => layers), [4, 16, 64, 256]);
  assert.equal(seen[0].type, "header");
  assert.equal(seen.at(-1).type, "complete");
});

test("what precedes a fault is told, kept and can be decoded", () => {
  for (const at of [25, 100, 300, 548]) {
    const damaged = whole.slice();
    damaged[at] ^= 0x10;
    const [slow, quick] = [read(damaged, 1), read(damaged, damaged.length)];
    assert.equal(slow.thrown.kind, "corrupt");
    assert.deepEqual(slow.thrown, quick.thrown);
    assert.deepEqual(slow.bytes, quick.bytes);
    assert.equal(slow.complete, false);
    assert.deepEqual(slow.last.header, quick.last.header);
    if (slow.layers > 0) assert.equal(decoded(codec().decode(slow.bytes)).tokens, slow.layers);
  }
  const longer = new Uint8Array([...whole, 0]);
  assert.deepEqual(read(longer, 7).bytes, whole);
  assert.equal(read(longer, 7).thrown.kind, "corrupt");
});
