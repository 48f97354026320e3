// Draws the charts of a page from its data, and sorts its table. What is drawn in the end depends on the width, the colours of the
// system, and which trials or runs are picked; so each change draws anew.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const picked = new Set(data.picked);
const FEW = 8; // lines that have a colour each; more are coloured by their value
const PALETTE = ["#3b82c4", "#d9722e", "#2a9d74", "#b3589a", "#8a6fd1", "#a98600", "#3ea3b8", "#8a8f98"];
const NARROW = 560, BETWEEN = 88; // pixels, and between the axes of parallel coordinates at least

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clamp = (value, [low, high]) => Math.min(high, Math.max(low, value));
const isFew = () => !data.axes && data.items.length <= FEW;

function numberWords(value, percent) {
  if (percent) return `${+(100 * value).toPrecision(4)}%`;
  const size = Math.abs(value);
  return size && (size < 1e-3 || size >= 1e6) ? value.toExponential().replace("+", "") : `${+value.toPrecision(4)}`;
}

function colourOf(item, index) {
  if (isFew()) return PALETTE[index % PALETTE.length];
  if (picked.has(index)) return css("--picked");
  const range = item.range ?? data.range; // of runs that compare with it
  if (item.value === null || !range) return css("--faint");
  const [low, high] = range;
  const share = (clamp(item.value, range) - low) / (high - low);
  const place = 2 * (data.sign < 0 ? 1 - share : share);
  const [from, to] = [css(["--low", "--middle"][+(place > 1)]), css(["--middle", "--high"][+(place > 1)])];
  return `rgb(${from.split(" ").map((v, i) => Math.round(+v + (place % 1 || +(place === 2)) * (to.split(" ")[i] - v)))})`;
}

const widthOf = index => (picked.has(index) ? 3.5 : data.items.length > 40 ? 1.2 : 1.8);
const dashOf = item => (item.whole ? "solid" : [5, 3]);
// Those picked are drawn last, over the others.
const order = () => data.items.map((_, i) => i).sort((a, b) => picked.has(a) - picked.has(b));

function axis(label, more) {
  const ink = { color: css("--faint"), fontFamily: "system-ui, sans-serif", textBorderColor: css("--card"), textBorderWidth: 3 };
  const line = { lineStyle: { color: css("--line") } };
  return { name: label, nameTextStyle: ink, axisLabel: { ...ink, hideOverlap: true, ...more?.axisLabel },
    axisLine: { show: true, ...line }, axisTick: line, splitLine: line, ...Object.fromEntries(Object.entries(more ?? {}).filter(([k]) => k !== "axisLabel")) };
}

function metricAxis(percent, range) {
  const [min, max] = range ?? [];
  return axis("", { type: "value", scale: true, min, max, axisLabel: { formatter: v => numberWords(v, percent), showMinLabel: false, showMaxLabel: false } });
}

function settingAxis(setting, more) {
  if (setting.choices) return axis(more?.name ?? "", { type: "category", data: setting.choices, ...more });
  const format = { axisLabel: { formatter: v => numberWords(v), ...more?.axisLabel } };
  return axis(more?.name ?? "", { type: setting.log ? "log" : "value", min: setting.low, max: setting.high, ...more, ...format });
}

