// The module that draws, as far as it does not need a page. What it must agree with was computed in Python: the
// environment variable FIXTURE names the file, which test_module.py writes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import * as explore from "../../gdcourse/explore/explore.js";

const fixture = JSON.parse(readFileSync(process.env.FIXTURE, "utf8"));
const plain = (values) => [...values].map((value) => (Number.isNaN(value) ? null : value));

test("numbers are decoded as Python decodes them", async () => {
  const arrays = await explore.unpack(fixture.payload, fixture.entries);
  assert.deepEqual(Object.keys(arrays), Object.keys(fixture.arrays));
  for (const [name, { shape, data }] of Object.entries(fixture.arrays)) {
    assert.deepEqual(arrays[name].shape, shape);
    const found = plain(arrays[name].data);
    found.forEach((value, i) => {
      if (data[i] === null) assert.equal(value, null);
      else assert.ok(Math.abs(value - data[i]) <= 1e-12 * Math.abs(data[i]), `${name}[${i}]: ${value}, not ${data[i]}`);
    });
  }
});

test("numbers are written as Python writes them", () => {
  for (const [value, form, text] of fixture.formats) assert.equal(explore.format(value, form), text, `${value}:${form}`);
});

test("the state picks the part of an array that belongs to it", () => {
  const spec = { computed: ["a", "b"], controls: [] };
  const arrays = { full: { data: Float64Array.from({ length: 24 }, (_, i) => i), shape: [2, 3, 4] }, one: { data: Float64Array.of(7, 8), shape: [1, 1, 2] } };
  const state = { a: 1, b: 2, t: 3 };
  assert.deepEqual(plain(explore.pick(spec, arrays, state, "full").data), [20, 21, 22, 23]);
  assert.deepEqual(plain(explore.pick(spec, arrays, state, "full", ["t"]).data), [23]);
  assert.deepEqual(plain(explore.pick(spec, arrays, state, "one").data), [7, 8]);
  assert.deepEqual(plain(explore.pick(spec, arrays, state, 5).data), [5]);
});

test("templates are filled, and hidden where a number is missing", () => {
  const spec = { computed: [], controls: [{ name: "lr", texts: ["0.1", "0.2"] }], texts: { words: ["no", "yes"] } };
  const arrays = Object.fromEntries(Object.entries({ loss: [0.0123456], gone: [NaN], at: [1], path: [3, -4] }).map(([k, v]) => [k, { data: Float64Array.from(v), shape: v.length > 1 ? [v.length] : [] }]));
  const fill = (template) => explore.fill(template, spec, arrays, { lr: 1, t: 1 });
  assert.equal(fill("η {lr}, loss {loss}, {loss:.1%}"), "η 0.2, loss 0.0123, 1.2%");
  assert.equal(fill("{at|words}; {path@t:d}"), "yes; −4");
  assert.equal(fill("{loss} {gone:d}"), null);
  assert.deepEqual(explore.said(["one {lr}", "{gone:?}two", "{loss:?}three"], spec, arrays, { lr: 0, t: 0 }), ["one 0.1", "three"]);
});

test("what is told is written as Python wrote it before it was packed", async () => {
  const arrays = await explore.unpack(fixture.told.payload, fixture.told.entries);
  for (const [key, texts] of Object.entries(fixture.told.texts)) {
    const [name, form] = key.split(":");
    texts.forEach((text, t) => {
      const spec = { computed: [], controls: [], texts: {} };
      assert.equal(explore.fill(`{${name}@t:${form}}`, spec, arrays, { t }), text, `${key} at ${t}`);
    });
  }
});

test("a scale goes to pixels and back, linear and logarithmic, in both directions", () => {
  for (const axis of [{ domain: [-2, 6] }, { domain: [6, -2] }, { domain: [1e-4, 10], log: true }]) {
    const scale = explore.scale(axis, [40, 440]);
    assert.ok(Math.abs(scale(axis.domain[0]) - 40) < 1e-9 && Math.abs(scale(axis.domain[1]) - 440) < 1e-9);
    for (const p of [40, 133, 440]) assert.ok(Math.abs(scale(scale.back(p)) - p) < 1e-9);
  }
});

