// Everything that can be refused is an Error with a kind, and leaves the module as good as before.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codec, decoded, drawn, flextok, modelBytes, random } from "./setup.mjs";

const { width, height, rgba } = drawn(32, 32);
const whole = codec().encode(rgba, width, height, 8);
/** The checksum of the format, bit by bit. */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

const fails = (kind, mention, call) =>
  assert.throws(call, (error) => {
    assert.ok(error instanceof Error, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, mention);
    return true;
  });

test("requests that are impossible", () => {
  fails("usage", /4096 bytes of RGBA.* 33x32/, () => codec().encode(rgba, 33, 32));
  fails("usage", /width 1\.5/, () => codec().encode(rgba, 1.5, 32));
  fails("usage", /width -1/, () => codec().encode(rgba, -1, 32));
  fails("usage", /picture of 0x0 pixels/, () => codec().encode(new Uint8Array(), 0, 0));
  fails("usage", /4294967296/, () => codec().encode(rgba, 2 ** 32, 0));
  fails("usage", /tokens 0/, () => codec().encode(rgba, 32, 32, 0));
  fails("usage", /tokens 257/, () => codec().encode(rgba, 32, 32, 257));
  fails("usage", /tokens 65540/, () => codec().encode(rgba, 32, 32, 65_540));
  fails("usage", /both/, () => codec().encode(rgba, 32, 32, 1, 100));
  fails("usage", /20 bytes/, () => codec().encode(rgba, 32, 32, undefined, 20));
  fails("usage", /tokens NaN/, () => codec().decode(whole, NaN));
  fails("usage", /steps 0/, () => codec().decode(whole, 1, 0));
  fails("limit", /steps/, () => codec().decode(whole, 1, 1e6));
  fails("usage", /seed 0\.1/, () => codec().decode(whole, 1, 1, 0.1));
  fails("usage", /cannot cut to 9 /, () => flextok.cut(whole, 9));
  fails("usage", /tokens inf/, () => flextok.cut(whole, Infinity));
});

test("files and models that are none", () => {
  fails("corrupt", /not a flextok file/, () => codec().decode(new TextEncoder().encode("something else")));
  fails("corrupt", /ends within its header/, () => flextok.inspect(new Uint8Array()));
  fails("unsupported", /version/, () => flextok.cut(Uint8Array.of(...whole.subarray(0, 4), 0x20, 0)));
  const other = whole.slice(0, -4);
  fails("corrupt", /checksum|no token/i, () => codec().decode(other.fill(0, 6)));
  fails("model", /safetensors/, () => new flextok.Codec(new Uint8Array(100)));
  fails("model", /./, () => new flextok.Codec(modelBytes.subarray(0, 1_000_000)));
});

test("a file that claims an enormous picture is refused", () => {
  // Sides of 2^20, the largest that the format has (section 3), under a right checksum.
  const file = codec().encode(new Uint8Array(4 * 70_000), 70_000, 1, 1);
  assert.equal(decoded(codec().decode(file)).width, 70_000);
  file.fill(0xff, 13, 18);
  new DataView(file.buffer).setUint32(18, crc32(file.subarray(0, 18)), true);
  const part = file.subarray(0, 24);
  assert.equal(flextok.inspect(part).height, 2 ** 20);
  fails("limit", /picture pixels: 1099511627776/, () => codec().decode(part));
  assert.equal(decoded(codec().decode(part, 1, 1, 0, true)).width, 256);
});

test("cancelling ends a decode at the step, and exceptions of the callback come through", () => {
  const steps = [];
  fails("cancelled", /2/, () =>
    codec().decode(whole, 8, 5, 0, true, (step, total) => {
      steps.push([step, total]);
      return step < 2;
    }),
  );
  assert.deepEqual(steps, [[1, 5], [2, 5]]);
  const own = new RangeError("the page's own");
  assert.throws(() => codec().decode(whole, 8, 5, 0, true, () => { throw own; }), (error) => error === own);
  const all = [];
  const expected = decoded(codec().decode(whole, 8, 3, 0, true));
  const picture = codec().decode(whole, 8, 3, 0, true, (step) => {
    all.push(step);
    return true;
  });
  assert.deepEqual(decoded(picture), expected);
  assert.deepEqual(all, [1, 2, 3]);
});

test("a callback may decode by itself", () => {
  const inner = [];
  const outer = [];
  codec().decode(whole, 8, 2, 0, true, (step) => {
    outer.push(step);
    codec().decode(whole, 4, 1, 0, true, (step) => inner.push(step) > 0).free();
    return true;
  }).free();
  assert.deepEqual([outer, inner], [[1, 2], [1, 1]]);
});

test("random bytes and random damage never trap", () => {
  const next = random(5);
  for (let round = 0; round < 2000; round++) {
    const file = round % 2 === 0 ? whole.slice() : Uint8Array.from({ length: next() % 80 }, () => next());
    for (let change = next() % 4; change >= 0; change--) if (file.length) file[next() % file.length] = next();
    const part = file.subarray(0, next() % (file.length + 1));
    for (const call of [() => flextok.inspect(part), () => flextok.cut(part, 1 + (next() % 9)), () => new flextok.Reader().feed(part)]) {
      try {
        call();
      } catch (error) {
        assert.ok(!(error instanceof WebAssembly.RuntimeError) && typeof error.kind === "string", String(error));
      }
    }
  }
  assert.equal(decoded(codec().decode(whole)).tokens, 8);
});