const GRID = { left: 8, right: 16, top: 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" };

function curves(figure) {
  const { lines, ticks, percent, range } = data.curves[figure.dataset.curves];
  const series = order().filter(i => lines[i].length).map(i => ({
    type: "line", name: `${i}`, data: lines[i], showSymbol: lines[i].length === 1, symbolSize: 6, triggerEvent: "line",
    itemStyle: { color: colourOf(data.items[i], i) },
    lineStyle: { color: colourOf(data.items[i], i), width: widthOf(i), type: dashOf(data.items[i]), opacity: data.items[i].whole || picked.has(i) ? 1 : 0.7 },
  }));
  return { grid: GRID, xAxis: axis("", { type: "value", min: "dataMin", max: "dataMax", splitLine: { show: false }, axisTick: { lineStyle: { color: css("--line") }, customValues: ticks }, axisLabel: { customValues: ticks } }), yAxis: metricAxis(percent, range), series };
}

function slice(figure) {
  const k = +figure.dataset.slice, setting = data.axes[k];
  const isTight = (setting.choices ?? []).reduce((sum, choice) => sum + 7 * choice.length + 10, 0) > figure.clientWidth - 90;
  const points = order().filter(i => data.items[i].value !== null && data.items[i].settings[k] !== null).map(i => {
    const item = data.items[i], y = clamp(item.value, data.range);
    const symbol = y !== item.value ? "triangle" : item.plain ? "diamond" : "circle";
    const colour = picked.has(i) ? css("--picked") : css("--blue");
    return { name: `${i}`, value: [item.settings[k], y], symbol, symbolRotate: y > item.value ? 180 : 0, symbolSize: item.plain ? 13 : 9,
      itemStyle: { color: item.whole ? colour : "transparent", borderColor: colour, borderWidth: 1.5, opacity: picked.has(i) ? 1 : 0.75 } };
  });
  return { grid: GRID, xAxis: settingAxis(setting, { splitLine: { show: false }, axisLabel: setting.choices && { hideOverlap: false, interval: 0, rotate: isTight ? 30 : 0, width: 90, overflow: "truncate" } }), yAxis: metricAxis(data.percent, data.range), series: [{ type: "scatter", data: points }] };
}

// Long names are broken where words end.
const broken = (name, most) => name.split(/(?<=[_ .])/).reduce((lines, word) => {
  if (lines.length && (lines.at(-1) + word).length <= most) lines[lines.length - 1] += word;
  else lines.push(word);
  return lines;
}, []).join("\n");

// The ends of the axis of the metric are values of trials. A sign says where others lie beyond.
function metricEnds() {
  const values = data.items.map(item => item.value).filter(value => value !== null);
  const least = Math.min(...values), most = Math.max(...values);
  const [low, high] = least < most ? [clamp(least, data.range), clamp(most, data.range)] : data.range;
  return { low, high, words: value => (value === low && least < low ? "≤ " : value === high && most > high ? "≥ " : "") + numberWords(value, data.percent) };
}

function parallel(figure) {
  const metric = metricEnds(), axes = [...data.axes, { name: data.metric, ...metric }];
  const isNarrow = figure.clientWidth < Math.max(NARROW, BETWEEN * axes.length);
  figure.style.height = isNarrow ? `${BETWEEN * axes.length}px` : "";
  const value = i => [...data.items[i].settings, data.items[i].value === null ? null : clamp(data.items[i].value, [metric.low, metric.high])];
  const rows = order().map(i => ({ name: `${i}`, value: value(i).map(v => v ?? "-"),
    lineStyle: { color: colourOf(data.items[i], i), width: widthOf(i), type: dashOf(data.items[i]), opacity: picked.has(i) ? 1 : 0.8 } }));
  const behind = { backgroundColor: css("--card"), padding: isNarrow ? [1, 4] : 1 }; // lines cross the words
  const ink = { color: css("--ink"), fontFamily: "system-ui, sans-serif", lineHeight: 15, ...(isNarrow && behind) };
  const tight = n => isNarrow && n && { interval: 0, hideOverlap: false, fontSize: 11, lineHeight: 12, formatter: v => v.replaceAll(", ", "\n"), width: (figure.clientWidth - 72) / n - 8, overflow: "truncate" };
  return {
    parallel: { left: isNarrow ? 36 : 60, right: isNarrow ? 36 : 76, top: isNarrow ? 40 : 48, bottom: isNarrow ? 24 : 28, layout: isNarrow ? "vertical" : "horizontal" },
    parallelAxis: axes.map((setting, dim) => ({
      ...settingAxis(setting, { name: isNarrow ? setting.name : broken(setting.name, 14), splitLine: { show: false },
        axisLabel: { formatter: v => typeof v === "string" ? v : (setting.words ?? numberWords)(v), ...(setting.words && { showMinLabel: true, showMaxLabel: true }), ...behind, ...tight(setting.choices?.length) } }),
      dim, nameTextStyle: ink, ...(isNarrow ? { nameLocation: "middle", nameGap: -22 } : { nameLocation: "end", nameGap: 12 }),
      areaSelectStyle: { color: css("--picked"), borderColor: css("--picked"), opacity: 0.25 },
    })),
    series: [{ type: "parallel", data: rows, inactiveOpacity: 0.04, smooth: false }],
  };
}

const pickedWords = () => (picked.size === 1 ? data.items[[...picked][0]].says : "");

const KINDS = { parallel, slice, curves };
const charts = [...document.querySelectorAll("[data-chart]")].map(figure => {
  const chart = echarts.init(figure, null, { renderer: "svg" });
  const draw = () => {
    const option = KINDS[figure.dataset.chart](figure);
    if (chart.getHeight() !== figure.clientHeight) chart.resize();
    chart.setOption({ animation: false, ...option }, true);
  };
  const says = figure.closest("section").querySelector(".says");
  const indexOf = event => +(event.seriesType === "line" ? event.seriesName : event.name);
  chart.on("mouseover", event => { says.textContent = data.items[indexOf(event)].says; });
  chart.on("mouseout", () => { says.textContent = pickedWords(); });
  chart.on("click", event => pick(indexOf(event)));
  let width = figure.clientWidth;
  new ResizeObserver(() => {
    if (figure.clientWidth === width) return;
    width = figure.clientWidth;
    chart.resize();
    draw();
  }).observe(figure);
  return draw;
});

function show() {
  charts.forEach(draw => draw());
  for (const says of document.querySelectorAll(".says")) says.textContent = pickedWords();
  for (const button of document.querySelectorAll("[data-item]")) {
    const index = +button.dataset.item, isPicked = picked.has(index);
    button.setAttribute("aria-pressed", isPicked);
    button.closest("tr").classList.toggle("picked", isPicked);
    button.style.setProperty("--own", colourOf(data.items[index], index));
  }
}

function pick(index) {
  if (!picked.delete(index)) picked.add(index);
  show();
}

for (const button of document.querySelectorAll("[data-item]")) button.addEventListener("click", () => pick(+button.dataset.item));

// Numbers by their value, all else by its text; cells without either come last, whichever way.
function sortBy(heading) {
  const isUp = heading.getAttribute("aria-sort") !== "ascending", body = heading.closest("table").tBodies[0];
  const key = row => row.cells[heading.cellIndex].dataset.value ?? row.cells[heading.cellIndex].textContent.trim();
  const compare = (a, b) => (a === "") - (b === "") || (isUp ? 1 : -1) * (isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  body.append(...[...body.rows].map(row => [key(row), row]).sort(([a], [b]) => compare(a, b)).map(([, row]) => row));
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", isUp ? "ascending" : "descending");
}

for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => sortBy(button.closest("th")));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
show();