test("ticks are round, inside the axis, and not more than there is room for", () => {
  const words = (axis, room) => explore.ticks(axis, room).map(([, text]) => text);
  assert.deepEqual(words({ domain: [-1, 1] }, 5), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
  assert.deepEqual(words({ domain: [0, 60] }, 5), ["0", "20", "40", "60"]);
  assert.deepEqual(words({ domain: [1e-6, 1], log: true }, 9), ["10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1"]);
  assert.deepEqual(words({ domain: [0, 1], ticks: [[0.5, "half"]] }, 5), ["half"]);
  for (const room of [2, 4, 8]) {
    for (const domain of [[0, 1], [-3e5, 7e5], [1e-9, 3e-9], [5, -5]]) {
      const found = explore.ticks({ domain }, room);
      assert.ok(found.length >= 1 && found.length <= 2 * room + 2);
      for (const [value] of found) assert.ok(value >= Math.min(...domain) - 1e-9 && value <= Math.max(...domain) + 1e-9);
    }
  }
});

test("a line breaks where a number is missing, and what is far away stays a number", () => {
  assert.equal(explore.through([0, 1, NaN, 3, 4], [0, 1, 2, 3, 4]), "M0,0L1,1M3,3L4,4");
  assert.equal(explore.through([0, 1, 1, NaN, 3], [0, 0, 1, 0, 3], true), "M0,0L1,0L1,1ZM3,3Z");
  assert.equal(explore.through([Infinity, 0], [-1e300, 0]), "M20000,-20000L0,0");
  assert.equal(explore.through([], []), "");
});

test("the nearest value is the nearest on the screen", () => {
  const scale = explore.scale({ domain: [0.01, 1], log: true }, [0, 100]);
  assert.equal(explore.nearest([0.01, 0.1, 1], scale, 49), 1);
  assert.equal(explore.nearest([0.01, 0.1, 1], scale, -50), 0);
  assert.equal(explore.nearest([0.01, 0.1, 1], scale, 76), 2);
});

test("an address gives back the state that wrote it, and a value between two the nearer one", () => {
  const spec = { figure: "figure-x", controls: [
    { name: "lr", texts: ["0.1", "0.2", "0.4"], values: [0.1, 0.2, 0.4], start: 1 },
    { name: "way", texts: ["a & b", "c=d"], values: ["a & b", "c=d"] },
  ] };
  for (let lr = 0; lr < 3; lr++) {
    for (let way = 0; way < 2; way++) {
      const back = explore.fromAddress(spec, explore.toAddress(spec, { lr, way }));
      assert.deepEqual({ lr: 1, way: 0, ...back }, { lr, way });
    }
  }
  assert.deepEqual(explore.fromAddress(spec, "#figure-x?lr=0.35&unknown=3&way=zzz"), { lr: 2 });
  assert.deepEqual(explore.fromAddress(spec, "#figure-x?lr=%E0%A4%A"), {}); // not an address that a browser would write
  assert.equal(explore.fromAddress(spec, "#figure-y?lr=0.4"), null);
  assert.equal(explore.fromAddress(spec, ""), null);
});

test("a mark is on where all its conditions are", () => {
  assert.equal(explore.isOn(undefined, { a: 0 }), true);
  assert.equal(explore.isOn({ a: [0, 2], b: [1] }, { a: 2, b: 1 }), true);
  assert.equal(explore.isOn({ a: [0, 2], b: [1] }, { a: 1, b: 1 }), false);
});

test("the network on the page reads as Python's does", () => {
  const layers = fixture.layers.map(({ weights, biases }) => ({
    weights: { data: Float64Array.from(weights.flat()), shape: [weights.length, weights[0].length] },
    biases: { data: Float64Array.from(biases) },
  }));
  fixture.inputs.forEach((input, i) => {
    const out = explore.forward(Float64Array.from(input), layers);
    out.forEach((p, k) => assert.ok(Math.abs(p - fixture.outputs[i][k]) < 1e-12));
  });
});

test("a drawing is moved to the middle by whole pixels, and an empty page stays empty", () => {
  const page = new Float64Array(81);
  page[0] = page[1] = 1; // in the corner
  const moved = explore.centred(page, 9);
  assert.deepEqual([...moved].flatMap((v, i) => (v ? [i] : [])), [4 * 9 + 4, 4 * 9 + 5]);
  assert.deepEqual(plain(explore.centred(new Float64Array(81), 9)), plain(new Float64Array(81)));
});

test("the nearest of some boxes is found, and the next one to a side", () => {
  const box = (x, y, width = 10, height = 10) => ({ x, y, width, height });
  const [a, b, c, d] = [box(0, 0), box(40, 0), box(80, 30), box(0, 60)];
  const all = [a, b, c, d];
  assert.equal(explore.spotAt(all, 5, 5), a);
  assert.equal(explore.spotAt(all, 30, 5), b); // 10 pixels away, the other 20
  assert.equal(explore.spotAt([box(0, 0, 100, 100), b], 44, 5), b); // both hold it: this one's middle is nearer
  assert.equal(explore.spotAt([], 1, 1), null);
  assert.equal(explore.spotBeside(all, [5, 5], [1, 0]), b);
  assert.equal(explore.spotBeside(all, [45, 5], [1, 0]), c);
  assert.equal(explore.spotBeside(all, [5, 5], [0, 1]), d); // straight ahead, though c is nearer in height
  assert.equal(explore.spotBeside(all, [5, 5], [-1, 0]), null);
});
