// Draws the book's interactive figures. Python computed every number; here they are decoded, chosen by the state of
// the controls, and drawn. There is no formula of an optimizer in this file.

// ------------------------------------------------------------------------------------------------ decoding

const MISSING = { 8: -128, 16: -32768, 32: -(2 ** 31) };
const CODES = { 8: Int8Array, 16: Int16Array, 32: Int32Array };

/** The number whose printed digits a code stands for: read from them, it is printed with the same ones. */
function fromDecimals(code, { places, digits, lowest }) {
  if (places !== undefined) return Number(`${code}e${-places}`);
  if (!code) return 0;
  const least = 10 ** (digits - 1);
  const rank = Math.abs(code) - 1;
  return Math.sign(code) * Number(`${(rank % (9 * least)) + least}e${Math.floor(rank / (9 * least)) + lowest}`);
}

/** The bytes that were compressed. (By hand: a Blob or a Response would wait for other scripts of a busy page.) */
async function inflated(packed) {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  const written = writer.write(packed).then(() => writer.close());
  const pieces = [];
  const reader = stream.readable.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) pieces.push(piece.value);
  await written;
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole.buffer;
}

/** The arrays of a payload by name, each { data, shape }: base64 of a zlib stream of whole numbers. What a text prints
 * goes by its name and format, as in "loss:.2f". */
