// The live map: asks for the world a few times a second, and draws what it is told.
'use strict';

const ASK_EVERY_MS = 250;
const ASK_AGAIN_MS = 1000;
const ANSWER_MAX_MS = 3000;
// A zone whose tick has not moved for so long stands still.
const STILL_AFTER_MS = 2000;

const TOTALS = [
  ['players', (now) => sum(now.zones, 'players')],
  ['bytes in /s', (now) => bytes(sum([...now.rates.values()], 'in'))],
  ['bytes out /s', (now) => bytes(sum([...now.rates.values()], 'out'))],
  ['handoffs', (now) => now.totals.handoffs_committed],
  ['handoffs aborted', (now) => now.totals.handoffs_aborted],
  ['tickets', (now) => now.totals.tickets],
  ['matches', (now) => now.totals.matches],
  ['logins', (now) => now.totals.logins],
  ['trades', (now) => now.totals.trades],
  ['chats', (now) => now.totals.chats],
  ['events', (now) => now.totals.events],
  ['errors', (now) => now.totals.errors],
];

const canvas = document.getElementById('map');
const pen = canvas.getContext('2d');
// What was told last, and for each zone when its tick last moved.
let shown = null;
let moved = new Map();
let history = [];

function sum(list, key) {
  return list.reduce((total, entry) => total + entry[key], 0);
}

function bytes(count) {
  if (count < 1000) return `${Math.round(count)} B`;
  if (count < 1e6) return `${(count / 1000).toFixed(1)} kB`;
  return `${(count / 1e6).toFixed(2)} MB`;
}

function millis(micros) {
  return `${(micros / 1000).toFixed(2)} ms`;
}

// Rates over the last two seconds, so that they do not jump with each answer.
function addRates(now) {
  // A server that started anew has a younger clock: forget the old one.
  if (history.length > 0 && now.uptime_ms < history.at(-1).uptime_ms) {
    history = [];
    moved = new Map();
  }
  history.push(now);
  while (history.length > 2 && now.uptime_ms - history[0].uptime_ms > 2000) history.shift();
  const past = new Map(history[0].zones.map((zone) => [zone.zone, zone]));
  const seconds = (now.uptime_ms - history[0].uptime_ms) / 1000;
  const rate = (after, before) => (seconds > 0 ? Math.max(0, after - before) / seconds : 0);
  now.rates = new Map(now.zones.map((zone) => {
    const before = past.get(zone.zone) ?? zone;
    return [zone.zone, {
      in: rate(zone.bytes_in, before.bytes_in),
      out: rate(zone.bytes_out, before.bytes_out),
    }];
  }));
  for (const zone of now.zones) {
    const last = moved.get(zone.zone);
    if (!last || last.tick !== zone.tick) {
      moved.set(zone.zone, { tick: zone.tick, at: now.uptime_ms });
    }
  }
}

function isStill(now, zone) {
  return now.uptime_ms - moved.get(zone.zone).at > STILL_AFTER_MS;
}

function cell(row, text, className) {
  const td = row.insertCell();
  td.textContent = text;
  if (className) td.className = className;
}

function showFigures(now) {
  const totals = document.getElementById('totals');
  totals.replaceChildren(...TOTALS.map(([name, value]) => {
    const box = document.createElement('div');
    const term = document.createElement('dt');
    const figure = document.createElement('dd');
    term.textContent = name;
    figure.textContent = value(now);
    box.append(term, figure);
    return box;
  }));
  const body = document.createElement('tbody');
  body.id = 'zones';
  for (const zone of now.zones) {
    const row = body.insertRow();
    row.dataset.zone = zone.zone;
    const still = isStill(now, zone);
    cell(row, still ? `${zone.zone} (still)` : zone.zone, still ? 'stale' : '');
    cell(row, zone.players);
    cell(row, zone.ghosts);
    cell(row, zone.items);
    cell(row, millis(zone.tick_us.p50));
    cell(row, millis(zone.tick_us.p99), zone.tick_us.p99 > zone.tick_period_us ? 'stale' : '');
    cell(row, zone.overruns);
    cell(row, `${bytes(now.rates.get(zone.zone).in)}/s`);
    cell(row, `${bytes(now.rates.get(zone.zone).out)}/s`);
  }
  document.getElementById('zones').replaceWith(body);
}

// From calm blue to red at the limit of the tick; brighter with more players.
function zoneColour(zone, crowd) {
  const load = Math.min(1, zone.tick_us.p99 / Math.max(1, zone.tick_period_us));
  const light = 12 + 14 * (crowd > 0 ? zone.players / crowd : 0);
  return `hsl(${205 - 205 * load}, 45%, ${light}%)`;
}

function drawMap(now) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const scale = Math.min(width / (now.cols * now.edge), height / (now.rows * now.edge));
  const side = now.edge * scale;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);

  const known = new Map(now.zones.map((zone) => [zone.zone, zone]));
  const crowd = Math.max(0, ...now.zones.map((zone) => zone.players));
  for (let id = 0; id < now.rows * now.cols; id += 1) {
    const zone = known.get(id);
    const x = (id % now.cols) * side;
    const y = Math.floor(id / now.cols) * side;
    pen.fillStyle = zone ? zoneColour(zone, crowd) : '#161b21';
    pen.fillRect(x + 1, y + 1, side - 2, side - 2);
  }
  for (const kind of ['item', 'player']) {
    pen.fillStyle = kind === 'item' ? '#ffd166' : '#6fd3ff';
    const size = kind === 'item' ? 3 : 4;
    for (const zone of now.zones) {
      for (const dot of zone.dots) {
        if (dot.kind !== kind) continue;
        pen.fillRect(dot.x * scale - size / 2, dot.y * scale - size / 2, size, size);
      }
    }
  }
  drawLabels(now, known, side);
}

function drawLabels(now, known, side) {
  pen.font = '12px system-ui, sans-serif';
  pen.textBaseline = 'top';
  for (let id = 0; id < now.rows * now.cols; id += 1) {
    const zone = known.get(id);
    let text = `zone ${id}: nothing heard`;
    if (zone) {
      text = side > 150 ? `zone ${id} \u00b7 ${zone.players} players \u00b7 ${millis(zone.tick_us.p99)}`
        : `${id} \u00b7 ${zone.players}`;
    }
    const x = (id % now.cols) * side + 6;
    const y = Math.floor(id / now.cols) * side + 6;
    pen.fillStyle = zone && isStill(now, zone) ? '#ff8f70' : '#d7e0ea';
    pen.fillText(text, x, y, side - 12);
  }
}

function setState(state, text) {
  document.body.dataset.state = state;
  document.getElementById('state').textContent = text;
}

async function ask() {
  let again = ASK_EVERY_MS;
  try {
    const answer = await fetch('api/world', { signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const now = await answer.json();
    addRates(now);
    shown = now;
    showFigures(now);
    drawMap(now);
    let text = `live \u00b7 up ${Math.floor(now.uptime_ms / 1000)} s`;
    if (now.is_draining) text += ' \u00b7 draining';
    else if (!now.is_ready) text += ' \u00b7 starting';
    setState('live', text);
  } catch (error) {
    setState('lost', `no answer, asking again (${error.message})`);
    again = ASK_AGAIN_MS;
  }
  setTimeout(ask, again);
}

window.addEventListener('resize', () => { if (shown) drawMap(shown); });
ask();
