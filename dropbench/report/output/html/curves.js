// Draws the curves of an arm and the baseline, one line per seed, scaled to show the end of training; the gap is drawn below.
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
function focus(runs, key) {
  // The first fifth of training is left out, because its steep change would leave no room for the rest.
  const late = runs.flatMap((run) => (run[key] ?? []).slice(Math.floor(run.epochs.length / 5)));
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
  const runs = groups.flatMap((group) => group.runs);
  const [low, high] = focus(runs, key);
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
  const line = (run, kind, words) => {
    const path = made("path", { class: kind, d: `M${run.epochs.map((e, i) => `${x(e).toFixed(1)} ${y(run[key][i]).toFixed(1)}`).join("L")}` });
    if (words) path.append(made("title", {}, words));
    drawn.append(path);
  };
  for (const { runs: own, kind, name } of groups) for (const run of own) if (run[key]) line(run, kind, `${name}, seed ${run.seed}`);
  for (const { runs: own, kind, name } of groups) {
    const middle = mean(own, key);
    if (middle.epochs.length > 1) line(middle, `${kind} mean`, `${name}, mean`);
  }
  svg.append(shape, drawn);
  return x;
}
function curves(arm) {
  const box = arm.querySelector(".curves");
  const part = parts[arm.dataset.part];
  const own = part?.runs[arm.dataset.number];
  if (!own || box.firstChild) return;
  const name = arm.querySelector("summary strong").textContent;
  const groups = [{ runs: own, kind: "ours", name }];
  const base = part.runs[part.baseline];
  if (base && part.baseline !== arm.dataset.number) groups.unshift({ runs: base, kind: "theirs", name: part.against });
  const last = Math.max(...groups.flatMap((g) => g.runs.flatMap((run) => run.epochs)));
  const gap = groups.some((g) => g.runs.some((run) => run.gap));
  const names = groups.map((g) => (g.kind === "ours" ? `${g.name} solid` : `${g.name} dashed`)).join(", ");
  const svg = made("svg", { viewBox: `0 0 ${WIDTH} ${gap ? 330 : 200}`, role: "img", "aria-label": `${part.axis} by epoch, one line per seed: ${names}` });
  const id = arm.id;
  const x = panel(svg, groups, "val", 22, 140, `${part.axis}: ${names}; thick lines: mean`, last, `${id}-val`);
  if (gap) panel(svg, groups, "gap", 196, 95, part.gap, last, `${id}-gap`);
  for (const at of ticks(1, last, 6)) if (at >= 1) svg.append(made("text", { x: x(at), y: gap ? 310 : 180, "text-anchor": "middle" }, at));
  svg.append(made("text", { x: (WIDTH + LEFT) / 2, y: gap ? 326 : 196, "text-anchor": "middle" }, "epoch"));
  box.append(svg);
}
for (const arm of all(".arm")) {
  arm.addEventListener("toggle", () => arm.open && curves(arm));
  if (arm.open) curves(arm);
}