export async function unpack(text, entries) {
  const buffer = await inflated(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
  const arrays = {};
  let at = 0;
  for (const [name, entry] of Object.entries(entries)) {
    const { shape, bits, lo, step, log, delta } = entry;
    const size = shape.reduce((a, b) => a * b, 1);
    const bytes = (size * bits) / 8;
    const codes = new CODES[bits](buffer.slice(at, at + bytes));
    at += bytes;
    if (delta !== null) {
      const stride = shape.slice(delta + 1).reduce((a, b) => a * b, 1);
      for (let i = 0; i < size; i++) {
        if (Math.floor(i / stride) % shape[delta]) codes[i] += codes[i - stride]; // wraps around, as in Python
      }
    }
    const number = log === undefined ? (code) => fromDecimals(code, entry) : (code) => lo + step * code;
    const data = Float64Array.from(codes, (code) => (code === MISSING[bits] ? NaN : number(code)));
    arrays[name] = { data: log ? data.map((value) => 10 ** value) : data, shape };
  }
  return arrays;
}

/** The part of an array that belongs to a state: its first axes by the computed controls, the next ones by `at`. */
export function pick(spec, arrays, state, name, at = []) {
  if (typeof name === "number") return { data: Float64Array.of(name), shape: [] };
  if (Array.isArray(name)) return { data: Float64Array.from(name), shape: [name.length] };
  let { data, shape } = arrays[name];
  let offset = 0;
  let size = data.length;
  [...spec.computed, ...at].forEach((control, axis) => {
    size /= shape[axis];
    offset += shape[axis] > 1 ? state[control] * size : 0;
  });
  return { data: data.subarray(offset, offset + size), shape: shape.slice(spec.computed.length + at.length) };
}

// --------------------------------------------------------------------------------------------------- texts

/** A number as Python's format writes it: d, .Nf, .Ne, .Ng, .N%. */
export function format(value, form) {
  const kind = form.at(-1);
  const digits = Number(form.slice(1, -1));
  const exponential = (v, n) => v.toExponential(n).replace(/e([+-])(\d)$/, "e$10$2");
  let text;
  if (kind === "d") text = String(Math.round(value));
  else if (kind === "f") text = value.toFixed(digits);
  else if (kind === "%") text = `${(100 * value).toFixed(digits)}%`;
  else if (kind === "e") text = exponential(value, digits);
  else {
    const precision = Math.max(digits, 1);
    const exponent = value ? Number(value.toExponential(precision - 1).split("e")[1]) : 0;
    if (exponent < -4 || exponent >= precision) {
      text = exponential(value, precision - 1).replace(/\.?0+e/, "e");
    } else {
      text = value.toFixed(precision - 1 - exponent);
      if (text.includes(".")) text = text.replace(/\.?0+$/, "");
    }
  }
  return text.replace(/^-(?=[0.]+(e[+]00)?%?$)/, "").replaceAll("-", "−"); // what is written as zero has no sign
}

/** What templates say at a state: those that name no number that is not there. */
export const said = (templates, spec, arrays, state) => templates.map((text) => fill(text, spec, arrays, state)).filter(Boolean);

/** A template with its fields filled, or null if it names a number that is not there. */
export function fill(template, spec, arrays, state) {
  let missing = false;
  const filled = template.replace(/\{(\w+)(?:@([\w,]+))?(?::([^{}|]+)|\|(\w+))?\}/g, (_, name, at, form, words) => {
    const control = spec.controls.find((c) => c.name === name);
    if (control) return control.texts[state[name]];
    const own = words ? "d" : (form ?? ".3g");
    const told = `${name}:${own}`; // its digits; what the page itself computed has none
    const value = pick(spec, arrays, state, told in arrays ? told : name, at ? at.split(",") : []).data[0];
    if (Number.isNaN(value)) missing = true;
    if (missing || own === "?") return "";
    return words ? spec.texts[words][Math.round(value)] : format(value, own);
  });
  return missing ? null : filled;
}

export const isOn = (when, state) => Object.entries(when ?? {}).every(([name, at]) => at.includes(state[name]));

// ---------------------------------------------------------------------------------------------------- axes

/** From an axis' values to pixels, and back. */
export function scale({ domain: [low, high], log = false }, [from, to]) {
  const inner = log ? Math.log10 : (v) => v;
  const [a, b] = [inner(low), inner(high)];
  const toPixels = (v) => from + ((inner(v) - a) / (b - a)) * (to - from);
  toPixels.back = (p) => {
    const v = a + ((p - from) / (to - from)) * (b - a);
    return log ? 10 ** v : v;
  };
  return toPixels;
}

const raised = (n) => [...String(n)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");

/** Where ticks stand on an axis, and what they say; about `room` of them. */
export function ticks({ domain, log = false, ticks: given }, room) {
  if (given) return given;
  const [low, high] = [Math.min(...domain), Math.max(...domain)];
  const found = [];
  if (log) {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const every = Math.max(1, Math.ceil((last - first + 1) / room));
    const between = last - first < 2 ? [1, 2, 5] : [1];
    for (let power = first - 1; power <= last; power += 1) {
      if (((power % every) + every) % every) continue;
      for (const factor of between) {
        const value = factor * 10 ** power;
        if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
        const plain = power >= -3 && power <= 3;
        found.push([value, plain ? String(Number(value.toPrecision(2))) : `${factor > 1 ? `${factor}·` : ""}10${raised(power)}`]);
      }
    }
    return found;
  }
  const rough = (high - low) / Math.max(room, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((n) => n * power >= rough * (1 - 1e-9)) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    found.push([i * step, (i * step).toFixed(digits).replace(/^-(?=0(\.0*)?$)/, "").replace("-", "−")]);
  }
  return found;
}

// --------------------------------------------------------------------------------------------------- marks
// Each takes the place to draw in and returns what redraws it for the present state.

const SVG = "http://www.w3.org/2000/svg";

function add(parent, name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  set(element, attributes);
  parent.append(element);
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
}

// What stands as it was is not set: the browser would lay it out again.
function setText(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

const color = (name = "ink") => `var(--gd-${name})`;
const written = (name) => color(name === "faint" ? "quiet" : name); // faint is for lines: too pale to read
const round = (pixels) => Math.round(pixels * 10) / 10;
const FAR = 20000; // pixels: further out, browsers' own arithmetic gives way
const round2 = (value) => Math.round(value * 1e4) / 1e4;
const near = (pixels) => (Number.isNaN(pixels) ? NaN : round(Math.max(-FAR, Math.min(FAR, pixels))));

const SHAPES = {
  circle: (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
  ring: (r) => SHAPES.circle(r),
  square: (r) => `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}Z`,
  triangle: (r) => `M0,${-1.2 * r}L${1.1 * r},${r}H${-1.1 * r}Z`,
  diamond: (r) => `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0Z`,
  cross: (r) => `M${-r},0H${r}M0,${-r}V${r}`,
};

/** One path that repeats a small shape, given around (0, 0), at many places. */
function scattered(shape, xs, ys) {
  const moves = /([MLHV]-?[\d.]+(?:,-?[\d.]+)?)/; // split by these, every second part is one of them
  const parts = shape.split(moves).map((part, k) => (k % 2 ? [part[0], ...part.slice(1).split(",").map(Number)] : part));
  let path = "";
  for (let i = 0; i < xs.length; i++) {
    if (Number.isNaN(xs[i]) || Number.isNaN(ys[i])) continue;
    for (const part of parts) {
      const [command, a, b] = part;
      if (typeof part === "string") path += part;
      else if (command === "H") path += `H${round(xs[i] + a)}`;
      else if (command === "V") path += `V${round(ys[i] + a)}`;
      else path += `${command}${round(xs[i] + a)},${round(ys[i] + b)}`;
    }
  }
  return path;
}

/** The path through points; where a number is missing it breaks. */
export function through(xs, ys, closed = false) {
  let path = "";
  let pen = false;
  for (let i = 0; i < xs.length; i++) {
    const there = !(Number.isNaN(xs[i]) || Number.isNaN(ys[i]));
    if (there) path += `${pen ? "L" : "M"}${near(xs[i])},${near(ys[i])}`;
    else if (pen && closed) path += "Z";
    pen = there;
  }
  return path && closed ? `${path}Z` : path;
}

/** A label that keeps inside its panel: to the left of its point where there is no room on the right. */
function labeller(place, tint) {
  const text = add(place.labels, "text", { class: "gd-label", fill: written(tint) });
  return (words, x, y) => {
    const shown = words && place.holds(x, y, 2);
    setText(text, shown ? words : "");
    if (!shown) return;
    const left = x > place.left + 0.68 * (place.right - place.left);
    set(text, {
      x: round(x + (left ? -6 : 6)),
      y: round(Math.max(y - 5, place.top + 10)),
      "text-anchor": left ? "end" : "start",
    });
  };
}

const counted = (data) => Float64Array.from(data, (_, i) => i);

export const MARKS = {
  Line(place, mark) {
    const line = add(place.layer, "path", {
      class: `gd-line gd-${mark.dash ?? "solid"}`,
      fill: "none",
      stroke: color(mark.color),
      "stroke-width": mark.width ?? 1.8,
      opacity: mark.opacity ?? 1,
    });
    const dots = mark.dots && add(place.layer, "path", { fill: color(mark.color), opacity: mark.opacity ?? 1 });
    const label = mark.label && labeller(place, mark.color);
    return (state, pickFor, words) => {
      let ys = pickFor(mark.y).data;
      let xs = mark.x === undefined ? counted(ys) : pickFor(mark.x).data;
      if (mark.upto) [xs, ys] = [xs, ys].map((v) => v.subarray(0, (mark.per ?? 1) * state[mark.upto] + 1));
      const [px, py] = [xs.map(place.x), ys.map(place.y)];
      set(line, { d: through(px, py) });
      if (dots) set(dots, { d: scattered(SHAPES[mark.marker ?? "circle"](mark.dots), px.map(near), py.map(near)) });
      if (label) {
        place.points.push([px, py]);
        const last = px.findLastIndex((x, i) => place.holds(x, py[i], 0.5));
        label(last < 0 ? null : words(mark.label), px[last], py[last]);
      }
    };
  },

  Dots(place, mark) {
    const shape = mark.shape ?? "circle";
    const tint = color(mark.color);
    const open = shape === "ring" || shape === "cross";
    const dots = add(place.layer, "path", {
      fill: shape === "ring" ? color("paper") : open ? "none" : tint,
      stroke: open ? tint : color("paper"),
      "stroke-width": open ? 2 : 1,
      opacity: mark.opacity ?? 1,
    });
    const label = mark.label && labeller(place, mark.color);
    return (state, pickFor, words) => {
      const [xs, ys] = [pickFor(mark.x).data, pickFor(mark.y).data];
      const n = Math.max(xs.length, ys.length);
      const [px, py] = [xs, ys].map((v, i) =>
        Float64Array.from({ length: n }, (_, k) => near([place.x, place.y][i](v[v.length > 1 ? k : 0]))),
      );
      set(dots, { d: scattered(SHAPES[shape](mark.size ?? 4), px, py) });
      label?.(words(mark.label), px[n - 1], py[n - 1]);
      px.forEach((x, i) => place.offer(mark, i, x - 5, py[i] - 5, 10, 10));
    };
  },

  Bars(place, mark) {
    const bars = [];
    const half = (mark.width ?? 0.8) / 2;
    return (state, pickFor) => {
      const ys = pickFor(mark.y).data;
      const xs = mark.x === undefined ? counted(ys) : pickFor(mark.x).data;
      const marked = mark.marked === undefined ? -1 : pickFor(mark.marked).data[0];
      const foot = near(place.y(mark.base ?? 0));
      while (bars.length < ys.length) bars.push(add(place.layer, "rect", { opacity: mark.opacity ?? 1 }));
      bars.forEach((bar, i) => {
        const [a, b, top] = [place.x(xs[i] - half), place.x(xs[i] + half), near(place.y(ys[i]))];
        const box = [round(Math.min(a, b)), Math.min(top, foot) || 0, round(Math.abs(b - a)), Math.abs(top - foot) || 0];
        if (!Number.isNaN(ys[i])) place.offer(mark, i, ...box);
        set(bar, {
          x: box[0],
          width: box[2],
          y: box[1],
          height: box[3],
          fill: color(i === marked ? (mark.marked_color ?? "orange") : mark.color),
        });
      });
    };
  },

  Area(place, mark) {
    const area = add(place.layer, "path", { fill: color(mark.color), opacity: mark.opacity ?? 0.18 });
    return (state, pickFor) => {
      const [xs, ys] = [pickFor(mark.x).data.map(place.x), pickFor(mark.y).data.map(place.y)];
      set(area, { d: through(xs, ys, true) });
    };
  },

  Heat(place, mark) {
    const [left, right] = [place.x(mark.x0), place.x(mark.x1)].sort((a, b) => a - b);
    const [top, bottom] = [place.y(mark.y0), place.y(mark.y1)].sort((a, b) => a - b);
    const image = add(place.layer, "image", {
      x: left, y: top, width: right - left, height: bottom - top, preserveAspectRatio: "none", class: "gd-pixels",
    });
    const paint = painter(place.root, mark);
    const painted = memory(place.root);
    return (state, pickFor) => {
      const { data, shape: [rows, columns] } = pickFor(mark.values);
      place.offer(mark, 0, left, top, right - left, bottom - top, [rows, columns]);
      if (painted(data)) return;
      const up = place.y(mark.y0) > place.y(mark.y1); // row 0 lies at the bottom
      image.setAttribute("href", paint(columns, rows, (x, y) => data[(up ? rows - 1 - y : y) * columns + x]));
    };
  },

  Images(place, mark) {
    const image = add(place.layer, "image", { class: "gd-pixels" });
    const paint = painter(place.root, mark);
    const painted = memory(place.root);
    const columns = mark.columns ?? 8;
    const labels = (mark.labels ?? []).map(() => add(place.labels, "text", { class: "gd-small", "text-anchor": "middle" }));
    return (state, pickFor, words) => {
      const { data, shape: [count, height, width] } = pickFor(mark.values);
      const [gap, under] = [Math.ceil(width / 14), labels.length ? 14 : 0];
      const rows = Math.ceil(count / columns);
      const size = Math.min(
        (place.right - place.left) / columns,
        ((place.bottom - place.top) / rows - under) * (width / height),
      );
      const tall = (size * height) / width + under; // each row in pixels of the page
      const fits = [columns * (width + gap), rows * (height + gap)];
      const old = painted(data);
      if (!under) {
        const unit = Math.min((size * columns) / fits[0], (tall * rows) / fits[1]); // a pixel of theirs
        for (let n = 0; n < count; n++) {
          const [u, v] = [(n % columns) * (width + gap), Math.floor(n / columns) * (height + gap)];
          place.offer(mark, n, place.left + unit * u, place.top + unit * v, unit * width, unit * height, [height, width]);
        }
        if (old) return;
        set(image, { x: place.left, y: place.top, width: size * columns, height: tall * rows, preserveAspectRatio: "xMinYMin" });
        const one = (x, y) => {
          const [i, j] = [Math.floor(x / (width + gap)), Math.floor(y / (height + gap))];
          const [u, v, n] = [x % (width + gap), y % (height + gap), j * columns + i];
          return u < width && v < height && n < count ? data[(n * height + v) * width + u] : NaN;
        };
        image.setAttribute("href", paint(...fits, one));
        return;
      }
      image.remove();
      while (place.layer.querySelectorAll("image").length < count) add(place.layer, "image", { class: "gd-pixels" });
      [...place.layer.querySelectorAll("image")].forEach((own, n) => {
        const [x, y] = [place.left + (n % columns) * size, place.top + Math.floor(n / columns) * tall];
        const box = [size * 0.93, (size * 0.93 * height) / width];
        set(own, { x, y, width: box[0], height: box[1], preserveAspectRatio: "none" });
        place.offer(mark, n, x, y, ...box, [height, width]);
        if (!old) own.setAttribute("href", paint(width, height, (u, v) => data[(n * height + v) * width + u]));
        setText(labels[n], words(mark.labels[n]) ?? "");
        set(labels[n], { x: round(x + size / 2), y: round(y + tall - 4) });
      });
    };
  },

  Rule(place, mark) {
    const rule = add(place.layer, "path", {
      class: `gd-line gd-${mark.dash ?? "dashed"}`,
      stroke: color(mark.color),
      "stroke-width": mark.width ?? 1.2,
      opacity: mark.opacity ?? 1,
    });
    const label = mark.label && labeller(place, mark.color);
    return (state, pickFor, words) => {
      const upright = mark.x !== undefined;
      const at = [...pickFor(upright ? mark.x : mark.y).data.map(upright ? place.x : place.y).map(near)].filter((v) => !Number.isNaN(v));
      set(rule, { d: at.map((v) => (upright ? `M${v},${place.top}V${place.bottom}` : `M${place.left},${v}H${place.right}`)).join("") });
      label?.(at.length ? words(mark.label) : null, upright ? at.at(-1) : place.right, upright ? place.top + 16 : at.at(-1));
    };
  },

  Arrow(place, mark) {
    const arrow = add(place.layer, "path", {
      fill: color(mark.color),
      stroke: color(mark.color),
      "stroke-width": mark.width ?? 2,
      "stroke-linejoin": "round",
      opacity: mark.opacity ?? 1,
    });
    const label = mark.label && labeller(place, mark.color);
    return (state, pickFor, words) => {
      const [x0, y0, x1, y1] = [mark.x0, mark.y0, mark.x1, mark.y1].map((name) => pickFor(name).data);
      let path = "";
      let [hx, hy] = [NaN, NaN];
      for (let i = 0; i < Math.max(x0.length, x1.length, y0.length, y1.length); i++) {
        const of = (v) => v[v.length > 1 ? i : 0];
        const [ax, ay, bx, by] = [place.x(of(x0)), place.y(of(y0)), place.x(of(x1)), place.y(of(y1))].map(near);
        if ([ax, ay, bx, by].some(Number.isNaN)) continue;
        const length = Math.hypot(bx - ax, by - ay);
        [hx, hy] = [bx, by];
        if (length < 0.5) continue;
        const [ux, uy, head] = [(bx - ax) / length, (by - ay) / length, Math.min(9, length)];
        const corner = (side) => `${round(bx - head * ux - 0.45 * side * head * uy)},${round(by - head * uy + 0.45 * side * head * ux)}`;
        path += `M${round(ax)},${round(ay)}L${round(bx - head * ux)},${round(by - head * uy)}M${corner(1)}L${round(bx)},${round(by)}L${corner(-1)}Z`;
      }
      set(arrow, { d: path });
      label?.(words(mark.label), hx, hy);
    };
  },

  Text(place, mark) {
    const text = add(place.labels, "text", { class: "gd-label gd-fixed", fill: written(mark.color), "text-anchor": mark.anchor ?? "start" });
    return (state, pickFor, words) => {
      const [x, y] = [near(place.x(pickFor(mark.x).data[0])), near(place.y(pickFor(mark.y).data[0]))];
      const filled = Number.isNaN(x + y) ? null : words(mark.text);
      setText(text, filled ?? "");
      if (filled) set(text, { x, y: y + 4 });
    };
  },
};

/** How high a line of points runs between two places, a pixel or two apart. */
function dots(px, py, left, right) {
  const found = [];
  for (let i = 0; i < px.length; i++) {
    const [x0, x1, y0, y1] = [px[i - 1], px[i], py[i - 1], py[i]];
    if (x1 >= left && x1 <= right) found.push(y1);
    if (!(Math.max(x0, x1) > left && Math.min(x0, x1) < right)) continue;
    const parts = Math.min(40, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / 4));
    for (let k = 1; k < parts; k++) {
      const x = x0 + (k / parts) * (x1 - x0);
      if (x >= left && x <= right) found.push(y0 + (k / parts) * (y1 - y0));
    }
  }
  return found;
}

/** Labels that would lie on one another, on a line that has a name, or beyond their panel, move to where there is
 * room. */
function settle(places) {
  const found = places.map((place) => {
    const height = (text) => (text.classList.contains("gd-fixed") ? -FAR : Number(text.getAttribute("y"))); // these first
    const texts = [...place.labels.querySelectorAll("text")].filter((text) => text.textContent);
    texts.sort((a, b) => height(a) - height(b)); // so that names stand in the order of their lines
    return [place, texts];
  });
  const measured = found.map(([place, texts]) => [place, texts.map((text) => [text, text.getBBox()])]); // one layout, and where they stand before they are moved
  for (const [place, labels] of measured) {
    const taken = [];
    for (const [text, { x, y, width, height }] of labels) {
      const within = (from, size, low, high) => Math.max(low, Math.min(from, high - size));
      const dx = within(x, width, place.left + 1, place.right + MARGIN.right - 2) - x;
      const first = within(y, height, place.top - 2, place.bottom - 1) - y;
      const meets = (box, dy) => x + dx < box.right && box.left < x + dx + width && y + dy < box.bottom && box.top < y + dy + height;
      const hits = (dy) => taken.some((box) => meets(box, dy));
      const near = place.points.flatMap(([px, py]) => dots(px, py, x + dx - 2, x + dx + width + 2));
      const covers = (dy) => near.some((v) => v > y + dy && v < y + dy + height);
      const inside = (dy) => y + dy >= place.top - 3 && y + dy + height <= place.bottom;
      const ways = [first];
      for (let by = 2; by < 90; by += 2) ways.push(first - by, first + by);
      const beside = (box) => x + dx < box.right && box.left < x + dx + width;
      const low = text.classList.contains("gd-fixed") ? -FAR : Math.max(-FAR, ...taken.filter((box) => box.named && beside(box)).map((box) => box.top));
      const free = ways.filter((way) => !hits(way) && inside(way));
      const inOrder = free.filter((way) => y + way >= low);
      const dy = inOrder.find((way) => !covers(way)) ?? free.find((way) => !covers(way)) ?? free[0] ?? first;
      taken.push({ named: !text.classList.contains("gd-fixed"), left: x + dx, right: x + dx + width, top: y + dy, bottom: y + dy + height });
      set(text, { transform: `translate(${round(dx)} ${round(dy)})` });
    }
  }
}

const tints = new Map(); // of each figure, while it is drawn

/** A color of the page as a code. Asked for once for all that is drawn in one go: to answer, the browser must
 * first work out the styles of what has just been drawn. */
function codeOf(root, name) {
  if (!tints.size) queueMicrotask(() => tints.clear());
  if (!tints.has(root)) tints.set(root, {});
  return (tints.get(root)[name] ??= getComputedStyle(root).getPropertyValue(`--gd-${name}`).trim());
}

/** Tells whether numbers and the page's colours are those of the last time: then their picture stands already. */
function memory(root) {
  let last = [];
  return ({ buffer, byteOffset }) => {
    const now = [buffer, byteOffset, codeOf(root, "ink")];
    const same = now.every((value, i) => value === last[i]);
    last = now;
    return same;
  };
}

/** Paints values as a picture: from no colour to full colour, or between two colours. Gives its address. */
function painter(root, { lo = 0, hi = 1, color: tint = "ink", negative, missing }) {
  const canvas = document.createElement("canvas");
  return (width, height, at) => {
    const rgb = (name) => {
      const code = codeOf(root, name);
      return [1, 3, 5].map((i) => parseInt(code.slice(i, i + 2), 16));
    };
    const [above, below, none] = [rgb(tint), negative && rgb(negative), missing && [...rgb(missing), 64]];
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i += 4) {
        const value = at(x, y);
        if (Number.isNaN(value)) {
          if (none) picture.data.set(none, i);
          continue;
        }
        const strength = negative ? Math.abs(value) / hi : (value - lo) / (hi - lo);
        picture.data.set(negative && value < 0 ? below : above, i);
        picture.data[i + 3] = 255 * Math.max(0, Math.min(1, strength));
      }
    }
    context.putImageData(picture, 0, 0);
    return canvas.toDataURL();
  };
}

// -------------------------------------------------------------------------------------------------- panels

const MARGIN = { left: 52, right: 12, top: 24, bottom: 38 };

/** Where a panel's marks are drawn: its scales, its edges in pixels, a clipped layer, and one for labels. */
function makePanel(root, host, panel, width, narrow, id) {
  const bare = !panel.x && !panel.y;
  const labelled = (axis) => axis && (axis.label || axis.ticks?.length !== 0);
  const margin = {
    left: labelled(panel.y) ? MARGIN.left : 8,
    right: MARGIN.right,
    top: panel.title ? MARGIN.top : 8,
    bottom: labelled(panel.x) ? MARGIN.bottom : 8,
  };
  const inner = Math.max(width - margin.left - margin.right, 40);
  const span = (axis) => Math.abs((axis.log ? Math.log10(axis.domain[1]) : axis.domain[1]) - (axis.log ? Math.log10(axis.domain[0]) : axis.domain[0]));
  const height = panel.equal ? Math.min(inner * (span(panel.y) / span(panel.x)), 420) : (panel.height ?? 230) * (narrow ? 0.8 : 1);
  const wide = panel.equal ? Math.min(inner, (height * span(panel.x)) / span(panel.y)) : inner;
  const [left, top] = [margin.left, margin.top];
  const [right, bottom] = [left + wide, top + height];
  const svg = add(host, "svg", { width, height: bottom + margin.bottom, role: "img", class: "gd-panel" });
  const [x, y] = [scale(panel.x ?? { domain: [0, 1] }, [left, right]), scale(panel.y ?? { domain: [0, 1] }, [bottom, top])];

  const title = add(svg, "text", { class: "gd-panel-title", x: bare ? 0 : left, y: 14 });
  if (labelled(panel.x)) {
    add(svg, "path", { class: "gd-axis", d: `M${left},${bottom}H${right}` });
    let free = -Infinity; // to the right of the last tick's words: one that has no room is left without
    for (const [value, text] of ticks(panel.x, wide / 62)) {
      add(svg, "path", { class: "gd-axis", d: `M${round(x(value))},${bottom}v4` });
      const half = 3.3 * text.length;
      if (x(value) - half < free + 4) continue;
      free = x(value) + half;
      add(svg, "text", { class: "gd-tick", x: round(x(value)), y: bottom + 16, "text-anchor": "middle" }).textContent = text;
    }
    add(svg, "text", { class: "gd-axis-label", x: (left + right) / 2, y: bottom + 32, "text-anchor": "middle" }).textContent = panel.x.label ?? "";
  }
  if (labelled(panel.y)) {
    add(svg, "path", { class: "gd-axis", d: `M${left},${top}V${bottom}` });
    for (const [value, text] of ticks(panel.y, height / 38)) {
      add(svg, "path", { class: "gd-axis", d: `M${left},${round(y(value))}h-4` });
      add(svg, "text", { class: "gd-tick", x: left - 6, y: round(y(value)) + 4, "text-anchor": "end" }).textContent = text;
    }
    const middle = (top + bottom) / 2;
    add(svg, "text", { class: "gd-axis-label", x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }).textContent = panel.y.label ?? "";
  }
  const clip = add(add(svg, "clipPath", { id }), "rect", { x: left, y: top, width: wide, height });
  clip.setAttribute("rx", 0);
  const clipped = add(svg, "g", { "clip-path": `url(#${id})` });
  const labels = add(svg, "g");
  const holds = (px, py, slack) => px >= left - slack && px <= right + slack && py >= top - slack && py <= bottom + slack;
  const points = []; // of the lines that have a name: other words stay off them
  const spots = []; // what has a name or can be chosen: a box in pixels, and the rows and columns of a picture
  const offer = (mark, i, x, y, width, height, cells) => {
    if ((mark.picks || mark.names) && !Number.isNaN(x + y)) spots.push({ mark, i, x, y, width, height, cells });
  };
  return { root, svg, title, clipped, labels, points, spots, offer, x, y, left, right, top, bottom, holds };
}

function addMark(place, mark) {
  const own = { ...place, layer: add(place.clipped, "g", { "data-mark": mark.key }), labels: add(place.labels, "g") };
  let redraw = null;
  return (state, figure) => {
    if (!isOn(mark.when, state)) {
      if (redraw) [own.layer, own.labels].forEach((group) => group.replaceChildren()); // no other state stays behind
      redraw = null;
      return;
    }
    redraw ??= MARKS[mark.mark](own, mark);
    redraw(
      state,
      (name) => pick(figure.spec, figure.arrays, state, name, mark.at),
      (template) => fill(template, figure.spec, figure.arrays, state),
    );
  };
}

// ------------------------------------------------------------------------------------------------ controls

function make(parent, name, attributes = {}, text = "") {
  const element = document.createElement(name);
  set(element, attributes);
  element.textContent = text;
  parent.append(element);
  return element;
}

const PLAY_MS = 5000;
const STOP_MS = 250; // a position, on the way to the next stop

/** The input of a control. Returns what shows a state in it. While it plays it asks for quiet; and
 * where it may stop next. */
function makeControl(host, control, id, go, quiet, stopAfter) {
  const { name, kind, texts } = control;
  const last = texts.length - 1;
  const box = make(host, "div", { class: `gd-control gd-${kind}` });
  if (kind === "views") {
    set(box, { role: "group", "aria-label": control.label });
    const buttons = texts.map((text, i) => {
      const button = make(box, "button", { type: "button", "data-lm-suppress-shortcuts": "true" }, text);
      button.addEventListener("click", () => go(name, i));
      return button;
    });
    box.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = buttons[buttons.indexOf(document.activeElement) + by];
      if (next) next.focus();
    });
    return (position) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === position));
  }
  if (kind === "toggle") {
    const input = make(box, "input", { type: "checkbox", id, "data-lm-suppress-shortcuts": "true" });
    make(box, "label", { for: id }, control.label);
    input.addEventListener("change", () => go(name, input.checked ? 1 : 0));
    return (position) => (input.checked = position === 1);
  }
  make(box, "label", { for: id }, control.label);
  if (kind === "choice") {
    const input = make(box, "select", { id, "data-lm-suppress-shortcuts": "true" });
    texts.forEach((text, i) => make(input, "option", { value: i }, text));
    input.addEventListener("change", () => go(name, input.selectedIndex));
    return (position) => (input.selectedIndex = position);
  }
  const line = make(box, "div", { class: "gd-range" });
  const input = make(line, "input", { type: "range", id, min: 0, max: last, step: 1, "data-lm-suppress-shortcuts": "true" });
  const output = make(line, "output", { for: id });
  // room for the longest value, so that the slider does not change its length under the finger
  output.style.minWidth = `${Math.max(...texts.map((text) => text.length)) + 1}ch`;
  let here = 0;
  let playing = 0;
  const stop = () => {
    cancelAnimationFrame(playing);
    playing = 0;
    box.classList.remove("gd-playing");
    quiet(false);
  };
  let held = 0; // where the finger came down: if the page scrolls under it, the slider goes back
  input.addEventListener("pointerdown", () => (held = here));
  input.addEventListener("pointercancel", () => go(name, held));
  input.addEventListener("input", () => {
    stop();
    go(name, input.valueAsNumber);
  });
  let button;
  if (kind === "scrubber") {
    const buttons = make(line, "div", { class: "gd-buttons" });
    const press = (label, text, action) => {
      const made = make(buttons, "button", { type: "button", "aria-label": `${control.label}: ${label}`, title: label }, text);
      made.addEventListener("click", action);
      return made;
    };
    const playTo = (from, to, ms) => {
      const began = performance.now();
      const tick = (now) => {
        const share = Math.min(1, (now - began) / ms);
        if (share < 1) playing = requestAnimationFrame(tick);
        else stop();
        go(name, Math.round(from + share * (to - from)));
        if (!playing) show(here); // also where the last step was drawn already
      };
      box.classList.add("gd-playing");
      quiet(true);
      playing = requestAnimationFrame(tick);
    };
    const start = (from, to, ms) => {
      if (playing) stop();
      else if (matchMedia("(prefers-reduced-motion: reduce)").matches) go(name, here === to ? from : to);
      else playTo(from, to, ms);
      show(here);
    };
    press("one step back", "‹", () => (stop(), go(name, Math.max(here - 1, 0))));
    button = press("play", "▶", () => {
      const from = here === last ? 0 : here;
      start(from, last, PLAY_MS * ((last - from) / last));
    });
    press("one step on", "›", () => (stop(), go(name, Math.min(here + 1, last))));
    if (control.stops) {
      const next = make(line, "button", { type: "button", class: "gd-stop" }, control.stop);
      next.addEventListener("click", () => {
        if (here === last) go(name, 0);
        const to = stopAfter(control);
        start(here, to, STOP_MS * (to - here));
      });
    }
    if (control.on_sight && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      const sight = new IntersectionObserver((seen) => {
        if (!seen.some((one) => one.isIntersecting)) return;
        sight.disconnect();
        if (!playing) button.click();
      }, { threshold: 1 });
      sight.observe(box);
    }
  }
  const show = (position) => {
    here = position;
    input.value = position;
    input.setAttribute("aria-valuetext", texts[position]);
    output.textContent = texts[position];
    if (button) {
      button.textContent = playing ? "❚❚" : "▶";
      set(button, { "aria-label": `${control.label}: ${playing ? "pause" : "play"}`, title: playing ? "pause" : "play" });
    }
  };
  return show;
}

