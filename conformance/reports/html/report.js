'use strict';

// The parts of the report that the data of all cases is needed for: the list of cases, a case, the filters.

const SENT = 0;
const RECEIVED = 1;
const NOTE = 3;
const MOST_LISTED = 200;
const OCTETS_PER_LINE = 16;
const GAP_SECONDS = 0.05;

/** Return an element with a class, attributes and children; a text child is never read as HTML. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

async function readData() {
  const octets = Uint8Array.from(atob(document.getElementById('data').textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([octets]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Response(stream).json();
}

function tag(data, verdict) {
  const [sign, name, style] = data.marks[verdict];
  return make('span', { class: `tag ${style}` }, make('span', { 'aria-hidden': 'true' }, sign), ` ${name}`);
}

/** Return the nodes of a sentence of the specification: `code` is code. */
function sentence(text) {
  return text.split('`').map((part, index) => (index % 2 ? make('code', {}, part) : part));
}

// Requirements

function filterRequirements() {
  const form = document.getElementById('requirement-filter');
  const rows = [...document.querySelectorAll('.requirements tbody tr')];
  const texts = rows.map((row) => row.firstElementChild.textContent.toLowerCase());
  const apply = () => {
    const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      const isShown =
        words.every((word) => texts[index].includes(word)) &&
        (!form.level.value || row.dataset.level === form.level.value) &&
        (!form.state.value || row.dataset.state.split(' ').includes(form.state.value));
      row.hidden = !isShown;
      shown += isShown;
    });
    form.querySelector('output').textContent = `${shown} of ${rows.length}`;
  };
  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  apply();
  return () => {
    form.reset();
    apply();
  };
}

// The list of cases

function listCases(data) {
  const form = document.getElementById('case-filter');
  const list = document.getElementById('case-list');
  const apply = () => {
    const target = Number(form.target.value);
    const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = Object.entries(data.results[target]).filter(([id, result]) => {
      const { purpose, requirements } = data.cases[id];
      const isOfKind = { '': true, unexpected: !result.expected, known: Boolean(result.known) }[form.verdict.value];
      const text = `${id} ${purpose} ${requirements.join(' ')}`.toLowerCase();
      const isNamed = (word) => (word.endsWith('/') ? `${id.toLowerCase()}/`.startsWith(word) : text.includes(word));
      return (isOfKind ?? result.verdict === form.verdict.value) && words.every(isNamed);
    });
    const order = ['fail', 'error', 'warn', 'slow', 'flaky', 'pass', 'unsupported'];
    const rank = ({ expected, verdict }) => (expected ? order.length : 0) + order.indexOf(verdict);
    found.sort(([, one], [, other]) => rank(one) - rank(other));
    list.replaceChildren(...found.slice(0, MOST_LISTED).map(([id, result]) => caseItem(data, target, id, result)));
    const more = found.length > MOST_LISTED ? `; the first ${MOST_LISTED} are listed` : '';
    form.querySelector('output').textContent = `${found.length} of ${Object.keys(data.results[target]).length}${more}`;
  };
  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  apply();
  return (target, text) => {
    form.reset();
    form.target.value = target;
    form.text.value = text;
    apply();
  };
}

function caseItem(data, target, id, result) {
  const line = result.message ? result.message.split('\n')[0] : data.cases[id].purpose;
  return make(
    'li',
    {},
    tag(data, result.verdict),
    ' ',
    make('a', { href: linkTo(target, id) }, id),
    result.known ? make('span', { class: 'known' }, ' known') : null,
    make('span', { class: 'quiet' }, line),
  );
}

// A case

function linkTo(target, id) {
  return `#case=${target}:${encodeURI(id)}`;
}

