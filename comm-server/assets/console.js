// The console's own script: the menu on small screens, what to say when the server is away, and the plot.
// Everything else works without it.
"use strict";

(() => {
  const menuButton = document.querySelector(".menu-button");
  const menu = document.getElementById("navigation");
  if (menuButton && menu) {
    const open = (shown) => {
      menuButton.setAttribute("aria-expanded", String(shown));
      menu.classList.toggle("open", shown);
    };
    menuButton.addEventListener("click", () => open(menuButton.getAttribute("aria-expanded") !== "true"));
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        open(false);
        menuButton.focus();
      }
    });
  }

  const connection = document.getElementById("connection");
  const away = (isAway) => {
    if (connection && connection.hidden === isAway) connection.hidden = !isAway;
  };
  document.addEventListener("htmx:sendError", () => away(true));
  document.addEventListener("htmx:timeout", () => away(true));
  document.addEventListener("htmx:responseError", () => away(true));
  document.addEventListener("htmx:afterOnLoad", () => away(false));

  // A hidden page does not refresh itself.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.detail.requestConfig.triggeringEvent === undefined) event.preventDefault();
  });

  const plot = document.getElementById("plot");
  if (plot && window.uPlot) drawPlot(plot);

  function drawPlot(element) {
    const note = document.getElementById("plot-note");
    const segments = [...document.querySelectorAll(".segment")];
    let days = 0;
    let chart = null;
    let shown = "";

    // Where readings fail to come, the line is cut: a gap is not a straight line. What comes usually is told by the
    // readings around: old ones are kept by day, then by month, and a month between two of those is no gap.
    const isGap = (steps, i) => {
      const around = [...steps.slice(Math.max(0, i - 3), i), ...steps.slice(i + 1, i + 4)].sort((a, b) => a - b);
      return around.length > 2 && steps[i] > around[Math.floor(around.length / 2)] * 4;
    };
    const withGaps = (times, values) => {
      const steps = times.slice(1).map((time, i) => time - times[i]);
      const x = [];
      const y = [];
      times.forEach((time, i) => {
        if (i > 0 && isGap(steps, i - 1)) {
          x.push((time + times[i - 1]) / 2);
          y.push(null);
        }
        x.push(time);
        y.push(values[i]);
      });
      return [x, y];
    };
    // A reading between two gaps has no line, and is drawn as a point.
    const isBare = (y, i) => y[i] === null || y[i] === undefined;
    const alone = (chart, place) => {
      const y = chart.data[place];
      return y.map((_, i) => i).filter((i) => !isBare(y, i) && isBare(y, i - 1) && isBare(y, i + 1));
    };

    const read = async () => {
      const points = [];
      const from = days > 0 ? `&from=${encodeURIComponent(new Date(Date.now() - days * 864e5).toISOString())}` : "";
      let page = "";
      for (let i = 0; i < 40; i += 1) {
        const answer = await fetch(`${element.dataset.url}${from}${page}`, { headers: { "hx-request": "true" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const { items, next } = await answer.json();
        points.push(...items);
        if (!next) break;
        page = `&page=${encodeURIComponent(next)}`;
      }
      return points;
    };

    const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const number = new Intl.NumberFormat("en");

    // Marks of the time axis, in UTC like every time of the console.
    const day = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" });
    const month = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", month: "short", year: "numeric" });
    const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hour: "2-digit", minute: "2-digit" });
    const moments = (_, marks, __, ___, step) => marks.map((mark) => {
      const format = step >= 28 * 86400 ? month : step >= 86400 ? day : mark % 86400 === 0 ? day : clock;
      return format.format(mark * 1000);
    });

    const draw = (points) => {
      if (chart) chart.destroy();
      chart = null;
      element.replaceChildren();
      if (points.length === 0) {
        if (note) note.textContent = "No reading in this span.";
        return;
      }
      if (note) note.textContent = points.length === 1 ? "One reading so far: a line needs two." : "";
      const times = points.map((point) => Date.parse(point.at) / 1000);
      const values = points.map((point) => point.value);
      const axis = { stroke: ink("--muted"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1 }, font: "12px system-ui" };
      chart = new window.uPlot({
        width: element.clientWidth,
        height: 264,
        cursor: { y: false, points: { size: 8 } },
        legend: { live: true },
        scales: { y: { range: (_, low, high) => (low === high ? [Math.max(0, low - 10), high + 10] : [low - (high - low) * 0.06, high + (high - low) * 0.06]) } },
        tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        axes: [{ ...axis, values: moments, space: 72 }, { ...axis, size: 72, values: (_, marks) => marks.map((mark) => number.format(mark)) }],
        series: [
          { label: "Read", value: (_, mark) => (mark === null ? "–" : `${new Date(mark * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`) },
          { label: "Total", stroke: ink("--accent"), width: 2, spanGaps: false, points: { show: points.length < 80, filter: (u, i) => (points.length < 80 ? null : alone(u, i)), size: 6, fill: ink("--surface") }, value: (_, v) => (v === null ? "–" : number.format(v)) },
        ],
      }, withGaps(times, values), element);
    };

    const refresh = async (force) => {
      if (document.hidden && !force) return;
      try {
        const points = await read();
        const key = `${days} ${points.length} ${points.at(-1)?.at}`;
        if (key !== shown || force) draw(points);
        shown = key;
      } catch {
        if (note) note.textContent = "The counters can't be read now; trying again.";
      }
    };

    for (const segment of segments) {
      segment.addEventListener("click", () => {
        for (const other of segments) other.setAttribute("aria-pressed", String(other === segment));
        days = Number(segment.dataset.days);
        refresh(true);
      });
    }
    let resizing = 0;
    addEventListener("resize", () => {
      clearTimeout(resizing);
      resizing = setTimeout(() => chart?.setSize({ width: element.clientWidth, height: 264 }), 100);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh(true));
    refresh(true);
    setInterval(() => refresh(false), 10000);
  }
})();