/** The position of a control's value that lies nearest to a place in a panel, in pixels. */
export function nearest(values, toPixels, pixels) {
  let best = 0;
  values.forEach((value, i) => {
    if (Math.abs(toPixels(value) - pixels) < Math.abs(toPixels(values[best]) - pixels)) best = i;
  });
  return best;
}

// ------------------------------------------------------------------------------------------------- drawing
// A reader draws on a page of pixels, and a network that Python trained reads it. A forward pass is no optimizer.

/** The picture moved by whole pixels so that its ink is balanced around the middle, as in MNIST. */
export function centred(ink, size) {
  let [mass, mx, my] = [0, 0, 0];
  ink.forEach((value, i) => {
    mass += value;
    mx += value * (i % size);
    my += value * Math.floor(i / size);
  });
  if (!mass) return ink;
  const [dx, dy] = [mx, my].map((m) => Math.round((size - 1) / 2 - m / mass));
  return ink.map((_, i) => {
    const [x, y] = [(i % size) - dx, Math.floor(i / size) - dy];
    return x >= 0 && x < size && y >= 0 && y < size ? ink[y * size + x] : 0;
  });
}

/** The probabilities that a network of dense layers, with max(0, ·) between them, gives to its answers. */
export function forward(input, layers) {
  let values = input;
  layers.forEach(({ weights, biases }, l) => {
    const [rows, columns] = weights.shape;
    const sums = Float64Array.from(biases.data);
    for (let i = 0; i < rows; i++) {
      if (values[i]) for (let k = 0; k < columns; k++) sums[k] += values[i] * weights.data[i * columns + k];
    }
    values = l < layers.length - 1 ? sums.map((v) => Math.max(0, v)) : sums;
  });
  const top = Math.max(...values);
  const raised = values.map((v) => Math.exp(v - top));
  const total = raised.reduce((a, b) => a + b, 0);
  return raised.map((v) => v / total);
}

