// Everything that can be refused is an Error with a kind, and leaves the module as good as before.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codec, decoded, drawn, flextok, learned, network, random, tablesBytes } from "./setup.mjs";

const { width, height, rgba } = drawn(32, 32);
const whole = codec().encode(rgba, width, height, { bytes: 100 });
const ids = network().encode(rgba, width, height, { tokens: 8 });

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
  fails("usage", /tokens 0/, () => network().encode(rgba, 32, 32, { tokens: 0 }));
  fails("usage", /tokens 257/, () => network().encode(rgba, 32, 32, { tokens: 257 }));
  fails("usage", /tokens 4294967296/, () => network().encode(rgba, 32, 32, { tokens: 2 ** 32 }));
  fails("usage", /both/, () => network().encode(rgba, 32, 32, { tokens: 1, bytes: 100 }));
  fails("usage", /5 bytes/, () => codec().encode(rgba, 32, 32, { bytes: 5 }));
  fails("usage", /units NaN/, () => codec().decode(whole, { units: NaN }));
  fails("usage", /cannot cut to 0 /, () => codec().decode(whole, { units: 0 }));
  fails("usage", /steps 0/, () => network().decode(ids, { units: 1, steps: 0 }));
  fails("limit", /steps/, () => network().decode(ids, { units: 1, steps: 1e6 }));
  fails("usage", /seed 0\.1/, () => network().decode(ids, { units: 1, steps: 1, seed: 0.1 }));
  fails("usage", /cannot cut to 9 /, () => flextok.cut(ids, 9));
  fails("usage", /cannot cut to 101 /, () => flextok.cut(whole, 101));
  fails("usage", /units inf/, () => flextok.cut(whole, Infinity));
});

test("options that are none, or of another type", () => {
  for (const call of [(options) => codec().decode(whole, options), (options) => codec().encode(rgba, 32, 32, options)]) {
    fails("usage", /an object/, () => call(3));
    fails("usage", /no option lok; allowed: .*(look|canvas)/, () => call({ lok: "plain" }));
    call(undefined);
    call(null);
    call({});
  }
  fails("usage", /units is not a number/, () => codec().decode(whole, { units: "3" }));
  fails("usage", /keepCanvas is not true or false/, () => codec().decode(whole, { keepCanvas: 1 }));
  fails("usage", /onStep is not a function/, () => codec().decode(whole, { onStep: true }));
  fails("usage", /look is not a text or a number/, () => codec().decode(whole, { look: {} }));
  const getter = { get units() { throw new TypeError("the page's own"); } };
  assert.throws(() => codec().decode(whole, getter), { name: "TypeError" });
});

test("looks and canvases say what is allowed", () => {
  for (const look of ["", "balanced", "Plain", 1.01, -0.01, NaN, "2"]) {
    for (const model of [codec(), learned()]) {
      fails("usage", /not a look; allowed: plain, faithful, sharp, or a number from 0/, () => model.decode(whole, { look }));
    }
  }
  fails("usage", /allowed: plain, since this model has no learned decoder/, () => codec().decode(whole, { look: "sharp" }));
  fails("usage", /look/, () => network().decode(ids, { look: "plain" }));
  for (const canvas of [0, 256, 1.5, "auto"]) {
    fails("usage", /canvas .*allowed: own, or 1 to 255 blocks/, () => codec().encode(rgba, 32, 32, { canvas }));
  }
  fails("usage", /canvas/, () => network().encode(rgba, 32, 32, { canvas: "own" }));
  fails("usage", /cutAt 0\.5/, () => codec().encode(rgba, 32, 32, { cutAt: 0.5 }));
  fails("model", /learned decoder/, () => new flextok.Codec(tablesBytes, tablesBytes));
  fails("model", /safetensors/, () => new flextok.Codec(tablesBytes, new Uint8Array(9)));
});

test("options of the other family of models", () => {
  fails("usage", /tokens 8/, () => codec().encode(rgba, 32, 32, { tokens: 8 }));
  fails("usage", /option steps/, () => codec().decode(whole, { units: 1, steps: 1 }));
  fails("usage", /option seed/, () => codec().decode(whole, { units: 1, seed: 0 }));
  fails("model", /tables 1/, () => network().decode(whole));
  fails("model", new RegExp(network().name), () => codec().decode(ids));
});

test("files and models that are none", () => {
  fails("corrupt", /not a flextok file/, () => codec().decode(new TextEncoder().encode("something else")));
  fails("corrupt", /ends within its header/, () => flextok.inspect(new Uint8Array()));
  const other = whole.slice();
  fails("corrupt", /checksum/, () => codec().decode(other.fill(0, 20)));
  fails("model", /safetensors/, () => new flextok.Codec(new Uint8Array(100)));
  fails("model", /./, () => new flextok.Codec(tablesBytes.subarray(0, 10_000)));
});

test("a file that claims an enormous picture is refused", () => {
  // Sides of a million pixels, which the format allows (section 3).
  const file = codec().encode(rgba, 32, 32, { originalWidth: 1e6, originalHeight: 1e6 });
  assert.equal(flextok.inspect(file).height, 1e6);
  fails("limit", /picture pixels: 1000000000000/, () => codec().decode(file));
  const { canvas } = flextok.inspect(file);
  assert.equal(decoded(codec().decode(file, { keepCanvas: true })).width, canvas[0]);
});

test("cancelling ends a decode at the step, and exceptions of the callback come through", () => {
  const steps = [];
  fails("cancelled", /2/, () =>
    network().decode(ids, {
      steps: 5,
      onStep: (step, total) => {
        steps.push([step, total]);
        return step < 2;
      },
    }),
  );
  assert.deepEqual(steps, [[1, 5], [2, 5]]);
  const own = new RangeError("the page's own");
  assert.throws(() => network().decode(ids, { steps: 5, onStep: () => { throw own; } }), (error) => error === own);
  const all = [];
  const expected = decoded(network().decode(ids, { steps: 3 }));
  const picture = network().decode(ids, { steps: 3, onStep: (step) => all.push(step) > 0 });
  assert.deepEqual(decoded(picture), expected);
  assert.deepEqual(all, [1, 2, 3]);
});

test("a callback may decode by itself", () => {
  const inner = [];
  const outer = [];
  const onStep = (step) => {
    outer.push(step);
    network().decode(ids, { units: 4, steps: 1, onStep: (step) => inner.push(step) > 0 }).free();
    return true;
  };
  network().decode(ids, { steps: 2, onStep }).free();
  assert.deepEqual([outer, inner], [[1, 2], [1, 1]]);
});

test("random bytes and random damage never trap", () => {
  const next = random(5);
  for (let round = 0; round < 2000; round++) {
    const file = round % 2 === 0 ? [whole, ids][(round / 2) % 2].slice() : Uint8Array.from({ length: next() % 80 }, () => next());
    for (let change = next() % 4; change >= 0; change--) if (file.length) file[next() % file.length] = next();
    const part = file.subarray(0, next() % (file.length + 1));
    for (const call of [() => flextok.inspect(part), () => flextok.cut(part, 1 + (next() % 9)), () => new flextok.Reader().feed(part), () => codec().decode(part).free()]) {
      try {
        call();
      } catch (error) {
        assert.ok(!(error instanceof WebAssembly.RuntimeError) && typeof error.kind === "string", String(error));
      }
    }
  }
  assert.equal(decoded(codec().decode(whole)).units, flextok.inspect(whole).bytes_total);
});