function showCase(data, target, id) {
  const results = data.results[target] ?? {};
  const result = Object.hasOwn(results, id) ? results[id] : null;
  const place = document.getElementById('case');
  if (!result) {
    const sorry = make('p', {}, `This report has no case ${id}.`);
    place.replaceChildren(toAllCases(), make('h1', { tabindex: '-1' }, 'No such case'), sorry);
    return;
  }
  const { purpose, requirements } = data.cases[id];
  const { short: name, role, causes } = data.targets[target];
  const parts = [
    toAllCases(),
    make('h1', { tabindex: '-1' }, id),
    make('p', {}, tag(data, result.verdict), ` ${name}`, result.expected ? null : ' (not expected)'),
    make('p', {}, purpose),
    result.cause ? why(target, result.cause, causes[result.cause]) : null,
    sentences(data, role, requirements),
    others(data, target, id),
    result.message ? section('What happened', make('p', { class: 'message' }, result.message)) : null,
    result.known ? section('Known failure', make('p', { class: 'message' }, result.known)) : null,
    result.foreseen ? section('Expected', make('p', { class: 'message' }, result.foreseen)) : null,
    result.wanted || result.received ? compared(result.wanted ?? '', result.received ?? '') : null,
    result.again ? again(result.again) : null,
    ...(result.earlier ?? []).map((each, index) => wire(`Try ${index + 1}: ${each.verdict}`, each.trace, each.message)),
    result.trace ? wire('On the wire', result.trace) : null,
  ];
  place.replaceChildren(...parts.filter(Boolean));
  for (const box of place.querySelectorAll('.hex')) letScroll(box);
}

/** Let the keyboard reach a box whose content does not fit into it. */
function letScroll(box) {
  if (box.scrollHeight <= box.clientHeight && box.scrollWidth <= box.clientWidth) return;
  const attributes = { tabindex: '0', role: 'group', 'aria-label': 'Octets' };
  for (const [key, value] of Object.entries(attributes)) box.setAttribute(key, value);
}

function why(target, cause, sentenceOfCause) {
  return make('p', {}, 'Cause: ', make('a', { href: `#cause-${target}-${encodeURI(cause)}` }, sentenceOfCause));
}

function toAllCases() {
  return make('p', {}, make('a', { href: '#cases' }, '← all cases'));
}

function section(title, ...children) {
  return make('section', {}, make('h2', {}, title), ...children);
}

function sentences(data, role, requirements) {
  const list = requirements.map((id) => {
    const [level, text, place, url] = data.requirements[id] ?? ['', '', '', ''];
    const where = url ? make('a', { href: url }, place) : place;
    const from = level ? make('span', { class: 'quiet' }, `${level}, `, where) : null;
    const link = make('a', { class: 'id', href: `#${role}-${encodeURI(id)}` }, id);
    return make('li', {}, link, ' ', ...sentence(text), ' ', from);
  });
  return section('Requirements', make('ul', {}, ...list));
}

/** Return what came of the case on other targets. */
function others(data, target, id) {
  const isOther = (index) => index !== target && data.results[index][id];
  const found = data.targets.flatMap((each, index) => (isOther(index) ? [[each, index]] : []));
  if (!found.length) return null;
  const items = found.map(([each, index]) =>
    make('li', {}, tag(data, data.results[index][id].verdict), ' ', make('a', { href: linkTo(index, id) }, each.short)),
  );
  return section('Other targets', make('ul', { class: 'found' }, ...items));
}

/** Return the texts that there are, side by side; where two begin and end alike, what differs between is marked. */
function compared(wanted, received) {
  const shorter = Math.min(wanted.length, received.length);
  let start = 0;
  while (start < shorter && wanted[start] === received[start]) start += 1;
  let end = 0;
  while (end < shorter - start && wanted.at(-1 - end) === received.at(-1 - end)) end += 1;
  const isAlike = start + end > shorter / 3;
  const shown = (text) =>
    isAlike && start + end < text.length
      ? [text.slice(0, start), make('mark', {}, text.slice(start, text.length - end)), text.slice(text.length - end)]
      : [text];
  const box = (title, text) => (text ? make('div', {}, make('h2', {}, title), make('p', {}, ...shown(text))) : null);
  return make('section', { class: 'texts' }, box('Wanted', wanted), box('Received', received));
}

function again(command) {
  const button = make('button', { type: 'button' }, 'Copy');
  button.addEventListener('click', async () => {
    await copy(command);
    button.textContent = 'Copied';
  });
  return section('Run it again', make('p', { class: 'again' }, make('code', {}, command), button));
}