/** Let a reader draw in a panel: with mouse, finger, or the arrow keys and space. `change` gets the new picture. */
function makePage(place, size, current, change) {
  const { svg } = place;
  const pen = { x: (size - 1) / 2, y: (size - 1) / 2, down: false };
  const mark = add(place.labels, "circle", { r: 5, fill: "none", stroke: color("orange"), "stroke-width": 2 });
  svg.classList.add("gd-page");
  set(svg, { tabindex: 0, role: "application" });
  const show = () => {
    set(mark, { cx: place.x(pen.x + 0.5), cy: place.y(size - 0.5 - pen.y), fill: pen.down ? color("orange") : "none" });
    mark.style.display = document.activeElement === svg ? "" : "none";
  };
  const ink = (x, y) => {
    const picture = Float64Array.from(current());
    for (let i = 0; i < picture.length; i++) {
      const distance = Math.hypot((i % size) - x, Math.floor(i / size) - y);
      picture[i] = Math.max(picture[i], Math.min(1, Math.max(0, 1.7 - distance)));
    }
    change(picture);
  };
  let last = null;
  const at = (event) => {
    const edge = svg.getBoundingClientRect();
    return [place.x.back(event.clientX - edge.left) - 0.5, size - 0.5 - place.y.back(event.clientY - edge.top)];
  };
  const stroke = (event) => {
    const [x, y] = at(event);
    const [fromX, fromY] = last ?? [x, y];
    const parts = Math.max(1, Math.ceil(2 * Math.hypot(x - fromX, y - fromY)));
    for (let i = 1; i <= parts; i++) ink(fromX + ((x - fromX) * i) / parts, fromY + ((y - fromY) * i) / parts);
    last = [x, y];
  };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    last = null;
    stroke(event);
  });
  svg.addEventListener("pointermove", (event) => event.buttons && stroke(event));
  svg.addEventListener("focus", show);
  svg.addEventListener("blur", show);
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    const move = arrows[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    if (move) {
      [pen.x, pen.y] = [pen.x + move[0], pen.y + move[1]].map((v) => Math.max(0, Math.min(size - 1, v)));
    } else {
      pen.down = !pen.down;
    }
    if (pen.down) ink(pen.x, pen.y);
    show();
  });
  show();
}

