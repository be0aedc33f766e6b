// Makes the page interactive: choose, filter, sort and open arms, copy commands, save figures, and move the slider of seeds.
document.body.classList.add("live");
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function explore(box) {
  const form = box.querySelector(".controls");
  const state = form.querySelector("output");
  const list = () => all(".measure", box).find((m) => !m.hidden).querySelector(".forest");
  const update = () => {
    const { measure, kind, order, words } = form.elements;
    for (const one of all(".measure", box)) one.hidden = measure ? one.dataset.measure !== measure.value : one.hidden;
    const rows = all(".row", list());
    for (const one of kind.options) one.hidden = one.value && !rows.some((row) => row.dataset.kind === one.value);
    if (kind.selectedOptions[0].hidden) kind.value = "";
    const sought = words.value.trim().toLowerCase();
    for (const row of rows) {
      const name = row.querySelector(".name").textContent.toLowerCase();
      row.hidden = (kind.value && row.dataset.kind !== kind.value) || !name.includes(sought);
    }
    const key = order.value;
    list().append(...rows.sort((a, b) => a.dataset[key] - b.dataset[key]));
    const shown = rows.filter((row) => !row.hidden).length;
    state.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} arms`;
  };
  form.hidden = false;
  update();
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
}
all(".chart").forEach(explore);

function choose(arm, scroll) {
  const box = arm.closest(".explore");
  for (const other of all(".arm", box)) {
    other.classList.toggle("chosen", other === arm);
    if (other !== arm) other.open = false;
  }
  arm.open = true;
  for (const row of all(".row", box)) {
    const open = row.dataset.number === arm.dataset.number;
    row.classList.toggle("open", open);
    if (open) row.querySelector("a").setAttribute("aria-current", "true");
    else row.querySelector("a").removeAttribute("aria-current");
  }
  if (scroll) arm.scrollIntoView({ block: "nearest" });
}
// In a notebook the page is in a frame without its own address, where following a link within the page would leave the page.
const within = location.protocol === "about:";
for (const link of within ? all('a[href^="#"]') : []) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById(link.getAttribute("href").slice(1))?.scrollIntoView();
  });
}
const wide = matchMedia("(min-width: 75rem)");
for (const link of all(".row a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const arm = document.getElementById(link.getAttribute("href").slice(1));
    choose(arm, true);
    if (!within) history.replaceState(null, "", link.getAttribute("href"));
    if (!wide.matches) arm.querySelector("summary").focus();
  });
}
for (const box of all(".explore")) {
  const asked = all(".arm", box).find((arm) => `#${arm.id}` === location.hash);
  const first = box.querySelector(".row a");
  if (asked) choose(asked, true);
  else if (first && wide.matches) choose(document.getElementById(first.getAttribute("href").slice(1)), false);
}

const button = (text, act) => {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "small";
  made.textContent = text;
  made.addEventListener("click", () => act(made));
  return made;
};
for (const command of all(".command")) {
  const text = command.querySelector("pre");
  command.append(
    button("copy", async (self) => {
      try {
        await navigator.clipboard.writeText(text.textContent.trim());
        self.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(text);
        self.textContent = "press Ctrl-C";
      }
      setTimeout(() => (self.textContent = "copy"), 1500);
    }),
  );
}

const save = (name, url) => Object.assign(document.createElement("a"), { download: name, href: url }).click();
function drawing(svg) {
  // A saved picture does not have the page's colour properties, so each is replaced by its value.
  const style = getComputedStyle(document.documentElement);
  const text = new XMLSerializer().serializeToString(svg);
  const { width, height } = svg.viewBox.baseVal;
  return text
    .replace(/var\((--\w+)\)/g, (_, name) => style.getPropertyValue(name).trim())
    .replaceAll("currentColor", style.getPropertyValue("--ink").trim())
    .replace("<svg ", `<svg width="${width}" height="${height}" font-family="DejaVu Sans, sans-serif" `);
}
function png(svg, name) {
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width * 3, image.height * 3];
    const at = canvas.getContext("2d");
    at.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
    at.fillRect(0, 0, canvas.width, canvas.height);
    at.drawImage(image, 0, 0, canvas.width, canvas.height);
    save(`${name}.png`, canvas.toDataURL("image/png"));
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing(svg))}`;
}
for (const figure of all("figure[data-name]")) {
  const svg = figure.querySelector("svg");
  const name = figure.dataset.name;
  const row = Object.assign(document.createElement("div"), { className: "pictures" });
  row.append(
    button("Save as SVG", () => save(`${name}.svg`, URL.createObjectURL(new Blob([drawing(svg)], { type: "image/svg+xml" })))),
    button("Save as PNG", () => png(svg, name)),
  );
  figure.append(row);
}

for (const box of all(".seeds")) {
  const form = box.querySelector(".slide");
  const rows = all("tbody tr", box);
  const tell = () => {
    const [seeds, difference, time] = [...rows[form.elements.step.value].cells].map((cell) => cell.textContent);
    form.querySelector("output").textContent = `With ${seeds} seeds a difference of ${difference} is likely to be confirmed; they take ${time} to train in one process`;
    form.elements.step.setAttribute("aria-valuetext", `${seeds} seeds`);
  };
  form.hidden = false;
  box.querySelector(".wide").hidden = true;
  form.addEventListener("input", tell);
  tell();
}

// For printing, everything is opened.
let closed = [];
addEventListener("beforeprint", () => {
  closed = all("details:not([open])");
  for (const one of closed) one.open = true;
  for (const table of all(".seeds .wide")) table.hidden = false;
});
addEventListener("afterprint", () => {
  for (const one of closed) one.open = false;
  for (const table of all(".seeds .wide")) table.hidden = true;
});
