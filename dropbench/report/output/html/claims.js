// Filters claims by verdict and by words; without it the page is still complete.
"use strict";
const form = document.querySelector(".filter");
const claims = [...document.querySelectorAll(".claim")];
const show = () => {
  const kinds = new Set([...form.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value));
  const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const claim of claims) {
    const text = claim.textContent.toLowerCase();
    claim.hidden = !kinds.has(claim.dataset.verdict) || !words.every((word) => text.includes(word));
    shown += claim.hidden ? 0 : 1;
  }
  form.querySelector("output").textContent = `${shown} of ${claims.length} shown`;
};
form.hidden = false;
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
show();
