// What the page writes at each state of a figure. The environment variable FIXTURE names a file, which test_texts.py
// writes: a figure's parts and states, and what Python writes of each template. What differs goes to the output.

import { readFileSync } from "node:fs";

import { fill, unpack } from "../../gdcourse/explore/explore.js";

const { spec, payload, templates, states, expected } = JSON.parse(readFileSync(process.env.FIXTURE, "utf8"));
const arrays = await unpack(payload, spec.arrays);
const different = [];
states.forEach((state, i) => {
  templates.forEach((template, k) => {
    const found = fill(template, spec, arrays, state);
    if (found !== expected[i][k]) different.push({ state, page: found, python: expected[i][k] });
  });
});
console.log(JSON.stringify({ compared: states.length * templates.length, different: different.length, first: different.slice(0, 5) }));