// --------------------------------------------------------------------------------------------------- names

/** How far a place is from a box; 0 inside. */
const distance = ({ x, y, width, height }, px, py) => Math.hypot(Math.max(x - px, 0, px - x - width), Math.max(y - py, 0, py - y - height));
const middle = ({ x, y, width, height }) => [x + width / 2, y + height / 2];

/** Of some boxes the one that lies nearest to a place; of several that hold it, the one with the nearest middle. */
export function spotAt(spots, px, py) {
  const far = (spot) => distance(spot, px, py) + Math.hypot(middle(spot)[0] - px, middle(spot)[1] - py) / 1000;
  return spots.reduce((best, spot) => (best && far(best) <= far(spot) ? best : spot), null);
}

/** The next box from a place to one side, rather straight ahead than near; null where there is none. */
export function spotBeside(spots, [px, py], [dx, dy]) {
  const way = (spot) => {
    const [x, y] = [middle(spot)[0] - px, middle(spot)[1] - py];
    const ahead = x * dx + y * dy;
    return ahead > 1 ? ahead + 3 * Math.abs(x * dy - y * dx) : Infinity;
  };
  const next = spots.reduce((best, spot) => (best && way(best) <= way(spot) ? best : spot), null);
  return next && way(next) < Infinity ? next : null;
}

