// Files that arrive in pieces: the same events and the same bytes, however they are cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codec, decoded, drawn, flextok } from "./setup.mjs";

const { width, height, rgba } = drawn(120, 90);
const whole = codec().encode(rgba, width, height);

/** Feeds a file in pieces of one size: all events, what was thrown first, and what is there in the end. */
function read(file, size) {
  const reader = new flextok.Reader();
  const events = [];
  let thrown;
  for (let at = 0; at < file.length; at += size) {
    try {
      events.push(...reader.feed(file.subarray(at, at + size)));
    } catch (error) {
      events.push(...(error.events ?? []));
      thrown ??= { kind: error.kind, message: error.message };
    }
  }
  const { layers, complete } = reader;
  const bytes = reader.bytes();
  reader.free();
  return { events, thrown, layers, complete, bytes };
}

test("one byte at a time, 123 bytes at a time and all at once are the same", () => {
  const once = read(whole, whole.length);
  assert.equal(once.complete, true);
  assert.equal(once.layers, 256);
  assert.deepEqual(once.bytes, whole);
  assert.deepEqual(once.events[0], {
    type: "header", width, height, tokens: 256, model: codec().fingerprint, canvases: 1, codebookSize: 64_000,
  });
  const tokens = once.events.filter(({ type }) => type === "tokens").map(({ available }) => available);
  assert.deepEqual(tokens, Array.from({ length: 256 }, (_, index) => index + 1));
  assert.deepEqual(once.events.filter(({ type }) => type === "proven").map(({ layers }) => layers), [4, 16, 64, 256]);
  assert.deepEqual(once.events.at(-1), { type: "complete" });
  for (const size of [1, 123]) assert.deepEqual(read(whole, size), once);
  assert.deepEqual(decoded(codec().decode(read(whole, 1).bytes)), decoded(codec().decode(whole)));
});

test("what precedes a fault is told, kept and can be decoded", () => {
  for (const at of [0, 10, 25, 100, 300, 548]) {
    const damaged = whole.slice();
    damaged[at] ^= 0x10;
    const slow = read(damaged, 1);
    assert.equal(slow.thrown.kind, "corrupt");
    assert.equal(slow.complete, false);
    for (const size of [123, damaged.length]) assert.deepEqual(read(damaged, size), slow);
    if (slow.layers > 0) assert.equal(decoded(codec().decode(slow.bytes)).tokens, slow.layers);
  }
  const longer = new Uint8Array([...whole, 0]);
  assert.deepEqual(read(longer, 7).bytes, whole);
  assert.equal(read(longer, 7).thrown.kind, "corrupt");
});
