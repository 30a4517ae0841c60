// The module against the program: the same files, and pictures that are the same to the eye of a number.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cli, codec, decoded, drawn, flextok, info, learned, network, networkFile, photo, ppm, psnr, tga } from "./setup.mjs";

const bytes = (array) => Buffer.from(array);

test("the models are the program's", () => {
  const { width, height, rgba } = drawn(40, 30);
  assert.deepEqual([codec().name, codec().tokens], ["tables 1", undefined]);
  assert.equal(info(codec().encode(rgba, width, height)).model, codec().name);
  assert.equal(network().tokens, 256);
  assert.equal(info(network().encode(rgba, width, height, { tokens: 1 })).model, network().name);
});

for (const name of ["astronaut.png", "chelsea.png", "coffee.png"]) {
  test(`${name} becomes the program's file and comes back as the program's picture`, () => {
    const { file, width, height, rgba } = photo(name);
    const theirs = cli(name, file, "photo.flxt", "encode");
    assert.equal(theirs.length, 1024);
    assert.deepEqual(bytes(codec().encode(rgba, width, height)), theirs);
    for (const units of [1, 3, 64, 800]) {
      const here = decoded(codec().decode(theirs, { units }));
      assert.equal(here.units, units);
      const cut = Buffer.from(flextok.cut(theirs, units));
      const there = ppm(cli("photo.flxt", cut, "photo.ppm", "decode", "--look", "plain"));
      const distance = psnr(here, there);
      assert.ok(distance > 50, `${units} bytes: ${distance} dB`);
    }
  });
}

test("pictures of odd sizes and with alpha become the program's files", () => {
  for (const [width, height, alpha] of [[1, 1], [1, 300], [257, 3], [640, 480, true], [31, 33, true]]) {
    const picture = drawn(width, height, alpha);
    const theirs = cli("drawn.tga", tga(picture), "drawn.flxt", "encode");
    assert.deepEqual(bytes(codec().encode(picture.rgba, width, height)), theirs, `${width}x${height}`);
    const here = decoded(codec().decode(theirs));
    const there = ppm(cli("drawn.flxt", theirs, "drawn.ppm", "decode", "--look", "plain"));
    assert.ok(psnr(here, there) > 50, `${width}x${height}`);
  }
});

test("budgets and the canvas mean what they mean to the program", () => {
  const picture = drawn(300, 200);
  const { width, height, rgba } = picture;
  for (const size of [20, 100, 5000]) {
    const theirs = cli("a.tga", tga(picture), "a.flxt", "encode", "-b", String(size));
    const here = codec().encode(rgba, width, height, { bytes: size });
    assert.ok(here.length <= size);
    assert.deepEqual(bytes(here), theirs, `${size} bytes`);
    assert.deepEqual(flextok.inspect(here).canvas, info(theirs).canvas);
    const there = ppm(cli("a.flxt", theirs, "a.ppm", "decode", "--keep-canvas", "--look", "plain"));
    const canvas = decoded(codec().decode(theirs, { keepCanvas: true }));
    assert.deepEqual([canvas.width, canvas.height], info(theirs).canvas);
    assert.ok(psnr(canvas, there) > 50);
  }
});

test("looks are those of the program", (t) => {
  const { file, width, height, rgba } = photo("chelsea.png");
  const theirs = cli("a.png", file, "a.flxt", "encode", "-b", "500");
  assert.deepEqual([codec().learned, learned().learned, network().learned], [false, true, false]);
  assert.deepEqual(bytes(learned().encode(rgba, width, height, { bytes: 500 })), theirs);
  for (const [look, found] of [["plain", "plain"], ["faithful", 0], [0.3, 0.3], ["0.75", 0.75], ["sharp", 1], [undefined, 0.5]]) {
    const option = look === undefined ? [] : ["--look", String(look)];
    const there = ppm(cli("a.flxt", theirs, "a.ppm", "decode", ...option));
    const here = decoded(learned().decode(theirs, { look }));
    assert.equal(here.look, found);
    // Processors with fused multiplication round differently, by at most one of 255.
    const apart = here.rgba.map((value, at) => Math.abs(value - there.rgba[at]));
    const differing = apart.reduce((count, by) => count + (by > 0 ? 1 : 0), 0);
    t.diagnostic(`${look}: ${differing} of ${(3 * apart.length) / 4} samples differ`);
    assert.ok(Math.max(...new Set(apart)) <= 1, `${look}`);
    assert.ok(differing < apart.length / 200, `${look}: ${differing} differ`);
  }
  assert.equal(decoded(codec().decode(theirs)).look, "plain");
  assert.deepEqual(decoded(codec().decode(theirs)), decoded(learned().decode(theirs, { look: "plain" })));
});

test("canvases are those of the program", () => {
  const picture = drawn(300, 200);
  const { width, height, rgba } = picture;
  for (const [options, own] of [
    [{ canvas: "own" }, ["--canvas", "own"]],
    [{ canvas: 5, bytes: 400 }, ["--canvas", "5", "-b", "400"]],
    [{ cutAt: 60 }, ["--cut-at", "60"]],
  ]) {
    const theirs = cli("a.tga", tga(picture), "a.flxt", "encode", ...own);
    assert.deepEqual(bytes(codec().encode(rgba, width, height, options)), theirs, `${own}`);
  }
});

test("a network's tokens, steps, seeds and canvas mean what they mean to the program", () => {
  const picture = drawn(300, 200);
  const { width, height, rgba } = picture;
  const model = ["--model", networkFile];
  const whole = cli("a.tga", tga(picture), "a.flxt", "encode", "-k", "17", ...model);
  assert.deepEqual(bytes(network().encode(rgba, width, height, { tokens: 17 })), whole);
  const options = ["--steps", "3", "--seed", "7", "--keep-canvas", "-k", "9"];
  const there = ppm(cli("a.flxt", whole, "a.ppm", "decode", ...options, ...model));
  const here = decoded(network().decode(whole, { units: 9, steps: 3, seed: 7, keepCanvas: true }));
  assert.deepEqual([here.width, here.height, here.units], [256, 256, 9]);
  assert.ok(psnr(here, there) > 50);
  const other = decoded(network().decode(whole, { units: 9, steps: 3, seed: 8, keepCanvas: true }));
  assert.ok(psnr(here, other) < 50, "another seed is another picture");
});

test("cuts are those of flextok truncate, and inspect tells what flextok info does", () => {
  const { width, height, rgba } = drawn(300, 200);
  const coded = codec().encode(rgba, width, height);
  const ids = network().encode(rgba, width, height);
  for (const tokens of [1, 2, 100, 255, 256]) {
    assert.deepEqual(bytes(flextok.cut(ids, tokens)), cli("w.flxt", ids, "cut.flxt", "truncate", "-k", String(tokens)));
  }
  for (const whole of [coded, ids]) {
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
  }
});

test("a file cut anywhere is the picture of the payload that is there", () => {
  const { width, height, rgba } = drawn(64, 48);
  for (const [model, whole] of [
    [codec(), codec().encode(rgba, width, height, { bytes: 120 })],
    [network(), network().encode(rgba, width, height, { tokens: 4 })],
  ]) {
    for (let length = 0; length < whole.length; length++) {
      const part = whole.subarray(0, length);
      const reader = new flextok.Reader();
      reader.feed(part);
      if (reader.units === 0) {
        assert.throws(() => model.decode(part), { name: "Error", kind: "corrupt" });
      } else {
        const expected = decoded(model.decode(flextok.cut(whole, reader.units)));
        assert.deepEqual(decoded(model.decode(part)), expected);
      }
      reader.free();
    }
  }
});
