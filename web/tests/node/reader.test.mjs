// Files that arrive in pieces: the same in the end, however they are cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codec, decoded, drawn, flextok, network } from "./setup.mjs";

const { width, height, rgba } = drawn(120, 90);
const coded = codec().encode(rgba, width, height);
const ids = network().encode(rgba, width, height, { tokens: 100 });

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
  const { units, proven, complete } = reader;
  const bytes = reader.bytes();
  reader.free();
  return { events, thrown, units, proven, complete, bytes };
}

const fieldsOf = ({ events }, wanted, key) => events.filter(({ type }) => type === wanted).map((event) => event[key]);

test("one byte at a time, 123 bytes at a time and all at once are the same", () => {
  for (const [whole, model, payload, unitBytes] of [[coded, codec(), "coded", 1], [ids, network(), "ids", 2]]) {
    const { events, ...once } = read(whole, whole.length);
    const units = payload === "ids" ? 100 : flextok.inspect(whole).bytes_total;
    assert.deepEqual(once, { thrown: undefined, units, proven: units, complete: true, bytes: whole });
    assert.deepEqual(events, [
      { type: "header", width, height, model: model.name, payload, units, unitBytes },
      { type: "payload", available: units * unitBytes },
      { type: "proven", payload: units * unitBytes },
      { type: "complete" },
    ]);
    for (const size of [1, 123]) {
      const { events: pieces, ...slowly } = read(whole, size);
      assert.deepEqual(slowly, once);
      assert.deepEqual([pieces[0], pieces.at(-1)], [events[0], events.at(-1)]);
    }
    // Each byte or token is reported, and each check.
    const slow = read(whole, 1);
    const available = Array.from({ length: units }, (_, index) => (index + 1) * unitBytes);
    assert.deepEqual(fieldsOf(slow, "payload", "available"), available);
    const checks = [64, 256, 1024].filter((place) => place < units * unitBytes);
    assert.deepEqual(fieldsOf(slow, "proven", "payload"), [...checks, units * unitBytes]);
    assert.deepEqual(decoded(model.decode(slow.bytes)), decoded(model.decode(whole)));
  }
});

test("what is proven before a fault is reported, kept and can be decoded", () => {
  for (const [whole, model] of [[coded, codec()], [ids, network()]]) {
    for (const at of [0, 10, 25, 100, whole.length - 20, whole.length - 1]) {
      const damaged = whole.slice();
      damaged[at] ^= 0x10;
      const { events, thrown, ...slow } = read(damaged, 1);
      assert.equal(thrown.kind, "corrupt", `byte ${at}`);
      assert.equal(slow.complete, false);
      assert.equal(slow.units, slow.proven);
      for (const size of [123, damaged.length]) {
        const { events, thrown, ...fast } = read(damaged, size);
        assert.deepEqual(fast, slow);
        assert.equal(thrown.kind, "corrupt");
      }
      if (slow.units > 0) assert.equal(decoded(model.decode(slow.bytes)).units, slow.units);
    }
    const longer = new Uint8Array([...whole, 0]);
    assert.deepEqual(read(longer, 7).bytes, whole);
    assert.equal(read(longer, 7).thrown.kind, "corrupt");
  }
});
