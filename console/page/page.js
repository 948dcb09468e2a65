// The page: asks the server each second, and shows what it says. All text goes through
// `textContent`, so that no name of a green thread is ever taken for markup.
'use strict';

const LIMIT = 100;
const PERIOD = 1000;
const SAMPLES = 120;
const COLORS = [
  '#2a7d46', '#b3541e', '#3b5bdb', '#9c36b5', '#c2255c', '#0c8599', '#e8590c', '#5c940d',
];
const COLUMNS = [
  ['id', 'id'], ['name', 'name'], ['state', 'state'], ['wait', 'waits for'], ['since', 'for s'],
  ['home', 'worker'], ['place', 'spawned at'], ['children', 'children'], ['stack', 'stack'],
];

const at = (id) => document.getElementById(id);
const list = { sort: 'id', order: 'asc', offset: 0 };
const samples = []; // [{index: live}]
const opened = new Set(); // ids of the tree's open ones
let view = 'threads';
let story = null; // {id, last}
let counted = null; // {time, workers: {index: numbers}}
let token = takeToken();

/** Takes the token out of the address, which is seen by others, and keeps it for this tab. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) {
    sessionStorage.setItem('token', given);
    window.history.replaceState(null, '', location.pathname);
  }
  return given || sessionStorage.getItem('token');
}

async function ask(path, parameters = {}) {
  const chosen = Object.entries(parameters).filter(([, value]) => value !== '' && value !== null);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(`api/${path}?${new URLSearchParams(chosen)}`, { headers });
  if (!response.ok) {
    const trouble = new Error((await response.text()).trim());
    trouble.status = response.status;
    throw trouble;
  }
  const answer = await response.json();
  await released;
  return answer;
}

/** Makes an element with text, or with children. */
function make(tag, content, attributes = {}) {
  const element = document.createElement(tag);
  fill(element, content, attributes);
  return element;
}

function draw(tag, attributes, content = '') {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  fill(element, content, attributes);
  return element;
}

