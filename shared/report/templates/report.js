"use strict";
// Sorting, searching, pointing: the page is whole without it.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const number = (text) => {
    const value = Number(text.replaceAll(",", ""));
    return text === "–" || text === "" || Number.isNaN(value) ? null : value;
  };
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // Tables: of long ones the first rows only are laid out, as thousands make a page slow for everybody who reads it.
  const MOST_ROWS = 100;
  const layouts = new Map();
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    const layout = { rows: [...body.rows], most: MOST_ROWS, matches: () => true };
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    more.addEventListener("click", () => layout.all());
    table.closest(".scroll").after(more);
    layout.lay = () => {
      const found = layout.rows.filter(layout.matches);
      body.replaceChildren(...found.slice(0, layout.most));
      more.hidden = found.length <= layout.most;
      more.textContent = `Show all ${found.length} rows, not the first ${layout.most} only`;
      return found.length;
    };
    layout.all = () => {
      layout.most = Infinity;
      layout.lay();
    };
    layout.lay();
    layouts.set(table, layout);
  }

  // A button in every heading sorts, nothing goes last either way.
  for (const [table, layout] of layouts) {
    const headings = all("thead th", table);
    headings.forEach((heading, column) => {
      if (heading.classList.contains("nosort")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      const isNumber = heading.classList.contains("n");
      button.addEventListener("click", () => {
        const before = heading.getAttribute("aria-sort");
        const descending = before ? before === "ascending" : isNumber;
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const rows = layout.rows.map((row) => {
          const text = row.cells[column].textContent.trim();
          return { row, value: isNumber ? number(text) : text || null };
        });
        rows.sort((a, b) => {
          if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
          const order = isNumber ? a.value - b.value : collator.compare(a.value, b.value);
          return descending ? -order : order;
        });
        layout.rows = rows.map(({ row }) => row);
        layout.lay();
      });
    });
  }

  const sections = all("section.summary");
  for (const section of sections) {
    const table = section.querySelector("table");
    const layout = layouts.get(table);
    const rows = [...layout.rows]; // as the map knows them

    const search = section.querySelector(".search");
    const [input, told] = [search.querySelector("input"), search.querySelector("output")];
    const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    const named = (row) => [...row.cells].filter((cell) => !cell.classList.contains("n"));
    const texts = new Map(rows.map((row) => [row, fold(named(row).map((cell) => cell.textContent).join(" "))]));
    search.hidden = false;
    input.addEventListener("input", () => {
      const words = fold(input.value).split(/\s+/).filter(Boolean);
      layout.matches = (row) => words.every((word) => texts.get(row).includes(word));
      const found = layout.lay();
      told.textContent = words.length ? `${found} of ${rows.length} rows` : "";
    });

    const map = section.querySelector("svg.map");
    if (!map) continue;
    const paths = all(".regions path", map);
    const readout = section.querySelector(".readout");
    const headings = all("thead th", table).map((heading) => heading.textContent);
    let at = null;
    const show = (path) => {
      if (path === at) return;
      at?.classList.remove("on");
      if (at?.dataset.r) rows[at.dataset.r].classList.remove("on");
      at = path;
      if (!path) return;
      path.classList.add("on");
      const name = document.createElement("b");
      if (path.dataset.r === undefined) {
        name.textContent = path.dataset.t;
        readout.replaceChildren(name, " no records");
        return;
      }
      const row = rows[path.dataset.r];
      row.classList.add("on");
      const cells = [...row.cells];
      name.textContent = cells[0].textContent;
      const told = cells.map((cell, place) => [cell, place]).filter(([cell]) => cell.classList.contains("n"));
      readout.replaceChildren(name, " " + told.map(([cell, place]) => `${headings[place]}: ${cell.textContent}`).join(" · "));
    };
    map.addEventListener("pointerover", (event) => {
      if (event.target.dataset.c) show(event.target);
    });
    map.addEventListener("click", (event) => {
      if (!event.target.dataset.r) return;
      const row = rows[event.target.dataset.r];
      if (!row.isConnected) layout.all();
      const box = section.querySelector(".tall");
      box.scrollTop = row.offsetTop - box.clientHeight / 2;
    });
    const middle = (path) => path.dataset.m.split(" ").map(Number);
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    map.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const from = at ?? paths.find((path) => path.dataset.r === "0") ?? paths[0];
      if (!at) return show(from);
      const [x, y] = middle(from);
      let best = null;
      for (const path of paths) {
        const [dx, dy] = [middle(path)[0] - x, middle(path)[1] - y];
        const ahead = dx * step[0] + dy * step[1];
        const aside = Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
        if (path === from || ahead <= 0 || aside > 2 * ahead) continue;
        const cost = ahead + 2 * aside;
        if (!best || cost < best.cost) best = { path, cost };
      }
      if (best) show(best.path);
    });

    const measures = section.querySelector(".measures");
    const legends = all(".legend", section);
    measures.hidden = false;
    measures.addEventListener("change", (event) => {
      const measure = Number(event.target.value);
      legends.forEach((legend, place) => (legend.hidden = place !== measure));
      for (const path of paths) {
        const hatched = path.classList.contains("h") ? " h" : "";
        path.setAttribute("class", `c${path.dataset.c[measure]}${hatched}${path === at ? " on" : ""}`);
      }
    });
  }

  // One summary at a time.
  const choice = document.getElementById("summary-choice");
  if (sections.length > 1) {
    const choose = (chosen) => sections.forEach((section, place) => (section.hidden = place !== chosen));
    const select = choice.querySelector("select");
    choice.hidden = false;
    select.addEventListener("change", () => choose(Number(select.value)));
    choose(0);
    select.value = "0";
  }
})();