/** Copy a text; pages from the disk may have no clipboard interface. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make('textarea', {}, text);
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

function wire(title, trace, message = '') {
  const items = [];
  let before = trace.length ? trace[0][0] : 0;
  for (const entry of trace) {
    const gap = entry[0] - before;
    if (gap >= GAP_SECONDS) {
      const item = make('li', { class: 'gap' }, `${gap.toFixed(2)} s later`);
      item.style.setProperty('--seconds', gap);
      items.push(item);
    }
    items.push(wireItem(entry));
    [before] = entry;
  }
  const told = message ? make('p', { class: 'message' }, message) : null;
  return section(title, told, make('ol', { class: 'wire' }, ...items));
}

function wireItem([at, peer, direction, octets, text, hex]) {
  if (direction === NOTE) return make('li', { class: 'note' }, text);
  const way = direction === SENT ? 'kit → target' : direction === RECEIVED ? 'target → kit' : 'event';
  const head = make(
    'div',
    { class: 'head' },
    make('span', { class: 'number' }, `${at.toFixed(4)} s`),
    make('span', {}, `connection ${peer}`),
    make('span', { class: 'way' }, way),
    direction === SENT || direction === RECEIVED ? make('span', { class: 'quiet' }, `${octets} octets`) : null,
  );
  const style = ['sent', 'received', 'event'][direction];
  if (style === 'event') return make('li', { class: style }, head, make('div', {}, text));
  return make('li', { class: style }, head, frame(octets, text, hex));
}

/** Return a frame: its text, in lines, and its octets beside. */
function frame(octets, text, hex) {
  const isFrame = !hex || Number.parseInt(hex.slice(0, 8), 16) === octets - 4;
  const shown = make('code', {}, isFrame ? inLines(text) : text);
  return make('div', { class: 'frame' }, shown, octetLines(octets, text, hex, isFrame));
}

/** Return JSON with line breaks and every token as it was sent; any other text unchanged. */
function inLines(json) {
  if (!/^\s*[{[]/.test(json)) return json;
  let depth = 0;
  return json.replace(/"(?:[^"\\]|\\.)*"|[{}[\],]|[^"{}[\],]+/g, (token) => {
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    return token === ',' && depth === 1 ? ',\n ' : token;
  });
}

function octetLines(octets, text, hex, isFrame) {
  const whole = hex || (octets - 4).toString(16).padStart(8, '0') + hexOf(text);
  const box = make('code', { class: 'hex' });
  const [head, tail] = whole.split('...');
  appendOctets(box, head, 0, isFrame);
  if (tail !== undefined) {
    box.append('…\n');
    appendOctets(box, tail, octets - tail.length / 2, false);
  }
  return box;
}

function appendOctets(box, hex, first, hasLength) {
  const pairs = hex.match(/../g) ?? [];
  for (let at = 0; at < pairs.length; at += OCTETS_PER_LINE) {
    const line = pairs.slice(at, at + OCTETS_PER_LINE);
    box.append(`${(first + at).toString(16).padStart(6, '0')}  `);
    if (hasLength && at === 0) box.append(make('mark', { title: 'the length' }, line.splice(0, 4).join(' ')), ' ');
    box.append(`${line.join(' ')}\n`);
  }
}

function hexOf(text) {
  return [...new TextEncoder().encode(text)].map((octet) => octet.toString(16).padStart(2, '0')).join('');
}

// Which part is shown

/** Return what the address asks for; an address that is no text in percent-encoding is taken as it is. */
function address() {
  const hash = location.hash.slice(1);
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
}

/** Return the element of an id, or that of a requirement. */
function placeOf(id) {
  return ['', 'server-', 'client-'].map((prefix) => document.getElementById(prefix + id)).find(Boolean);
}

function route(data, title, chooseCases, showAllRequirements) {
  const hash = address();
  const [, kind, target, rest] = hash.match(/^(case|cases)=(\d+):(.*)$/s) ?? [];
  const report = document.getElementById('report');
  const place = document.getElementById('case');
  report.hidden = kind === 'case';
  place.hidden = kind !== 'case';
  document.title = kind === 'case' ? `${rest} · ${title}` : title;
  if (kind === 'case') {
    showCase(data, Number(target), rest);
    place.querySelector('h1').focus();
    window.scrollTo(0, 0);
    return;
  }
  if (kind === 'cases') chooseCases(target, rest);
  const element = placeOf(kind === 'cases' ? 'cases' : hash);
  if (!element) return;
  if (element.matches('tr')) showAllRequirements();
  for (let around = element; around; around = around.parentElement) if (around.matches('details')) around.open = true;
  element.scrollIntoView();
}

readData().then((data) => {
  const { title } = document;
  const showAllRequirements = filterRequirements();
  const chooseCases = listCases(data);
  const go = () => route(data, title, chooseCases, showAllRequirements);
  window.addEventListener('hashchange', go);
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a');
    if (link?.hash && link.hash === location.hash && link.pathname === location.pathname) go();
  });
  for (const form of document.forms) form.hidden = false;
  document.getElementById('unready').hidden = true;
  if (location.hash) go();
  document.documentElement.dataset.ready = 'yes';
});
