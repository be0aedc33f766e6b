// For pages served by `dropbench ui`: shows how far a sweep has come, and loads new results unless the user is typing.
const live = document.getElementById("live");
const state = () => fetch("state").then((answer) => answer.json());
let seen;
async function look() {
  try {
    const now = await state();
    seen ??= now.state;
    live.textContent = now.says;
    if (now.state === seen) return;
    if (document.activeElement?.matches("input, select")) live.textContent = `${now.says}; there are new results: reload the page`;
    else location.reload();
  } catch {
    live.textContent = "dropbench ui has ended: this is what it showed last";
  }
}
look();
setInterval(look, 2000);
