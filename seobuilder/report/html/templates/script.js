"use strict";
(() => {
  const at = (id) => document.getElementById(id);

  const theme = at("theme");
  const themes = ["system", "light", "dark"];
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const now = themes[(themes.indexOf(document.documentElement.dataset.theme || "system") + 1) % 3];
    document.documentElement.dataset.theme = now;
    theme.textContent = `Theme: ${now}`;
  });

  if (!at("table")) return; // a run without monitors has none
  const body = at("table").tBodies[0];
  const rows = [...body.rows];
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const form = at("filters");
  const [text, role, rule, finding] = ["text", "role", "rule", "finding"].map((n) => at(`filter-${n}`));
  const filter = () => {
    const wanted = text.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const { role: r, rule: u, findings: f } = row.dataset;
      row.hidden = !(
        words.get(row).includes(wanted) &&
        (!role.value || r === role.value) &&
        (!rule.value || u === rule.value) &&
        (!finding.value || f.split(" ").includes(finding.value))
      );
      shown += !row.hidden;
    }
    at("count").textContent = `${shown} of ${rows.length}`;
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  const clear = () => {
    form.reset();
    filter();
  };
  at("clear").addEventListener("click", clear);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const link of document.querySelectorAll("[data-filter]")) {
    link.addEventListener("click", () => {
      form.reset();
      text.value = link.dataset.filter;
      filter();
    });
  }

  const heads = [...at("table").tHead.rows[0].cells];
  const value = (row, index) => {
    const shown = (row.cells[index].firstChild?.textContent ?? "").trim();
    const number = Number(shown.replaceAll(",", ""));
    return shown === "" || shown === "-" ? null : Number.isNaN(number) ? shown : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  const sort = (index) => {
    const head = heads[index];
    const descending = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const keyed = rows.map((row) => [value(row, index), row]);
    keyed.sort(([a], [b]) =>
      a === null || b === null ? (a === null) - (b === null) : descending ? compare(b, a) : compare(a, b));
    body.append(...keyed.map(([, row]) => row));
  };
  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(index));
    head.replaceChildren(button);
  });

  const show = () => {
    const target = location.hash.length > 1 && at(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let node = target; node; node = node.parentElement) if (node.localName === "details") node.open = true;
    if (target.hidden) clear();
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: target.localName === "tr" ? "center" : "start" });
  };
  addEventListener("hashchange", show);
  addEventListener("click", (event) => {
    // A link to where the page already is changes nothing in its address.
    if (event.target.closest("a")?.hash === location.hash) show();
  });
  show();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => (details.open = true));
  });
  addEventListener("afterprint", () => closed.forEach((details) => (details.open = false)));
})();
