// In: the report as JSON in the element #report. Out: the page, drawn in English or Chinese. Runs in a browser, from the file.
// Texts of rows only ever become text nodes, never markup.
const report = JSON.parse(document.getElementById('report').textContent);
let language = (navigator.language || 'en').startsWith('zh') ? 'zh' : 'en';
let shown = 20;
const t = (key) => globalThis.WORDS[language][key];
const $ = (id) => document.getElementById(id);
const count = (n) => n.toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB');
const percent = (part, whole) => (whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`);
const short = (n) => (n === null ? '' : String(Number(n.toPrecision(4))));

/** Children are nodes or text; text never becomes markup. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.flat());
  return node;
}
function svg(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
function table(head, rows) {
  const cell = (tag, [text, isNumber]) => el(tag, isNumber ? { class: 'n' } : {}, text);
  return el(
    'table',
    {},
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        head.map((one) => cell('th', one)),
      ),
    ),
    el(
      'tbody',
      {},
      rows.map((row) =>
        el(
          'tr',
          {},
          row.map((one) => cell('td', one)),
        ),
      ),
    ),
  );
}
const place = ({ file, line }) => `${report.files[file].path.split('/').pop()}:${line}`;

function highlight(text, needle) {
  if (needle === '') return [text];
  const parts = [];
  const lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0 && needle !== ''; at = lower.indexOf(needle, from)) {
    parts.push(text.slice(from, at), el('mark', {}, text.slice(at, at + needle.length)));
    from = at + needle.length;
  }
  parts.push(text.slice(from));
  return parts;
}
const fieldName = (name) => {
  const [, column] = /^column (.*)$/s.exec(name) || [];
  return column === undefined ? t('roles')[name] || name : `${t('column')} ${column}`;
};
const field = (name, ...content) => [
  ...(name === '' ? [] : [el('span', { class: 'role' }, fieldName(name))]),
  el('div', { class: 'field' }, ...content),
];
const body = (fields, needle = '') =>
  el(
    'div',
    { class: 'text' },
    fields.flatMap(({ name, text }) => field(name, ...highlight(text, needle))),
  );

/** Words and single signs; the longest common sequence, or the whole text where it would take long. */
function difference(before, after) {
  const split = (text) => text.match(/\s+|[A-Za-z0-9]+|[\s\S]/gu) || [];
  let a = split(before),
    b = split(after),
    head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail++;
  const start = a.slice(0, head).join(''),
    end = tail === 0 ? '' : a.slice(a.length - tail).join('');
  a = a.slice(head, a.length - tail);
  b = b.slice(head, b.length - tail);
  const middle = [];
  if (a.length * b.length > 4e5) middle.push(['del', a.join('')], ['ins', b.join('')]);
  else {
    const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    let i = 0,
      j = 0;
    const put = (kind, text) => {
      const last = middle.at(-1);
      if (last && last[0] === kind) last[1] += text;
      else middle.push([kind, text]);
    };
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        put('', a[i]);
        i++;
        j++;
      } else if (j >= b.length || (i < a.length && best[i + 1][j] >= best[i][j + 1])) put('del', a[i++]);
      else put('ins', b[j++]);
    }
  }
  return [['', start], ...middle, ['', end]].filter(([, text]) => text !== '');
}
function diffBody(before, after) {
  const visible = (text) =>
    text.replace(/(?![\n\t])[\p{Cc}\p{Cf}]/gu, (c) => `⟨${c.codePointAt(0).toString(16)}⟩`);
  const isAlike = before.length === after.length && before.every(({ name }, i) => name === after[i].name);
  if (!isAlike) return el('div', { class: 'two' }, body(before), body(after));
  return el(
    'div',
    { class: 'text' },
    before.flatMap(({ name, text: old }, i) =>
      field(
        name,
        ...difference(old, after[i].text).map(([kind, text]) =>
          kind === ''
            ? text
            : el(
                kind,
                {},
                visible(text) === text && text.trim() === ''
                  ? text.replace(/ /g, '␣').replace(/\t/g, '⇥').replace(/\n/g, '⏎\n')
                  : visible(text),
              ),
        ),
      ),
    ),
  );
}
function box(row, tags, ...content) {
  return el(
    'div',
    { class: 'row' },
    el('div', { class: 'head' }, el('code', {}, row.id), el('span', {}, place(row)), ...tags),
    ...content,
  );
}
const reasonOf = (reason) => report.reasons.find((one) => one.reason === reason);
function tag(reason) {
  const found = reasonOf(reason);
  return el(
    'span',
    { class: `tag ${found ? found.verdict : 'drop'}`, title: found ? found.text[language] : '' },
    reason,
  );
}
function chart({ name, bars }) {
  const width = 360,
    line = 20,
    left = 86;
  const most = Math.max(1, ...bars.map(({ kept, dropped }) => kept + dropped));
  const numbers = ({ kept, dropped }) => count(kept) + (dropped > 0 ? ` / ${count(dropped)}` : '');
  // Numbers stand behind the bars; a digit takes about 6.5 of the drawing's units.
  const scale = (width - left - 12 - 6.5 * Math.max(0, ...bars.map((bar) => numbers(bar).length))) / most;
  const drawing = svg('svg', {
    viewBox: `0 0 ${width} ${Math.max(1, bars.length) * line + 4}`,
    role: 'img',
    'aria-label': name[language],
  });
  bars.forEach((bar, i) => {
    const { kept, dropped } = bar;
    const y = i * line + 3;
    drawing.append(
      svg('text', { x: left - 6, y: y + 11, 'text-anchor': 'end' }, bar.name || t('unknown')),
      svg('rect', { class: 'bar-keep', x: left, y, width: kept * scale, height: line - 7 }),
      svg('rect', { class: 'bar-drop', x: left + kept * scale, y, width: dropped * scale, height: line - 7 }),
      svg('text', { x: left + (kept + dropped) * scale + 5, y: y + 11 }, numbers(bar)),
    );
  });
  return el('figure', {}, el('figcaption', {}, name[language]), drawing);
}
const EVERY_ROW = [
  ...report.edits.map((row) => ({ what: 'editedRows', reasons: row.reasons, row })),
  ...report.dropped.map((row) => ({ what: 'droppedRows', reasons: [row.reason], row })),
  ...report.flagged.map((row) => ({ what: 'flaggedRows', reasons: [row.reason], row })),
];
function drawRows() {
  const needle = $('search').value.trim().toLowerCase(),
    what = $('what').value,
    reason = $('reason').value;
  const found = EVERY_ROW.filter(
    (one) =>
      (what === '' || one.what === what) &&
      (reason === '' || one.reasons.includes(reason)) &&
      (needle === '' ||
        one.row.id.startsWith(needle) ||
        [...one.row.fields, ...(one.row.before || [])].some(({ text }) =>
          text.toLowerCase().includes(needle),
        )),
  );
  $('found').textContent = `${count(found.length)} ${t('foundRows')}`;
  $('rows').replaceChildren(
    ...found.slice(0, shown).map(({ what: kind, reasons, row }) => {
      const numbers =
        row.score === undefined || row.score === null
          ? []
          : [el('span', {}, `${t('score')} ${short(row.score)}, ${t('threshold')} ${short(row.threshold)}`)];
      if (kind === 'editedRows') return box(row, reasons.map(tag), diffBody(row.before, row.fields));
      if (row.survivor)
        return box(
          row,
          [...reasons.map(tag), ...numbers],
          el(
            'div',
            { class: 'two' },
            body(row.fields, needle),
            el(
              'div',
              {},
              el('span', { class: 'role' }, `${t('standsFor')} ${place(row.survivor)}`),
              body(row.survivor.fields, needle),
            ),
          ),
        );
      return box(row, [...reasons.map(tag), ...numbers], body(row.fields, needle));
    }),
  );
  $('more').hidden = found.length <= shown;
}
function options(select, values) {
  const before = select.value;
  select.replaceChildren(...values.map(([value, text]) => el('option', { value }, text)));
  select.value = values.some(([value]) => value === before) ? before : '';
}
function draw() {
  document.documentElement.lang = language;
  document.title = t('title');
  for (const id of ['en', 'zh']) $(id).setAttribute('aria-pressed', String(id === language));
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  const { counts } = report;
  const named = report.files
    .slice(0, 3)
    .map(({ path, format, encoding }) => `${path.split('/').slice(-2).join('/')} (${format}, ${encoding})`)
    .join(', ');
  $('source').textContent =
    `${t('of')}: ${report.recipe} · ${named}${report.files.length > 3 ? ` … (${report.files.length})` : ''}`;
  $('cards').replaceChildren(
    ...[
      ['read', counts.read],
      ['kept', counts.kept],
      ['dropped', counts.dropped],
      ['edited', counts.edited],
      ['unreadableRows', counts.unreadable],
    ].map(([key, n]) =>
      el(
        'div',
        { class: 'card' },
        el('b', {}, count(n)),
        el(
          'span',
          {},
          t(key) + (key === 'read' || key === 'unreadableRows' ? '' : ` · ${percent(n, counts.read)}`),
        ),
      ),
    ),
  );
  $('steps').replaceChildren(
    table(
      [[t('step')], [t('left'), true], [t('share'), true]],
      report.steps.map((step) => [
        [el('span', {}, `${step.title[language]} `, el('code', {}, step.name))],
        [count(step.keptAfter), true],
        [percent(step.keptAfter, counts.read), true],
      ]),
    ),
  );
  const held = report.reasons.filter(({ rows }) => rows > 0);
  $('reasons').replaceChildren(
    held.length === 0
      ? el('p', { class: 'none' }, t('none'))
      : table(
          [
            [t('verdict')],
            [t('why')],
            [t('n'), true],
            [t('first'), true],
            [t('only'), true],
            [t('threshold'), true],
          ],
          held.map((one) => {
            const drops = one.verdict === 'drop' || one.verdict === 'merge';
            return [
              [el('span', { class: `tag ${one.verdict}` }, t('verdicts')[one.verdict])],
              [el('span', {}, `${one.text[language]} `, el('code', {}, `${one.step}.${one.reason}`))],
              [count(one.rows), true],
              [drops ? count(one.first) : '', true],
              [drops ? count(one.only) : '', true],
              [short(one.threshold), true],
            ];
          }),
        ),
  );
  $('unreadableBox').hidden = report.unreadable.length === 0;
  $('unreadable').replaceChildren(
    table(
      [[t('why')], [t('n'), true], [t('sample')]],
      report.unreadable.map((one) => [
        [el('span', {}, `${one.text[language]} `, el('code', {}, one.reason))],
        [count(one.rows), true],
        [
          el(
            'div',
            {},
            one.samples
              .slice(0, 3)
              .map(({ place: at, detail }) =>
                el('div', {}, el('code', {}, at.split('/').pop()), ` ${detail}`),
              ),
          ),
        ],
      ]),
    ),
  );
  $('charts').replaceChildren(...report.charts.map(chart));
  $('search').placeholder = t('search');
  options($('what'), [
    ['', t('all')],
    ...['editedRows', 'droppedRows', 'flaggedRows'].map((key) => [key, t(key)]),
  ]);
  options($('reason'), [
    ['', t('anyReason')],
    ...[...new Set(EVERY_ROW.flatMap(({ reasons }) => reasons))].sort().map((one) => [one, one]),
  ]);
  drawRows();
  $('clusters').replaceChildren(
    ...(report.clusters.length === 0
      ? [el('p', { class: 'none' }, t('none'))]
      : report.clusters.map(({ survivor, size, members }) => {
          const open = el(
            'details',
            { class: 'row' },
            el(
              'summary',
              {},
              `${count(size)} ${t('group')} · `,
              el('code', {}, survivor.id),
              ` ${(survivor.fields.find(({ text }) => text !== '') || { text: '' }).text.slice(0, 90)}`,
            ),
          );
          open.addEventListener('toggle', () => {
            if (open.open && open.children.length === 1)
              open.append(
                box(survivor, [el('span', { class: 'tag keep' }, t('stays'))], body(survivor.fields)),
                ...members.map((row) =>
                  box(
                    row,
                    row.score === null ? [] : [el('span', {}, `${t('score')} ${short(row.score)}`)],
                    diffBody(survivor.fields, row.fields),
                  ),
                ),
              );
          });
          return open;
        })),
  );
  $('boundaries').replaceChildren(
    ...(report.boundaries.length === 0
      ? [el('p', { class: 'none' }, t('none'))]
      : report.boundaries.map(({ reason, threshold, score, near }) => {
          const open = el(
            'details',
            { class: 'row' },
            el(
              'summary',
              {},
              tag(reason),
              ` ${score || t('similarity')} · ${t('threshold')} ${short(threshold)}`,
            ),
          );
          let passed = false;
          for (const row of near) {
            if (!passed && row.value >= threshold) {
              passed = true;
              open.append(el('hr', { class: 'line' }));
            }
            open.append(
              box(
                row,
                [
                  el('span', {}, short(row.value)),
                  ...(row.other ? [el('span', {}, `${t('besides')} ${place(row.other)}`)] : []),
                  el(
                    'span',
                    { class: `tag ${row.dropped ? 'drop' : 'keep'}` },
                    t(row.dropped ? 'dropped' : 'kept'),
                  ),
                ],
                row.other ? diffBody(row.other.fields, row.fields) : body(row.fields),
              ),
            );
          }
          return open;
        })),
  );
}
for (const id of ['en', 'zh'])
  $(id).addEventListener('click', () => {
    language = id;
    draw();
  });
for (const id of ['search', 'what', 'reason'])
  $(id).addEventListener('input', () => {
    shown = 20;
    drawRows();
  });
$('more').addEventListener('click', () => {
  shown += 20;
  drawRows();
});
if (location.hash === '#zh' || location.hash === '#en') language = location.hash.slice(1);
draw();