const REACH = 12; // pixels: so near to a thing its name is shown
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Names under the mouse, a finger's tap and the arrow keys; pressing, or Enter, sets a control by `choose`. */
function makeNames(place, host, controls, choose) {
  const { svg, spots } = place;
  const tip = make(host, "div", { class: "gd-tip", role: "status" });
  const frame = add(place.labels, "rect", { class: "gd-spot", fill: "none", stroke: color("blue"), "stroke-width": 2 });
  const chosen = () => spots.filter(({ mark }) => mark.picks);
  let at = null; // the place that is looked at, while a name is shown
  svg.classList.add("gd-named");
  set(svg, { tabindex: 0, role: "application", "aria-roledescription": "picture; arrow keys go from name to name, with Shift from pixel to pixel" });
  const cellAt = ({ x, y, width, height, cells: [rows, columns] }, [px, py]) =>
    [[py - y, height, rows], [px - x, width, columns]].map(([from, size, many]) => Math.max(0, Math.min(many - 1, Math.floor((from / size) * many))));
  const show = (where) => {
    at = where;
    const spot = at && spotAt(chosen().length ? chosen() : spots, ...at);
    const shown = spot && (spot.mark.picks || distance(spot, ...at) <= REACH) ? spot : null;
    if (!shown) {
      frame.remove();
      tip.textContent = "";
      return null;
    }
    place.labels.append(frame);
    let { x, y, width, height } = shown;
    let name = shown.mark.names?.[shown.i] ?? controls.find((c) => c.name === shown.mark.picks).texts[shown.i];
    if (shown.cells && shown.mark.cells) {
      const [row, column] = cellAt(shown, at);
      name += shown.mark.cells.replace("{row}", row).replace("{column}", column);
      [width, height] = [width / shown.cells[1], height / shown.cells[0]];
      [x, y] = [x + column * width, y + row * height];
    }
    set(frame, { x: round(x - 1), y: round(y - 1), width: round(width + 2), height: round(height + 2) });
    setText(tip, name);
    const left = Math.max(0, Math.min(x + width / 2 - tip.offsetWidth / 2, host.clientWidth - tip.offsetWidth));
    const above = y - tip.offsetHeight - 6;
    tip.style.transform = `translate(${round(left)}px, ${round(above < 0 ? y + height + 8 : above)}px)`;
    return shown;
  };
  const pick = (spot) => spot?.mark.picks && choose(spot.mark.picks, spot.i);
  const under = (event) => {
    const edge = svg.getBoundingClientRect();
    const where = [event.clientX - edge.left, event.clientY - edge.top];
    return place.holds(...where, REACH) ? where : null;
  };
  svg.addEventListener("pointermove", (event) => event.pointerType !== "touch" && show(under(event)));
  svg.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && show(null));
  svg.addEventListener("click", (event) => pick(show(under(event)))); // of a finger it is a tap, and no swipe
  svg.addEventListener("focus", () => svg.matches(":focus-visible") && spots.length && show(at ?? middle((chosen()[0] ?? spots[0]))));
  svg.addEventListener("blur", () => show(null));
  svg.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (event.key === "Escape") return show(null);
    if (!way && event.key !== "Enter" && event.key !== " ") return undefined;
    event.preventDefault();
    const here = show(at ?? middle(spots[0]));
    if (!way) return pick(here);
    if (event.shiftKey && here?.cells) { // to the next pixel of a picture
      const [row, column] = cellAt(here, at);
      const inside = (n, many, from, size) => from + ((Math.max(0, Math.min(many - 1, n)) + 0.5) / many) * size;
      return show([inside(column + way[0], here.cells[1], here.x, here.width), inside(row + way[1], here.cells[0], here.y, here.height)]);
    }
    const next = here && spotBeside(here.mark.picks ? chosen() : spots, middle(here), way);
    return next && show(middle(next));
  });
  show(null);
  return () => at && show(at);
}

