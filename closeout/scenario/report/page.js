"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const sum = (differences) => {
    let last = 0;
    return differences.map((step) => (step === null ? null : (last += step)));
  };
  const times = sum(data.times);
  const HEALTH = 10000;
  const cards = [...document.querySelectorAll(".card")];
  const prices = data.prices.map((series) => {
    const values = sum(series.values).map((value) => value / 10 ** series.decimals);
    return { name: series.name, decimals: series.decimals, values };
  });
  const marks = data.marks.map((mark, number) => ({
    ...mark, number, before: mark.before / HEALTH, after: mark.after === null ? null : mark.after / HEALTH,
  }));
  const accounts = data.accounts.map((series, number) => {
    const values = sum(series.values).map((value) => (value === null ? null : value / HEALTH));
    const own = marks.filter((mark) => mark.account === number);
    return { name: series.name, values, marks: own, points: points(values, own), fate: cards[number].dataset.fate };
  });

  // A close-out happens within a row: the line goes down to the health factor before it and up to the one after.
  function points(values, own) {
    const result = [];
    let next = 0;
    values.forEach((value, row) => {
      for (; next < own.length && own[next].time <= times[row]; next += 1) {
        result.push([times[row], own[next].before]);
        if (own[next].after !== null) result.push([times[row], own[next].after]);
      }
      result.push(value === null ? [times[row], null] : [times[row], value]);
    });
    return result;
  }

  const whole = [times[0], Math.max(times[times.length - 1], times[0] + 1)];
  let range = whole;
  let chosen = null;
  const tip = document.getElementById("tip");
  const escape = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const fixed = (value, places) => value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  const healthText = (value) => fixed(Math.floor(value * HEALTH) / HEALTH, value >= 10 ? 2 : 4);

  // ------------------------------------------------------------------------------------------------------------ time

  const STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];
  const pad = (number) => String(number).padStart(2, "0");
  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  function timeText(time, step) {
    if (data.epoch === null) {
      const days = Math.floor(time / 86400);
      const clock = `${pad(Math.floor((time % 86400) / 3600))}:${pad(Math.floor((time % 3600) / 60))}` + (step < 60 ? `:${pad(time % 60)}` : "");
      return days ? `${days} d ${clock}` : clock;
    }
    const date = new Date((data.epoch + time) * 1000);
    const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
    const clock = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}` + (step < 60 ? `:${pad(date.getUTCSeconds())}` : "");
    if (step >= 86400) return day;
    return step && clock === "00:00" ? day : step ? clock : `${day} ${clock}`;
  }
  function timeTicks(width) {
    const [from, to] = range;
    const most = Math.max(2, Math.floor(width / 90));
    const step = STEPS.find((size) => (to - from) / size <= most) || Math.ceil((to - from) / most / 2592000) * 2592000;
    const size = (to - from) / step < 1 ? Math.max(1, Math.ceil((to - from) / most)) : step;
    const shift = data.epoch === null ? 0 : data.epoch;
    const ticks = [];
    for (let at = Math.ceil((from + shift) / size) * size - shift; at <= to; at += size) ticks.push([at, timeText(at, size)]);
    return ticks;
  }
  function valueTicks(low, high, most) {
    const raw = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(raw));
    const size = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw);
    const ticks = [];
    for (let at = Math.ceil(low / size) * size; at <= high + size * 1e-9; at += size) ticks.push(at);
    return [ticks, Math.max(0, -Math.floor(Math.log10(size) + 1e-9))];
  }

  // ----------------------------------------------------------------------------------------------------------- lines

  // First, lowest, highest and last of each pixel column: what is drawn loses no extreme, at any zoom.
  function path(list, x, y, [from, to]) {
    let text = "";
    let column = null;
    let pen = false;
    const put = ([time, value]) => { text += `${pen ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`; pen = true; };
    const flush = () => {
      if (!column) return;
      const seen = new Set();
      [column.first, ...(column.low[2] < column.high[2] ? [column.low, column.high] : [column.high, column.low]), column.last]
        .forEach((point) => { if (!seen.has(point[2])) { seen.add(point[2]); put(point); } });
      column = null;
    };
    let first = 0;
    while (first < list.length - 1 && list[first + 1][0] < from) first += 1;
    for (let index = first; index < list.length; index += 1) {
      const [time, value] = list[index];
      if (value === null) { flush(); pen = false; continue; }
      const point = [time, value, index];
      const at = Math.round(x(time));
      if (!column || column.at !== at) { flush(); column = { at, first: point, low: point, high: point, last: point }; }
      if (value < column.low[1]) column.low = point;
      if (value > column.high[1]) column.high = point;
      column.last = point;
      if (time > to) break;
    }
    flush();
    return text;
  }
  const SHAPES = {
    restorative: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
    capped: (r) => `M0 ${-1.25 * r}L${1.25 * r} 0L0 ${1.25 * r}L${-1.25 * r} 0Z`,
    terminal: (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  };
  function markSvg(mark, x, y, size, low) {
    const label = `${accounts[mark.account].name}, ${mark.regime}, ${mark.when}`;
    return `<g class="mark ${mark.regime}" data-mark="${mark.number}" data-account="${mark.account}" tabindex="0" role="img" aria-label="${escape(label)}"` +
      ` transform="translate(${x(mark.time).toFixed(1)} ${y(Math.max(mark.before, low)).toFixed(1)})"><path d="${SHAPES[mark.regime](size)}"/></g>`;
  }
  const inRange = (time) => time >= range[0] && time <= range[1];

  // ---------------------------------------------------------------------------------------------------------- prices

  const PLOT = { left: 46, right: 132, top: 10, bottom: 26 };
  const priceBox = document.getElementById("prices");
  const healthBox = document.getElementById("health");
  const scales = {};
  function frame(box, low, high, ticks, places, suffix) {
    const width = box.clientWidth;
    const height = box.clientHeight;
    const right = width > 640 ? PLOT.right : 14;
    const x = (time) => PLOT.left + ((time - range[0]) / (range[1] - range[0])) * (width - PLOT.left - right);
    const y = (value) => PLOT.top + (1 - (value - low) / (high - low)) * (height - PLOT.top - PLOT.bottom);
    let svg = "";
    ticks.forEach((value) => {
      svg += `<line class="grid" x1="${PLOT.left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}"/>` +
        `<text x="${PLOT.left - 8}" y="${y(value) + 4}" text-anchor="end">${fixed(value, places)}${suffix}</text>`;
    });
    timeTicks(width - PLOT.left - right).forEach(([time, label]) => {
      svg += `<line class="grid" x1="${x(time)}" x2="${x(time)}" y1="${PLOT.top}" y2="${height - PLOT.bottom}"/>` +
        `<text x="${x(time)}" y="${height - 8}" text-anchor="middle">${label}</text>`;
    });
    svg += `<line class="axis" x1="${PLOT.left}" x2="${width - right}" y1="${height - PLOT.bottom}" y2="${height - PLOT.bottom}"/>`;
    return { width, height, right, x, y, svg };
  }
  const clip = (id, area) => `<clipPath id="${id}"><rect x="${PLOT.left}" y="${PLOT.top - 4}" width="${Math.max(0, area.width - PLOT.left - area.right)}" height="${Math.max(0, area.height - PLOT.top - PLOT.bottom + 8)}"/></clipPath>`;

  // Names at the right end, pushed apart so that all can be read.
  function endLabels(labels, top, bottom, gap) {
    labels.sort((a, b) => a.y - b.y);
    labels.forEach((label, index) => { label.at = Math.max(label.y, index ? labels[index - 1].at + gap : top); });
    for (let index = labels.length - 1, floor = bottom; index >= 0; index -= 1, floor = labels[index + 1].at - gap) labels[index].at = Math.min(labels[index].at, floor);
    return labels;
  }

  function drawPrices() {
    const relative = prices.map((series) => times.map((time, row) => [time, (100 * series.values[row]) / series.values[0]]));
    const seen = relative.flatMap((list) => list.filter(([time]) => inRange(time)).map(([, value]) => value));
    const [least, most] = seen.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [100, 100]);
    const room = Math.max(1, (most - least) * 0.06);
    const [ticks, places] = valueTicks(least - room, most + room, 5);
    const area = frame(priceBox, least - room, most + room, ticks, places, " %");
    let svg = clip("clip-prices", area) + area.svg + `<g clip-path="url(#clip-prices)">`;
    relative.forEach((list, number) => { svg += `<path class="series" style="stroke:var(--s${number % 6})" d="${path(list, area.x, area.y, range)}"/>`; });
    marks.filter((mark) => inRange(mark.time)).forEach((mark) => {
      const at = area.x(mark.time).toFixed(1);
      svg += `<line class="rug ${mark.regime}" x1="${at}" x2="${at}" y1="${area.height - PLOT.bottom - 9}" y2="${area.height - PLOT.bottom}"/>`;
    });
    svg += `</g><g id="cross-prices"></g>`;
    if (area.right > 20) {
      const labels = relative.map((list, number) => ({ number, y: area.y(lastBefore(list, range[1])) + 4 }));
      endLabels(labels, PLOT.top + 8, area.height - PLOT.bottom, 14).forEach((label) => {
        svg += `<text x="${area.width - area.right + 10}" y="${label.at.toFixed(1)}" style="fill:var(--s${label.number % 6});font-weight:600">${escape(prices[label.number].name)}</text>`;
      });
    }
    priceBox.innerHTML = `<svg>${svg}</svg>`;
    scales.prices = area;
  }
  function lastBefore(list, time) {
    let value = null;
    for (const point of list) { if (point[0] > time) break; if (point[1] !== null) value = point[1]; }
    return value === null ? list.find((point) => point[1] !== null)[1] : value;
  }
  function rowAt(time) {
    let low = 0;
    let high = times.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (times[middle] <= time) low = middle; else high = middle - 1; }
    return low;
  }

  // ---------------------------------------------------------------------------------------------------------- health

  // Beyond these a health factor says nothing about close-outs, and would flatten the part that does.
  const HIGHEST_OF_ALL = 2;
  const HIGHEST_OF_ONE = 4;
  function healthRange(list) {
    let least = 1;
    let most = data.target;
    list.forEach((account) => account.points.forEach(([time, value]) => {
      if (value !== null && inRange(time)) { least = Math.min(least, value); most = Math.max(most, value); }
    }));
    most = Math.min(most, list.length > 1 ? Math.max(HIGHEST_OF_ALL, data.target * 1.1) : HIGHEST_OF_ONE);
    const room = (most - least) * 0.05 + 0.005;
    return [Math.max(0, least - room), most + room];
  }
  function drawHealth() {
    const [low, high] = healthRange(chosen === null ? accounts : [accounts[chosen]]);
    const [ticks, places] = valueTicks(low, high, 7);
    const area = frame(healthBox, low, high, ticks, Math.max(1, places), "");
    const { x, y } = area;
    const end = area.width - area.right;
    let svg = clip("clip-health", area) + area.svg;
    svg += `<rect class="danger" x="${PLOT.left}" width="${end - PLOT.left}" y="${y(1)}" height="${Math.max(0, area.height - PLOT.bottom - y(1))}"/>`;
    svg += `<g clip-path="url(#clip-health)">`;
    accounts.forEach((account, number) => { svg += `<path class="series account fate-${account.fate}" data-account="${number}" d="${path(account.points, x, y, range)}"/>`; });
    svg += `</g><line class="one" x1="${PLOT.left}" x2="${end}" y1="${y(1)}" y2="${y(1)}"/>` +
      `<line class="target" x1="${PLOT.left}" x2="${end}" y1="${y(data.target)}" y2="${y(data.target)}"/>` +
      `<text class="one-label" x="${PLOT.left + 6}" y="${y(1) + 13}">1: liquidatable below</text>` +
      `<text class="target-label" x="${PLOT.left + 6}" y="${y(data.target) - 5}">target ${healthText(data.target)}</text>`;
    svg += `<g id="cross-health"></g>`;
    marks.filter((mark) => inRange(mark.time)).forEach((mark) => { svg += markSvg(mark, x, y, 4.2, low); });
    if (area.right > 20 && accounts.length <= 28) svg += names(area, low, high);
    healthBox.innerHTML = `<svg>${svg}</svg>`;
    scales.health = area;
    focus(chosen);
  }
  function names(area, low, high) {
    const labels = accounts.map((account, number) => {
      const row = rowAt(range[1]);
      const value = account.values[row];
      const place = value === null ? area.height - PLOT.bottom : area.y(Math.min(high, Math.max(low, value)));
      return { number, account, y: place + 4, from: place, isOpen: value !== null };
    });
    const gap = Math.min(15, (area.height - PLOT.top - PLOT.bottom) / labels.length);
    return endLabels(labels, PLOT.top + 8, area.height - PLOT.bottom + 4, gap).map((label) => {
      const left = area.width - area.right;
      const leader = label.isOpen ? `<path class="leader" fill="none" d="M${left + 1} ${label.from.toFixed(1)}L${left + 9} ${(label.at - 4).toFixed(1)}"/>` : "";
      const name = label.account.name.length > 16 ? `${label.account.name.slice(0, 15)}…` : label.account.name;
      return `${leader}<text class="name fate-${label.account.fate}" data-account="${label.number}" x="${left + 12}" y="${label.at.toFixed(1)}">${escape(name)}${label.isOpen ? "" : " ∅"}</text>`;
    }).join("");
  }

  function drawCards() {
    document.querySelectorAll("[data-mini]").forEach((box) => {
      const account = accounts[Number(box.dataset.mini)];
      const saved = range;
      range = whole;
      const [low, high] = healthRange([account]);
      range = saved;
      const [width, height] = [box.clientWidth, box.clientHeight];
      const x = (time) => 2 + ((time - whole[0]) / (whole[1] - whole[0])) * (width - 4);
      const y = (value) => 4 + (1 - (value - low) / (high - low)) * (height - 8);
      const id = `clip-mini-${box.dataset.mini}`;
      box.innerHTML = `<svg><clipPath id="${id}"><rect x="0" y="0" width="${width}" height="${height}"/></clipPath>` +
        `<rect class="danger" x="0" width="${width}" y="${y(1)}" height="${Math.max(0, height - y(1))}"/>` +
        `<line class="one" x1="0" x2="${width}" y1="${y(1)}" y2="${y(1)}"/><line class="target" x1="0" x2="${width}" y1="${y(data.target)}" y2="${y(data.target)}"/>` +
        `<g clip-path="url(#${id})"><path class="series fate-${account.fate}" d="${path(account.points, x, y, whole)}"/></g>` +
        account.marks.map((mark) => markSvg(mark, x, y, 3.2, low)).join("") + "</svg>";
    });
  }

  // ----------------------------------------------------------------------------------------------------- interaction

  function showTip(html, event) {
    tip.innerHTML = html;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = event.clientX + 16 + box.width > innerWidth ? event.clientX - box.width - 14 : event.clientX + 16;
    const top = Math.min(Math.max(8, event.clientY - box.height / 2), innerHeight - box.height - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${top}px`;
  }
  const hideTip = () => { tip.hidden = true; ["cross-prices", "cross-health"].forEach((id) => { const node = document.getElementById(id); if (node) node.innerHTML = ""; }); };
  const rowsHtml = (rows) => `<table>${rows.map(([name, value]) => `<tr><td>${escape(name)}</td><td>${escape(value)}</td></tr>`).join("")}</table>`;
  const markHtml = (mark) => `<b>${escape(accounts[mark.account].name)} · ${mark.regime}</b>${escape(mark.when)}${rowsHtml(mark.lines)}`;
  function cross(time) {
    Object.entries(scales).forEach(([name, area]) => {
      const at = area.x(time).toFixed(1);
      document.getElementById(`cross-${name}`).innerHTML = `<line class="cross" x1="${at}" x2="${at}" y1="${PLOT.top}" y2="${area.height - PLOT.bottom}"/>`;
    });
  }
  function focus(number) {
    const svg = healthBox.querySelector("svg");
    svg.classList.toggle("focused", number !== null);
    svg.querySelectorAll("[data-account]").forEach((node) => node.classList.toggle("on", Number(node.dataset.account) === number));
  }
  function choose(number) {
    chosen = chosen === number ? null : number;
    cards.forEach((card, index) => card.classList.toggle("on", index === chosen));
    document.querySelectorAll("#close-outs tr[data-account]").forEach((row) => { row.hidden = chosen !== null && Number(row.dataset.account) !== chosen; });
    const filter = document.getElementById("filter");
    filter.hidden = chosen === null;
    filter.innerHTML = chosen === null ? "" : `only ${escape(accounts[chosen].name)}<button type="button">show all</button>`;
    drawHealth();
  }
  function zoom(next) {
    range = next;
    document.getElementById("reset").hidden = range === whole;
    drawPrices();
    drawHealth();
  }
  function nearestAccount(area, event, box) {
    const top = box.getBoundingClientRect().top;
    const row = rowAt(timeAt(area, event, box));
    let best = null;
    accounts.forEach((account, number) => {
      const value = account.values[row];
      if (value === null || (chosen !== null && number !== chosen)) return;
      const distance = Math.abs(area.y(value) - (event.clientY - top));
      if (!best || distance < best.distance) best = { number, value, distance, row };
    });
    return best && best.distance < 40 ? best : null;
  }
  const timeAt = (area, event, box) => {
    const share = (event.clientX - box.getBoundingClientRect().left - PLOT.left) / (area.width - PLOT.left - area.right);
    return range[0] + Math.min(1, Math.max(0, share)) * (range[1] - range[0]);
  };

  function listen(box, name, describe) {
    let start = null;
    box.addEventListener("pointerdown", (event) => { if (event.button === 0 && !event.target.closest("[data-mark], text.name")) { start = event; } });
    box.addEventListener("pointermove", (event) => {
      const area = scales[name];
      if (start && Math.abs(event.clientX - start.clientX) > 4) {
        const [a, b] = [timeAt(area, start, box), timeAt(area, event, box)].sort((one, two) => one - two);
        document.getElementById(`cross-${name}`).innerHTML = `<rect class="drag" x="${area.x(a)}" width="${area.x(b) - area.x(a)}" y="${PLOT.top}" height="${area.height - PLOT.top - PLOT.bottom}"/>`;
        tip.hidden = true;
        return;
      }
      if (event.target.closest("[data-mark]")) return;
      cross(times[rowAt(timeAt(area, event, box))]);
      describe(area, event);
    });
    box.addEventListener("pointerleave", () => { hideTip(); if (chosen === null) focus(null); });
    window.addEventListener("pointerup", (event) => {
      if (!start) return;
      const [a, b] = [timeAt(scales[name], start, box), timeAt(scales[name], event, box)].sort((one, two) => one - two);
      const isDrag = Math.abs(event.clientX - start.clientX) > 6;
      start = null;
      hideTip();
      if (isDrag && b - a >= 2) zoom([a, b]);
    });
    box.addEventListener("dblclick", () => zoom(whole));
  }

  function describePrices(area, event) {
    const row = rowAt(timeAt(area, event, priceBox));
    const rows = prices.map((series) => {
      const value = series.values[row];
      return [series.name, `$${fixed(value, Math.min(series.decimals, value >= 1000 ? 0 : value >= 1 ? 2 : 6))} · ${fixed((100 * value) / series.values[0], 1)} %`];
    });
    showTip(`<b>${timeText(times[row], 0)}</b>${rowsHtml(rows)}`, event);
  }
  function describeHealth(area, event) {
    const nearest = nearestAccount(area, event, healthBox);
    if (chosen === null) focus(nearest ? nearest.number : null);
    if (!nearest) { tip.hidden = true; return; }
    showTip(`<b>${escape(accounts[nearest.number].name)}</b>${timeText(times[nearest.row], 0)} · health ${healthText(nearest.value)}`, event);
  }
  listen(priceBox, "prices", describePrices);
  listen(healthBox, "health", describeHealth);

  document.addEventListener("pointerover", (event) => {
    const node = event.target.closest && event.target.closest("[data-mark]");
    if (!node) return;
    const mark = marks[Number(node.dataset.mark)];
    if (healthBox.contains(node)) { cross(mark.time); if (chosen === null) focus(mark.account); }
    showTip(markHtml(mark), event);
  });
  document.addEventListener("pointerout", (event) => { if (event.target.closest && event.target.closest("[data-mark]")) hideTip(); });
  document.addEventListener("focusin", (event) => {
    const node = event.target.closest && event.target.closest("[data-mark]");
    if (!node || !node.matches(":focus-visible")) return;
    const box = node.getBoundingClientRect();
    showTip(markHtml(marks[Number(node.dataset.mark)]), { clientX: box.right, clientY: box.top });
  });
  document.addEventListener("focusout", hideTip);
  document.addEventListener("click", (event) => {
    const node = event.target.closest(".card, text.name");
    if (node && !event.target.closest("[data-mark]")) choose(Number(node.dataset.account));
    if (event.target.closest("#filter button")) choose(chosen);
  });
  document.getElementById("reset").addEventListener("click", () => zoom(whole));
  document.getElementById("theme").addEventListener("click", () => {
    const isDark = getComputedStyle(document.documentElement).colorScheme === "dark";
    document.documentElement.dataset.theme = isDark ? "light" : "dark";
  });

  const last = times.length - 1;
  const change = (percent) => `${percent < 0 ? "−" : "+"}${fixed(Math.abs(percent), 1)} %`;
  document.getElementById("price-legend").innerHTML = prices.map((series, number) =>
    `<span><i class="swatch" style="background:var(--s${number % 6})"></i>${escape(series.name)} <b>${change((100 * series.values[last]) / series.values[0] - 100)}</b></span>`).join("");
  const FATES = { none: "never closed out", restorative: "closed out to the target", capped: "capped", terminal: "under water" };
  document.getElementById("health-legend").innerHTML = Object.entries(FATES).filter(([fate]) => accounts.some((account) => account.fate === fate))
    .map(([fate, text]) => `<span><i class="swatch" style="background:var(--${fate})"></i>${text}</span>`).join("");

  const draw = () => { drawPrices(); drawHealth(); drawCards(); };
  let pending = null;
  window.addEventListener("resize", () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(draw); });
  draw();
})();
