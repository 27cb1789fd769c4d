// The plot of a device's total over time. The same figures stand as a table beside it.
"use strict";

(() => {
  const element = document.getElementById("plot");
  if (!element || !window.uPlot) return;

  const HEIGHT = 264;
  // A change of less than this fills only a part of the height: a counter that hardly moves is a flat line, not a steep one.
  const LEAST_PART = 0.01;
  const LEAST_PAGES = 100;
  const LEAST_SECONDS = 600;
  const note = document.getElementById("plot-note");
  const readout = document.getElementById("plot-readout");
  const segments = [...document.querySelectorAll(".segment")];
  let days = 0;
  let chart = null;
  let points = [];

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
  const alone = (drawn, place) => {
    const y = drawn.data[place];
    return y.map((_, i) => i).filter((i) => !isBare(y, i) && isBare(y, i - 1) && isBare(y, i + 1));
  };

  // -- Axes ------------------------------------------------------------------------------------------------------

  const valueRange = (_, low, high) => {
    if (low === null || high === null) return [0, LEAST_PAGES];
    const least = Math.max(LEAST_PAGES, high * LEAST_PART);
    const margin = Math.max((high - low) * 0.06, (least - (high - low)) / 2);
    const bottom = Math.max(0, low - margin);
    return [bottom, Math.max(high + margin, bottom + least)];
  };
  const timeRange = (_, first, last) => {
    if (first === null || last === null) return [0, LEAST_SECONDS];
    const margin = Math.max(0, (LEAST_SECONDS - (last - first)) / 2);
    return [first - margin, last + margin];
  };
  // Whole pages, and whole minutes: finer marks would be worded alike.
  const steps = (most) => Array.from({ length: most }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
  const [minute, hour, oneDay] = [60, 3600, 86400];
  const moments = [
    ...[1, 2, 5, 10, 15, 30].map((n) => n * minute), ...[1, 2, 3, 4, 6, 8, 12].map((n) => n * hour),
    ...[1, 2, 3, 5, 7, 30, 60, 91, 182, 365, 730, 1826].map((n) => n * oneDay),
  ];

  const number = new Intl.NumberFormat("en");
  // Marks of the time axis, in UTC like every time of the console.
  const format = (parts) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...parts });
  const day = format({ day: "numeric", month: "short" });
  const dayOfYear = format({ day: "numeric", month: "short", year: "2-digit" });
  const month = format({ month: "short", year: "numeric" });
  const clock = format({ hour: "2-digit", minute: "2-digit" });
  const timeWords = (self, marks, _, __, step) => {
    const years = new Date(self.scales.x.min * 1000).getUTCFullYear() !== new Date(self.scales.x.max * 1000).getUTCFullYear();
    const words = marks.map((mark) => {
      const own = step >= 60 * oneDay ? month : step >= oneDay || mark % oneDay === 0 ? (years ? dayOfYear : day) : clock;
      return own.format(mark * 1000);
    });
    // Two marks in one month or day are worded once.
    return words.map((text, i) => (text === words[i - 1] ? "" : text));
  };

  // As wide as the longest label.
  const axisSize = (self, labels, index, cycle) => {
    const axis = self.axes[index];
    if (cycle > 1) return axis._size;
    self.ctx.save();
    self.ctx.font = axis.font[0];
    const widest = Math.max(0, ...(labels ?? []).map((label) => self.ctx.measureText(label).width));
    self.ctx.restore();
    return Math.ceil(axis.ticks.size + axis.gap + widest / devicePixelRatio) + 1;
  };

  // -- Drawing ---------------------------------------------------------------------------------------------------

  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const say = (text) => {
    if (note && note.textContent !== text) note.textContent = text;
  };

  // The reading under the pointer, or the newest.
  const tell = (drawn) => {
    if (!readout) return;
    const [x, y] = drawn.data;
    const under = drawn.cursor.idx;
    const isUnder = under !== null && under !== undefined && !isBare(y, under);
    const i = isUnder ? under : x.length - 1;
    const at = new Date(x[i] * 1000).toISOString().slice(0, 16).replace("T", " ");
    const unit = element.dataset.unit ? ` ${element.dataset.unit}` : "";
    readout.textContent = `${isUnder ? "" : "Latest: "}${number.format(y[i])}${unit}, read ${at} UTC`;
    readout.hidden = false;
  };

  const draw = () => {
    chart?.destroy();
    chart = null;
    element.replaceChildren();
    if (readout) readout.hidden = true;
    if (points.length === 0) {
      say("No reading in this span.");
      return;
    }
    say(points.length === 1 ? "One reading so far: a line needs two." : "");
    const data = withGaps(points.map((point) => Date.parse(point.at) / 1000), points.map((point) => point.value));
    const axis = { stroke: ink("--muted"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1, size: 8 }, font: "12px system-ui" };
    chart = new window.uPlot({
      width: element.clientWidth,
      height: HEIGHT,
      padding: [12, 24, 0, 0],
      cursor: { y: false, points: { size: 8 } },
      legend: { show: false },
      scales: { x: { range: timeRange }, y: { range: valueRange } },
      tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      axes: [
        { ...axis, values: timeWords, space: 68, incrs: moments },
        { ...axis, size: axisSize, incrs: steps(13), values: (_, marks) => marks.map((mark) => number.format(mark)) },
      ],
      series: [
        {},
        { stroke: ink("--accent"), width: 2, spanGaps: false, points: { show: points.length < 80, filter: (u, i) => (points.length < 80 ? null : alone(u, i)), size: 6, fill: ink("--surface") } },
      ],
      hooks: { ready: [tell], setCursor: [tell] },
    }, data, element);
  };

  // -- Reading ---------------------------------------------------------------------------------------------------

  // From a time on; what the page asks for by itself does not keep the session alive.
  const read = async (from) => {
    const found = [];
    let page = "";
    for (let i = 0; i < 40; i += 1) {
      const begin = from ? `&from=${encodeURIComponent(from)}` : "";
      const answer = await fetch(`${element.dataset.url}${begin}${page}`, { headers: { "platen-live": "refresh" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const { items, next } = await answer.json();
      found.push(...items);
      if (!next) break;
      page = `&page=${encodeURIComponent(next)}`;
    }
    return found;
  };

  const begin = async () => {
    const own = days;
    try {
      const found = await read(own > 0 ? new Date(Date.now() - own * 864e5).toISOString() : "");
      if (own !== days) return;
      points = found;
      draw();
    } catch {
      say("The counters can't be read now; trying again with the next change.");
    }
  };

  // The page's regions changed: perhaps there are new readings. Only those are asked for.
  const more = async () => {
    const last = points.at(-1);
    if (!last) return begin();
    try {
      const newer = (await read(last.at)).filter((point) => Date.parse(point.at) > Date.parse(last.at));
      if (newer.length === 0 || points.at(-1) !== last) return undefined;
      points.push(...newer);
      draw();
    } catch {
      say("Newer counters can't be read now; trying again with the next change.");
    }
    return undefined;
  };

  for (const segment of segments) {
    segment.addEventListener("click", () => {
      for (const other of segments) other.setAttribute("aria-pressed", String(other === segment));
      days = Number(segment.dataset.days);
      begin();
    });
  }
  let resizing = 0;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => chart?.setSize({ width: element.clientWidth, height: HEIGHT }), 100);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.addEventListener("platen:updated", more);
  begin();
})();