// ------------------------------------------------------------------------------------------------- address

/** The state as a part of the page's address: what differs from the start. */
export function toAddress(spec, state) {
  const moved = spec.controls.filter((c) => state[c.name] !== (c.start ?? 0));
  const query = moved.map((c) => `${c.name}=${encodeURIComponent(c.texts[state[c.name]])}`).join("&");
  return `#${spec.figure}${query ? `?${query}` : ""}`;
}

/** The state that an address asks for, or null if it is not about this figure. */
export function fromAddress(spec, hash) {
  const [name, query = ""] = hash.slice(1).split("?");
  if (name !== spec.figure) return null;
  const state = {};
  for (const pair of query.split("&").filter(Boolean)) {
    const [key, raw = ""] = pair.split("=");
    const control = spec.controls.find((c) => c.name === key);
    let text = raw;
    try {
      text = decodeURIComponent(raw);
    } catch {
      continue; // not an address that this page wrote
    }
    if (!control) continue;
    const exact = control.texts.indexOf(text);
    const number = parseFloat(text.replace("−", "-"));
    if (exact >= 0) state[key] = exact;
    else if (typeof control.values[0] === "number" && !Number.isNaN(number)) state[key] = nearest(control.values, (v) => v, number);
  }
  return state;
}

// --------------------------------------------------------------------------------------------------- mount

const SAMPLED = 240;

/** States all over a figure's controls: all of them, or so many that lie apart. */
function sampled(spec) {
  const sizes = spec.controls.map((control) => control.texts.length);
  const all = sizes.reduce((a, b) => a * b, 1);
  const every = Math.max(1, Math.floor(all / SAMPLED)) | 1; // odd: not in step with an even number of positions
  const states = [];
  for (let n = 0; n < all && states.length <= SAMPLED; n += every) {
    let rest = n;
    states.push(Object.fromEntries(spec.controls.map(({ name }, i) => {
      const at = rest % sizes[i];
      rest = Math.floor(rest / sizes[i]);
      return [name, at];
    })));
  }
  return states;
}