function fill(element, content, attributes) {
  if (Array.isArray(content)) element.replaceChildren(...content);
  else element.textContent = content ?? '';
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

const size = (bytes) => bytes == null ? '' : `${(bytes / 1024).toFixed(1)} KiB`;
const seconds = (value) => value == null ? '' : value.toFixed(1);
const counts = (of) => Object.entries(of).map(([word, count]) => `${count} ${word}`).join(', ');
const title = (row) => `green thread ${row.id}${row.name == null ? '' : ` '${row.name}'`}`;
const what = (row) => row.wait ?? row.state;

async function showSummary(it) {
  at('numbers').textContent = `process ${it.process}: ${it.green_threads} green threads `
    + `(${counts(it.states)}) on ${it.workers.length} workers; `
    + `looked in ${(it.took * 1000).toFixed(0)} ms`;
  offer(at('state'), Object.keys(it.states));
  offer(at('for'), Object.keys(it.waits));
  samples.push(Object.fromEntries(it.workers.map((worker) => [worker.index, worker.live])));
  if (samples.length > SAMPLES) samples.shift();
  if (view === 'workers') showWorkers(it.workers);
  await showDeadlocks(it.deadlocks.present);
}

/** Those that last, above everything; left alone while they are the same. */
async function showDeadlocks(present) {
  const { deadlocks } = present ? await ask('deadlocks') : { deadlocks: [] };
  const lasting = deadlocks.filter((it) => it.present);
  const key = lasting.map((it) => it.number).join();
  if (at('deadlocks').dataset.key === key) return;
  at('deadlocks').dataset.key = key;
  at('deadlocks').hidden = lasting.length === 0;
  at('deadlocks').replaceChildren(...lasting.flatMap((it) => [
    make('h2', deadlockTitle(it)), make('ol', it.members.map(member)),
  ]));
}

const deadlockTitle = (it) => it.count === 1 ? 'Deadlock: a green thread waits for itself'
  : `Deadlock: ${it.count} green threads wait for each other`;

function member(it) {
  const words = `${title(it)} (spawned at ${it.place}): ${it.wait}`;
  return make('li', words, { 'data-open': it.id });
}

/** Adds the words that a choice does not offer yet. */
function offer(select, words) {
  const known = new Set([...select.options].map((option) => option.value));
  for (const word of words) {
    if (!known.has(word)) select.append(make('option', word, { value: word }));
  }
}

function showWorkers(workers) {
  const rows = workers.map((it) => make('tr', [
    make('td', `${it.hub ? 'hub' : 'worker'} ${it.index}`),
    make('td', it.activity, { class: it.activity }),
    make('td', it.running == null ? '' : `green thread ${it.running}`,
      it.running == null ? {} : { 'data-open': it.running }),
    ...[it.live, it.queued, it.unstarted].map((number) => make('td', number, { class: 'number' })),
  ]));
  at('workers').querySelector('tbody').replaceChildren(...rows);
  const most = Math.max(1, ...samples.flatMap((sample) => Object.values(sample)));
  const height = (live) => 155 - 140 * (live ?? 0) / most;
  const lines = workers.map((it, nth) => {
    const point = (sample, n) => `${n * 600 / SAMPLES},${height(sample[it.index])}`;
    const stroke = COLORS[nth % COLORS.length];
    return draw('polyline', { stroke, points: samples.map(point).join(' ') });
  });
  at('history').replaceChildren(...lines, draw('text', { x: 4, y: 12 }, `${most}`));
}

async function showThreads() {
  const it = await ask('threads', {
    q: at('text').value, state: at('state').value, for: at('for').value, place: at('place').value,
    sort: list.sort, order: list.order, offset: list.offset, limit: LIMIT,
  });
  const last = Math.min(list.offset + LIMIT, it.matching);
  const first = Math.min(list.offset + 1, it.matching);
  at('matching').textContent = `${first} to ${last} of ${it.matching} (${it.total} in all)`;
  at('before').disabled = list.offset === 0;
  at('after').disabled = last >= it.matching;
  at('list').tBodies[0].replaceChildren(...it.rows.map(line));
}

function line(row) {
  return make('tr', [
    make('td', row.id, { class: 'number' }),
    make('td', row.name),
    make('td', row.state, { class: row.state }),
    make('td', row.wait, row.deadlocked ? { class: 'deadlocked' } : {}),
    make('td', seconds(row.since), { class: 'number' }),
    make('td', row.home, { class: 'number' }),
    make('td', row.place),
    make('td', row.children || '', { class: 'number' }),
    make('td', size(row.stack_used), { class: 'number' }),
  ], { 'data-id': row.id });
}

function showColumns() {
  const heads = COLUMNS.map(([key, text]) => {
    const arrow = key === list.sort ? (list.order === 'asc' ? ' ▲' : ' ▼') : '';
    return make('th', text + arrow, { 'data-sort': key });
  });
  at('list').tHead.rows[0].replaceChildren(...heads);
}

async function showTree() {
  at('tree').querySelector('ul').replaceWith(await branch('none'));
}

/** The children of one, with the children of those that are open. */
async function branch(parent) {
  const it = await ask('threads', { parent, limit: LIMIT });
  const leaves = await Promise.all(it.rows.map(async (row) => {
    const isOpen = opened.has(row.id);
    const sign = row.children ? (isOpen ? '▾' : '▸') : '·';
    const mark = make('button', sign, { type: 'button', 'data-branch': row.id });
    const below = row.children ? ` (${row.children} below)` : '';
    const words = `${title(row)}: ${what(row)}; spawned at ${row.place}${below}`;
    const look = row.deadlocked ? 'deadlocked' : row.state;
    const text = make('span', words, { 'data-open': row.id, class: look });
    return make('li', isOpen && row.children ? [mark, text, await branch(row.id)] : [mark, text]);
  }));
  if (it.matching > LIMIT) leaves.push(make('li', `… and ${it.matching - LIMIT} more`));
  return make('ul', leaves);
}

async function showWaits() {
  const [{ total, things }, reports] = await Promise.all([ask('waits'), ask('deadlocks')]);
  at('reports').replaceChildren(...reports.deadlocks.map(report));
  const ROW = 22;
  const shown = [];
  let y = 8;
  for (const thing of things) {
    const names = thing.first.slice(0, 6);
    const height = Math.max(1, names.length + (thing.waiters > names.length ? 1 : 0)) * ROW;
    const middle = y + height / 2;
    names.forEach((one, nth) => shown.push(...edge(y + nth * ROW, middle, title(one), one)));
    if (thing.waiters > names.length) {
      const more = `and ${thing.waiters - names.length} more`;
      shown.push(...edge(y + names.length * ROW, middle, more, {}));
    }
    const name = thing.target == null ? thing.text : `the end of ${title(thing.target)}`;
    const marks = { id: thing.target?.id, deadlocked: thing.deadlocked };
    shown.push(...node(370, middle - 9, 522, name, marks));
    y += height + 10;
  }
  const more = total > things.length ? `… and ${total - things.length} more` : '';
  const rest = total === 0 ? 'Nobody waits for anybody.' : more;
  shown.push(draw('text', { x: 8, y: y + 12 }, rest));
  at('graph').setAttribute('viewBox', `0 0 900 ${y + 24}`);
  at('graph').replaceChildren(...shown);
}

function report(it) {
  const when = `${deadlockTitle(it)}, found ${it.ago.toFixed(0)} s ago`;
  const head = make('span', it.present ? when : `${when}, has ended`);
  return make('li', [head, make('ol', it.members.map(member))]);
}

function edge(y, middle, text, one) {
  const path = `M 250 ${y + 9} C 310 ${y + 9}, 310 ${middle}, 370 ${middle}`;
  const mark = one.deadlocked ? { class: 'deadlocked' } : {};
  return [draw('path', { d: path, ...mark }), ...node(8, y, 242, text.slice(0, 44), one)];
}

function node(x, y, width, text, one) {
  const link = one.id == null ? {} : { 'data-open': one.id };
  if (one.deadlocked) link.class = 'deadlocked';
  return [
    draw('rect', { x, y, width, height: 18, rx: 3, ...link }),
    draw('text', { x: x + 5, y: y + 13, ...link }, text),
  ];
}

async function showMetrics() {
  const it = await ask('metrics');
  const now = { time: performance.now() / 1000, workers: {} };
  const line = (name, numbers) => {
    now.workers[name] = numbers;
    return numbersLine(name, numbers, counted?.workers[name], now.time - counted?.time);
  };
  const lines = it.workers.map((one) => line(`${one.hub ? 'hub' : 'worker'} ${one.index}`, one));
  at('metrics').querySelector('tbody').replaceChildren(...lines, line('all', it.total));
  counted = now;
  at('metrics').querySelector('dl').replaceChildren(...definitions([
    ['green threads', `${it.live} live, of which ${it.full} full`],
    ['free stacks', `${it.stacks_hot} hot, ${it.stacks_cold} cold`],
    ['blocking pool', `${it.blocking_threads} threads, of which ${it.blocking_idle} idle; `
      + `${it.blocking_queued} jobs wait`],
    ['offences', `${it.offences}, as the monitor has seen`],
  ]));
  showLatency(it.total.latency);
}

function numbersLine(name, it, before, passed) {
  const [busy, idle] = ['busy', 'idle'].map((key) => it[key] - (before?.[key] ?? 0));
  const rate = before && passed > 0 ? ((it.switches - before.switches) / passed).toFixed(0) : '';
  const share = busy + idle > 0 ? `${(100 * busy / (busy + idle)).toFixed(0)} %` : '';
  const { started, steals, woken, polls, live, queued, unstarted, timers, latency } = it;
  const cells = [
    share, rate, started, steals, woken, polls, live, queued, unstarted, timers,
    duration(latency.p50), duration(latency.p99),
  ];
  const numbers = cells.map((cell) => make('td', cell, { class: 'number' }));
  return make('tr', [make('td', name), ...numbers]);
}

function duration(value) {
  if (value == null) return '';
  if (value < 1e-3) return `${(value * 1e6).toFixed(0)} µs`;
  return value < 1 ? `${(value * 1e3).toFixed(0)} ms` : `${value.toFixed(1)} s`;
}

/** A bar for each bucket, of which each is twice as wide as the one before. */
function showLatency({ buckets, count }) {
  const most = Math.max(1, ...buckets.map(([, samples]) => samples));
  const width = 600 / buckets.length;
  const bars = buckets.flatMap(([bound, samples], nth) => {
    const height = 120 * samples / most;
    const upTo = bound == null ? 'more' : `≤ ${duration(bound)}`;
    const place = { x: nth * width + 2, y: 140 - height, width: width - 4, height };
    const told = draw('title', {}, `${upTo}: ${samples}`);
    const bar = draw('rect', { ...place, class: 'bar' }, [told]);
    return nth % 3 ? [bar] : [bar, draw('text', { x: nth * width + 2, y: 154 }, upTo)];
  });
  at('latency').replaceChildren(...bars, draw('text', { x: 4, y: 12 }, `${count} samples`));
}

async function showSites() {
  const { sites } = await ask('sites');
  const rows = sites.map((it) => make('tr', [
    make('td', it.place),
    make('td', it.count, { class: 'number' }),
    make('td', counts(it.states)),
    make('td', it.measured, { class: 'number' }),
    make('td', size(it.high_water), { class: 'number' }),
    make('td', size(it.reserved), { class: 'number' }),
  ], { 'data-place': it.place }));
  at('sites').querySelector('tbody').replaceChildren(...rows);
}

function openStory(id) {
  story = { id, last: '', asksBacktrace: true };
  at('story').className = '';
  at('story').querySelector('h2').textContent = `green thread ${id}`;
  at('story').querySelector('dl').replaceChildren();
  at('changes').replaceChildren();
  at('backtrace').textContent = '…';
  at('story').hidden = false;
  attempt(showStory);
}

async function showStory() {
  const asked = story;
  if (!asked || asked.ended) return;
  const backtrace = asked.asksBacktrace ? 1 : null;
  asked.asksBacktrace = false;
  let it;
  try {
    it = await ask('thread', { id: asked.id, backtrace });
  } catch (error) {
    if (error.status !== 404) throw error;
    if (asked === story) endStory(asked);
    return;
  }
  if (asked !== story) return;
  at('story').querySelector('h2').textContent = title(it.row);
  at('story').querySelector('dl').replaceChildren(...facts(it));
  if (backtrace) at('backtrace').textContent = it.backtrace ?? it.note;
  // What passes by itself, a time or an address, is no change.
  const wait = it.row.wait?.replace(/, [\d.]+ s left/, '');
  const now = wait == null ? it.row.state : `${it.row.for}: ${wait}`;
  if (now !== asked.last) {
    if (asked.last) asked.asksBacktrace = true;
    change(now);
  }
  asked.last = now;
}

function endStory(asked) {
  asked.ended = true;
  at('story').className = 'ended';
  at('story').querySelector('h2').append(' has ended');
  change('ended');
}

function change(text) {
  at('changes').append(make('li', `${new Date().toLocaleTimeString()}: ${text}`));
}

function facts(it) {
  const row = it.row;
  const link = (id, text) => make('span', text ?? `green thread ${id}`, { 'data-open': id });
  const join = (parts) => parts.flatMap((part, nth) => nth ? [', ', part] : [part]);
  const ancestor = (one) => one.lives ? link(one.id, title(one)) : `${title(one)} (ended)`;
  const ancestors = it.ancestors.map(ancestor);
  const lines = [
    ['is', row.state + (row.kind === 'light' ? '' : `, ${row.kind}`)],
    ['waits', row.wait && `${row.wait}, for ${seconds(row.since)} s`],
    ['worker', row.home],
    ['spawned at', row.place],
    ['spawned by', ancestors.length ? join(ancestors) : null],
    ['has spawned', row.children ? `${row.children} that live` : null],
    ['is joined by', it.joiners.length ? join(it.joiners.map((id) => link(id))) : null],
    ['stack', row.stack_used && `${size(row.stack_used)} of ${size(row.stack_reserved)}`],
  ];
  return definitions(lines.filter(([, value]) => value != null && value !== ''));
}

const definitions = (lines) =>
  lines.flatMap(([name, value]) => [make('dt', name), make('dd', value)]);

const views = {
  threads: showThreads, tree: showTree, workers: null, metrics: showMetrics, waits: showWaits,
  sites: showSites,
};

function choose(next) {
  view = next;
  for (const name of Object.keys(views)) at(name).hidden = name !== view;
  for (const button of document.querySelectorAll('nav button')) {
    button.classList.toggle('chosen', button.dataset.view === view);
  }
  refresh();
}

/** Settled while no button is held: what is under it must stay, or there is no click. */
let released = Promise.resolve();

let refreshing = null;

/** Asks once; a second call while one is under way asks again after it. */
function refresh() {
  const before = refreshing;
  const mine = (async () => {
    if (before) await before;
    await attempt(async () => {
      await Promise.all([ask('summary').then(showSummary), views[view]?.(), showStory()]);
    });
  })();
  refreshing = mine;
  return mine;
}

async function attempt(f) {
  try {
    await f();
    at('trouble').hidden = true;
  } catch (error) {
    at('trouble').textContent = error.status ? error.message : 'The program does not answer.';
    at('trouble').hidden = false;
    if (error.status === 401 && !token) {
      token = prompt('The token of this page:');
      if (token) sessionStorage.setItem('token', token);
    }
  }
}

async function live() {
  if (at('live').checked && !document.hidden) await refresh();
  setTimeout(live, PERIOD);
}

document.addEventListener('pointerdown', () => {
  released = new Promise((done) => {
    const end = () => setTimeout(done); // after the click
    document.addEventListener('pointerup', end, { once: true });
    document.addEventListener('pointercancel', end, { once: true });
    setTimeout(done, PERIOD); // the end may come elsewhere
  });
});

document.addEventListener('click', (event) => {
  const near = (selector) => event.target.closest(selector);
  const link = near('[data-open]') ?? near('tr[data-id]');
  if (near('[data-view]')) choose(near('[data-view]').dataset.view);
  else if (near('[data-branch]')) toggle(Number(near('[data-branch]').dataset.branch));
  else if (link) openStory(Number(link.dataset.open ?? link.dataset.id));
  else if (near('tr[data-place]')) {
    at('place').value = near('tr[data-place]').dataset.place;
    list.offset = 0;
    choose('threads');
  } else if (near('th[data-sort]')) sortBy(near('th[data-sort]').dataset.sort);
});

function toggle(id) {
  if (!opened.delete(id)) opened.add(id);
  refresh();
}

function sortBy(key) {
  list.order = list.sort === key && list.order === 'asc' ? 'desc' : 'asc';
  list.sort = key;
  list.offset = 0;
  showColumns();
  refresh();
}

function page(by) {
  list.offset = Math.max(0, list.offset + by);
  refresh();
}

at('filter').addEventListener('input', () => { list.offset = 0; refresh(); });
at('filter').addEventListener('submit', (event) => event.preventDefault());
at('before').addEventListener('click', () => page(-LIMIT));
at('after').addEventListener('click', () => page(LIMIT));
at('close').addEventListener('click', () => { story = null; at('story').hidden = true; });

showColumns();
choose(view);
setTimeout(live, PERIOD);
