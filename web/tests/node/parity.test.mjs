// The module against the program: the same files, and pictures that are the same to the eye of a number.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cli, codec, decoded, drawn, flextok, info, photo, ppm, psnr, tga } from "./setup.mjs";

const bytes = (array) => Buffer.from(array);

test("the model is the program's", () => {
  const { fingerprint, tokens, canvasWidth, canvasHeight, steps } = codec();
  assert.deepEqual({ tokens, canvasWidth, canvasHeight, steps }, { tokens: 256, canvasWidth: 256, canvasHeight: 256, steps: 1 });
  const { width, height, rgba } = drawn(40, 30);
  assert.equal(info(codec().encode(rgba, width, height, 1)).model, fingerprint);
});

for (const name of ["astronaut.png", "chelsea.png", "coffee.png"]) {
  test(`${name} becomes the program's file and comes back as the program's picture`, () => {
    const { file, width, height, rgba } = photo(name);
    const theirs = cli(name, file, "photo.flxt", "encode");
    assert.deepEqual(bytes(codec().encode(rgba, width, height)), theirs);
    for (const tokens of [1, 3, 64, 256]) {
      const here = decoded(codec().decode(theirs, tokens));
      assert.equal(here.tokens, tokens);
      const there = ppm(cli("photo.flxt", theirs, "photo.ppm", "decode", "-k", String(tokens)));
      const distance = psnr(here, there);
      assert.ok(distance > 50, `${tokens} tokens: ${distance} dB`);
    }
  });
}

test("pictures of odd sizes and with alpha become the program's files", () => {
  for (const [width, height, alpha] of [[1, 1], [1, 300], [257, 3], [640, 480, true], [31, 33, true]]) {
    const picture = drawn(width, height, alpha);
    const theirs = cli("drawn.tga", tga(picture), "drawn.flxt", "encode");
    assert.deepEqual(bytes(codec().encode(picture.rgba, width, height)), theirs, `${width}x${height}`);
    const here = decoded(codec().decode(theirs));
    const there = ppm(cli("drawn.flxt", theirs, "drawn.ppm", "decode"));
    assert.ok(psnr(here, there) > 50, `${width}x${height}`);
  }
});

test("budgets, steps, seeds and the canvas mean what they mean to the program", () => {
  const picture = drawn(300, 200);
  const [file, { width, height, rgba }] = [tga(picture), picture];
  assert.deepEqual(bytes(codec().encode(rgba, width, height, 17)), cli("a.tga", file, "a.flxt", "encode", "-k", "17"));
  const whole = cli("a.tga", file, "a.flxt", "encode", "-b", "100");
  assert.deepEqual(bytes(codec().encode(rgba, width, height, undefined, 100)), whole);
  const options = ["--steps", "3", "--seed", "7", "--keep-canvas"];
  const there = ppm(cli("a.flxt", whole, "a.ppm", "decode", ...options));
  const here = decoded(codec().decode(whole, undefined, 3, 7, true));
  assert.deepEqual([here.width, here.height], [256, 256]);
  assert.ok(psnr(here, there) > 50);
  const other = decoded(codec().decode(whole, undefined, 3, 8, true));
  assert.ok(psnr(here, other) < 50, "another seed is another picture");
});

test("cuts are those of flextok truncate, and inspect tells what flextok info does", () => {
  const { width, height, rgba } = drawn(300, 200);
  const whole = codec().encode(rgba, width, height);
  for (const tokens of [1, 2, 100, 255, 256]) {
    assert.deepEqual(bytes(flextok.cut(whole, tokens)), cli("w.flxt", whole, "cut.flxt", "truncate", "-k", String(tokens)));
  }
  for (const size of [27, 60, 333, 100_000]) {
    const cut = flextok.cut(whole, undefined, size);
    assert.ok(cut.length <= size);
    assert.deepEqual(bytes(cut), cli("w.flxt", whole, "cut.flxt", "truncate", "-b", String(size)));
  }
  for (const file of [whole, whole.subarray(0, 60), flextok.cut(whole, 5)]) {
    const [here, there] = [flextok.inspect(file), info(file)];
    const common = Object.fromEntries(Object.keys(here).map((key) => [key, there[key]]));
    assert.deepEqual(here, common);
  }
});

test("a file cut anywhere is the picture of the tokens that are there", () => {
  const { width, height, rgba } = drawn(64, 48);
  const whole = codec().encode(rgba, width, height, 4);
  for (let length = 0; length < whole.length; length++) {
    const part = whole.subarray(0, length);
    const reader = new flextok.Reader();
    reader.feed(part);
    if (reader.layers === 0) {
      assert.throws(() => codec().decode(part), { name: "Error", kind: "corrupt" });
    } else {
      const expected = decoded(codec().decode(flextok.cut(whole, reader.layers)));
      assert.deepEqual(decoded(codec().decode(part)), expected);
    }
    reader.free();
  }
});