/** The tallest of several ways to fill an element is the room that it gets. */
function reserve(element, ways) {
  const lines = (texts) => texts.reduce((sum, text) => sum + Math.ceil((8 * text.length) / element.clientWidth), 0);
  const longest = [...new Set(ways.map((texts) => texts.join("\n")))].map((text) => text.split("\n"));
  longest.sort((a, b) => lines(b) - lines(a) || b.join().length - a.join().length);
  const heights = longest.slice(0, 3).map((texts) => {
    element.replaceChildren(...texts.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    return element.offsetHeight;
  });
  if (heights.length) element.style.minHeight = `${Math.max(...heights)}px`;
  element.replaceChildren();
}

/** Once texts needed some room they keep it: what stands below does not move up and down with their length. */
function keepRoom(texts) {
  const needed = texts.map((text) => text.offsetHeight); // all are read before one is written: one layout
  texts.forEach((text, i) => {
    if (needed[i] > (parseFloat(text.style.minHeight) || 0)) text.style.minHeight = `${needed[i]}px`;
  });
}

const NARROW = 560; // pixels: below, panels stand one under the other

/** Turn a figure's static picture into the figure. */
export async function mount(root) {
  root.dataset.mounted = "yes";
  const number = (window.gdFigures = (window.gdFigures ?? 0) + 1); // of the page: this module may be in it twice
  const spec = JSON.parse(root.querySelector(".gd-data").textContent);
  const arrays = await unpack(spec.payload, spec.arrays);
  delete spec.payload;
  const figure = { spec, arrays };
  spec.rows.flat().forEach((panel, i) => panel.marks.forEach((mark, k) => (mark.key = `${i}.${k}`)));
  const { page } = spec; // what a reader draws on, if there is such a thing
  const computed = page && { [page.ink]: arrays[page.ink], [page.out]: arrays[page.out], [page.answer]: arrays[page.answer] };
  const write = (ink) => {
    const size = Math.sqrt(ink.length);
    const layers = page.layers.map(([weights, biases]) => ({
      weights: { data: arrays[weights].data, shape: arrays[weights].shape.slice(-2) },
      biases: arrays[biases],
    }));
    const out = forward(centred(ink, size), layers);
    const ones = spec.computed.map(() => 1);
    arrays[page.ink] = { data: ink, shape: [...ones, size, size] };
    arrays[page.out] = { data: out, shape: [...ones, out.length] };
    arrays[page.answer] = { data: Float64Array.of(out.indexOf(Math.max(...out))), shape: ones };
    state[page.control] = page.own;
    root.dataset.drawn = JSON.stringify({ ink: [...ink].map(round2), out: [...out] });
    draw();
  };
  const state = Object.fromEntries(spec.controls.map((c) => [c.name, c.start ?? 0]));
  const inPage = !root.closest(".jp-OutputArea, .jp-Notebook") && window.self === window.top;

  const poster = root.querySelector(".gd-stage");
  const stage = make(root, "div", { class: "gd-stage", role: "group", "aria-label": root.querySelector(".gd-title").textContent });
  poster.replaceWith(stage);
  make(stage, "p", { class: "gd-unseen" }, `At the start: ${poster.dataset.alt}`);
  const caption = root.querySelector(".gd-caption");
  const views = make(stage, "div");
  const tries = make(stage, "p", { class: "gd-try" });
  tries.hidden = !spec.tries.length;
  const panels = make(stage, "div", { class: "gd-panels" });
  const controls = make(stage, "div", { class: "gd-controls" });
  const readouts = make(stage, "div", { class: "gd-readouts", role: "status" });
  readouts.hidden = !spec.readouts.length;
  stage.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook has other plans for arrow keys

  let redraws = [];
  let places = [];
  let told;
  const panelsOn = () => spec.rows.map((row) => row.filter((panel) => isOn(panel.when, state)));
  let laid; // which panels are there: a row's width is theirs
  const layout = () => spec.rows.flatMap((row) => row.map((panel) => Number(isOn(panel.when, state)))).join("");
  const draw = () => {
    if (width && laid !== layout()) return build();
    shows.forEach((show, i) => show(state[spec.controls[i].name]));
    spec.controls.forEach((control, i) => (boxes[i].hidden = !isOn(control.when, state)));
    const first = spec.tries[spec.tries.length > 1 ? state[spec.controls[0].name] : 0] ?? "";
    if (tries.lastChild?.textContent !== first) tries.replaceChildren(Object.assign(document.createElement("b"), { textContent: "Try this: " }), first);
    for (const place of places) place.points.length = place.spots.length = 0;
    redraws.forEach((redraw) => redraw(state, figure));
    settle(places);
    const lines = said(spec.readouts, spec, arrays, state);
    readouts.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
    const words = said(spec.caption, spec, arrays, state).join(" ");
    setText(caption, words);
    keepRoom([readouts, caption]);
    root.dataset.state = JSON.stringify(state);
  };
  const go = (name, position) => {
    if (page) Object.assign(arrays, computed); // a choice takes the place of what was drawn
    else if (state[name] === position) return;
    state[name] = position;
    draw();
    clearTimeout(told);
    if (inPage) told = setTimeout(() => history.replaceState(null, "", toAddress(spec, state)), 150);
  };
  const stopAfter = ({ name, stops }) => pick(spec, arrays, state, stops, [name]).data[0];
  const quiet = (yes) => set(readouts, { "aria-live": yes ? "off" : "polite" }); // a voice would read every frame
  const shows = spec.controls.map((control, i) => makeControl(control.kind === "views" ? views : controls, control, `gd-${number}-${i}`, go, quiet, stopAfter));
  const boxes = [...stage.querySelectorAll(".gd-control")];
  const buttons = make(root.querySelector(".gd-title"), "span", { class: "gd-buttons" });
  const press = (name, text, action) => {
    make(buttons, "button", { type: "button", class: `gd-action gd-${name}` }, text).addEventListener("click", action);
  };
  if (page) press("clear", "Clear", () => go(page.control, page.own));
  press("reset", "Reset", () => spec.controls.forEach((control) => go(control.name, control.start ?? 0)));

  let width = 0;
  let wordings; // what readouts and caption say at many states, view by view
  const makeRoom = () => {
    const view = spec.controls.find((control) => control.kind === "views")?.name;
    wordings ??= sampled(spec).map((at) => [at[view], said(spec.readouts, spec, arrays, at), [said(spec.caption, spec, arrays, at).join(" ")]]);
    const here = wordings.filter(([at]) => at === state[view]);
    [readouts, caption].forEach((element, i) => {
      element.style.minHeight = "";
      reserve(element, here.map((wording) => wording[i + 1]));
    });
  };
  const build = () => {
    panels.replaceChildren();
    stage.classList.toggle("gd-narrow", width < NARROW);
    [redraws, places] = [[], []];
    let count = 0;
    laid = layout();
    makeRoom();
    for (const row of panelsOn().filter((row) => row.length)) {
      const total = row.reduce((sum, panel) => sum + (panel.weight ?? 1), 0);
      const across = row.length < 4 ? 1 : 2; // on a narrow page
      const line = make(panels, "div", { class: "gd-row" });
      for (const panel of row) {
        const host = make(line, "div", { class: "gd-host" });
        const wide = width < NARROW ? Math.floor(width / across) : Math.floor((width * (panel.weight ?? 1)) / total);
        const place = makePanel(root, host, panel, wide, width < NARROW, `gd-${number}-clip-${count++}`);
        places.push(place);
        redraws.push((state, figure) => {
          const words = fill(panel.title ?? "", figure.spec, figure.arrays, state) ?? "";
          setText(place.title, words);
          set(place.svg, { "aria-label": words || `${panel.y?.label ?? "picture"}${panel.x ? ` over ${panel.x.label}` : ""}` });
        });
        for (const mark of panel.marks) redraws.push(addMark(place, mark));
        if (panel.pad) pad(place, panel, host);
        if (panel.marks.some((mark) => mark.names || mark.picks)) redraws.push(makeNames(place, host, spec.controls, go));
        if (panel.draws) makePage(place, arrays[page.ink].shape.at(-1), () => pick(spec, arrays, state, page.ink).data, write);
      }
    }
    draw();
  };
  const pad = (place, panel, host) => {
    place.svg.classList.add("gd-pad");
    const handle = make(host, "div", { class: "gd-handle", "aria-hidden": "true" });
    const pair = panel.pad.map((name) => spec.controls.find((c) => c.name === name));
    redraws.push(() => {
      const [x, y] = pair.map((control, i) => {
        if (!control) return i ? place.bottom : (place.left + place.right) / 2; // a thumb on the axis
        return [place.x, place.y][i](control.values[state[control.name]]);
      });
      handle.style.transform = `translate(${round(x)}px, ${round(y)}px)`;
      handle.hidden = !place.holds(x, y, 1);
    });
    const move = (event) => {
      const edge = place.svg.getBoundingClientRect();
      const at = [event.clientX - edge.left, event.clientY - edge.top];
      root.dataset.moved = "yes";
      pair.forEach((control, i) => control && go(control.name, nearest(control.values, i ? place.y : place.x, at[i])));
    };
    const drag = (element, fingers) => {
      element.addEventListener("pointerdown", (event) => {
        if (event.pointerType === "touch" && !fingers) return; // it may be about to scroll the page
        element.setPointerCapture(event.pointerId);
        event.preventDefault();
        if (!fingers) move(event);
      });
      element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && event.buttons && move(event));
    };
    drag(place.svg, false);
    drag(handle, true);
    place.svg.addEventListener("click", move); // a finger's tap; a mouse has moved already
  };

  const visit = () => {
    const wanted = inPage && fromAddress(spec, location.hash);
    if (!wanted) return;
    for (const control of spec.controls) state[control.name] = wanted[control.name] ?? control.start ?? 0;
    if (width) draw();
    const bring = () => root.scrollIntoView({ block: "start" });
    bring();
    // what stands above may still move while the page loads
    if (document.readyState !== "complete") window.addEventListener("load", bring, { once: true });
  };
  visit();
  window.addEventListener("hashchange", visit);
  const fit = () => {
    const now = Math.floor(panels.clientWidth);
    if (!now || now === width) return;
    width = now;
    stage.classList.toggle("gd-narrow", width < NARROW);
    build();
  };
  fit();
  new ResizeObserver(fit).observe(panels);
  // pictures hold colours as pixels: they are painted again when the page's theme changes
  const theme = new MutationObserver(() => width && draw());
  for (const node of [document.documentElement, document.body]) {
    theme.observe(node, { attributeFilter: ["data-theme", "data-jp-theme-light", "theme"] });
  }
  root.dataset.ready = "yes";
  performance.mark("gd-first"); // since the page was opened
}

/** Whether all of a figure has arrived. The module of one runs while the next may still be on its way, half of it
 * in the page already; the next brings its own module, after its numbers, which mounts it. */
const isWhole = (root) => document.readyState !== "loading" || root.querySelector(".gd-data + script");

/** Mount every figure of the page that has arrived and is not mounted yet. */
export function mountAll() {
  for (const root of [...document.querySelectorAll(".gd-figure:not([data-mounted])")].filter(isWhole)) {
    mount(root).catch((error) => {
      root.dataset.failed = String(error);
      console.error(error);
    });
  }
}

if (typeof document !== "undefined") mountAll();
