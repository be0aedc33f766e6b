// Draws the curves of an arm and the baseline: a line per seed, or of many seeds the mean and a band. The gap is drawn below.
const stored = document.getElementById("curves");
const parts = stored ? JSON.parse(stored.textContent) : {};
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, LEFT, RIGHT] = [560, 48, 12];

const made = (name, attributes, text) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};
function ticks(low, high, most) {
  const least = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((n) => n * power).find((s) => s >= least);
  const found = [];
  for (let i = Math.ceil(low / step); i <= Math.floor(high / step); i += 1) found.push(+(i * step).toPrecision(10));
  return found;
}
function focus(groups, key) {
  // The first fifth of training is left out, because its steep change would leave no room for the rest.
  const each = groups.flatMap((group) => [...group.runs, ...(group.band ? [group.band] : [])]);
  const late = each.flatMap((one) => (one[key] ?? []).slice(Math.floor(one.epochs.length / 5)).flat());
  const [low, high] = [Math.min(...late), Math.max(...late)];
  const air = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - air, high + air];
}
function mean(runs, key) {
  const sums = new Map();
  for (const run of runs) run.epochs.forEach((epoch, i) => run[key] && sums.set(epoch, [...(sums.get(epoch) ?? []), run[key][i]]));
  const whole = [...sums].filter(([, values]) => values.length === runs.length).sort((a, b) => a[0] - b[0]);
  return { epochs: whole.map(([epoch]) => epoch), [key]: whole.map(([, v]) => v.reduce((a, b) => a + b, 0) / v.length) };
}
function panel(svg, groups, key, top, height, title, last, clip) {
  const [low, high] = focus(groups, key);
  const x = (epoch) => LEFT + ((epoch - 1) / Math.max(1, last - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => top + height - ((value - low) / (high - low)) * height;
  for (const at of ticks(low, high, 4)) {
    svg.append(made("line", { class: at === 0 ? "zero" : "", x1: LEFT, x2: WIDTH - RIGHT, y1: y(at), y2: y(at) }));
    svg.append(made("text", { x: LEFT - 6, y: y(at) + 4, "text-anchor": "end" }, String(at).replace("-", "\u2212")));
  }
  svg.append(made("text", { x: LEFT, y: top - 6 }, title));
  const shape = made("clipPath", { id: clip });
  shape.append(made("rect", { x: LEFT, y: top, width: WIDTH - LEFT - RIGHT, height }));
  const drawn = made("g", { "clip-path": `url(#${clip})` });
  const places = (epochs, values) => epochs.map((e, i) => `${x(e).toFixed(1)} ${y(values[i]).toFixed(1)}`);
  const line = (run, kind, words) => {
    const path = made("path", { class: kind, d: `M${places(run.epochs, run[key]).join("L")}` });
    if (words) path.append(made("title", {}, words));
    drawn.append(path);
  };
  for (const { runs: own, kind, name } of groups) for (const run of own) if (run[key]) line(run, kind, `${name}, seed ${run.seed}`);
  for (const { band, kind } of groups) {
    if (!band?.[key]) continue;
    const [below, above] = [1, 2].map((side) => places(band.epochs, band[key].map((at) => at[side])));
    drawn.append(made("path", { class: `${kind} band`, d: `M${[...below, ...above.reverse()].join("L")}Z` }));
  }
  for (const { runs: own, band, kind, name } of groups) {
    const of = (at) => ({ epochs: at.epochs, [key]: (at[key] ?? []).map(([value]) => value) });
    const middle = band?.[key] ? of(band) : mean(own, key);
    if (middle.epochs.length > 1) line(middle, `${kind} mean`, `${name}, mean`);
  }
  svg.append(shape, drawn);
  return x;
}
function curves(arm) {
  const box = arm.querySelector(".curves");
  const part = parts[arm.dataset.part];
  const of = (number) => ({ runs: part?.runs[number] ?? [], band: part?.bands[number] });
  const own = of(arm.dataset.number);
  const known = ({ runs, band }) => runs.length || band;
  if (!known(own) || box.firstChild) return;
  const name = arm.querySelector("summary strong").textContent;
  const groups = [{ ...own, kind: "ours", name }];
  const base = of(part.baseline);
  if (known(base) && part.baseline !== arm.dataset.number) groups.unshift({ ...base, kind: "theirs", name: part.against });
  const each = groups.flatMap((g) => [...g.runs, ...(g.band ? [g.band] : [])]);
  const last = Math.max(...each.flatMap((one) => one.epochs));
  const gap = each.some((one) => one.gap);
  const names = groups.map((g) => (g.kind === "ours" ? `${g.name} solid` : `${g.name} dashed`)).join(", ");
  const banded = groups.filter((g) => g.band);
  const how = banded.length ? "mean and spread over seeds" : "one line per seed";
  const svg = made("svg", { viewBox: `0 0 ${WIDTH} ${gap ? 330 : 200}`, role: "img", "aria-label": `${part.axis} by epoch, ${how}: ${names}` });
  const id = arm.id;
  const x = panel(svg, groups, "val", 22, 140, `${part.axis}: ${names}; thick lines: mean`, last, `${id}-val`);
  if (gap) panel(svg, groups, "gap", 196, 95, part.gap, last, `${id}-gap`);
  for (const at of ticks(1, last, 6)) if (at >= 1) svg.append(made("text", { x: x(at), y: gap ? 310 : 180, "text-anchor": "middle" }, at));
  svg.append(made("text", { x: (WIDTH + LEFT) / 2, y: gap ? 326 : 196, "text-anchor": "middle" }, "epoch"));
  box.append(svg);
  if (banded.length) {
    const lasts = banded.map((g) => `${g.name} up to epoch ${g.band.epochs.at(-1)}`).join(", ");
    const seeds = [...new Set(banded.map((g) => g.band.seeds))].join(" and ");
    const words = `So many seeds (${seeds}) are not drawn one by one: bands hold the middle eight of ten, as far as all seeds were trained (${lasts}).`;
    box.append(Object.assign(document.createElement("p"), { className: "caption", textContent: words }));
  }
}
for (const arm of all(".arm")) {
  arm.addEventListener("toggle", () => arm.open && curves(arm));
  if (arm.open) curves(arm);
}
