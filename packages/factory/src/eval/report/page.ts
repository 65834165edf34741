// In: the sections of a report in English and Chinese. Out: one HTML file that needs nothing else: no network, no fonts, no
// images; a button switches the language. Everything that comes from data goes through `text`.

export interface Both {
  en: string;
  zh: string;
}

/** Text of unknown origin as HTML. */
export function text(raw: string): string {
  return raw
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Both languages, of which the page shows one. */
export function both({ en, zh }: Both): string {
  if (en === zh) return text(en);
  return `<span lang="en">${text(en)}</span><span lang="zh">${text(zh)}</span>`;
}

export function section(title: Both, body: string, note?: Both): string {
  return `<section><h2>${both(title)}</h2>${note ? `<p class="note">${both(note)}</p>` : ''}${body}</section>`;
}

/** Cells are HTML. A class may be given per row. */
export function table(
  head: readonly string[],
  rows: readonly { cells: readonly string[]; mark?: string }[],
): string {
  const line = ({ cells, mark }: { cells: readonly string[]; mark?: string }) =>
    `<tr${mark ? ` class="${mark}"` : ''}>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  return `<div class="wide"><table><thead><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr></thead><tbody>${rows.map(line).join('')}</tbody></table></div>`;
}

export function details(title: Both, body: string, open = false): string {
  return `<details${open ? ' open' : ''}><summary>${both(title)}</summary>${body}</details>`;
}

export function page(title: Both, body: string): string {
  return `<!doctype html>
<html lang="en" data-show="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${text(title.en)} · ${text(title.zh)}</title>
<style>${STYLE}</style>
</head>
<body>
<nav><button type="button" data-to="en">English</button><button type="button" data-to="zh">中文</button></nav>
<main>
${body}
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

const SCRIPT = `
const show = (language) => {
  document.documentElement.dataset.show = language;
  document.documentElement.lang = language;
  for (const button of document.querySelectorAll('[data-to]'))
    button.setAttribute('aria-pressed', String(button.dataset.to === language));
};
for (const button of document.querySelectorAll('[data-to]'))
  button.addEventListener('click', () => show(button.dataset.to));
const asked = location.hash === '#zh' || location.hash === '#en' ? location.hash.slice(1) : null;
show(asked ?? (navigator.language.startsWith('zh') ? 'zh' : 'en'));
`;

const STYLE = `
:root { --ink: #1f2933; --muted: #66727f; --line: #e1e6eb; --good: #1f7a55; --bad: #b3352b; --open: #96690a; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #f6f8fa; font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 0 20px 60px; }
nav { max-width: 1120px; margin: 0 auto; padding: 14px 20px 0; text-align: right; }
nav button { border: 1px solid var(--line); background: #fff; padding: 3px 12px; font: inherit; font-size: 13px; cursor: pointer; }
nav button:first-child { border-radius: 6px 0 0 6px; border-right: 0; } nav button:last-child { border-radius: 0 6px 6px 0; }
nav button[aria-pressed=true] { background: var(--ink); color: #fff; }
html[data-show=en] [lang=zh], html[data-show=zh] [lang=en] { display: none; }
header.decision { border-left: 8px solid var(--open); background: #fff; border-radius: 8px; padding: 22px 26px; margin: 14px 0 22px; box-shadow: 0 1px 3px rgba(31,41,51,.08); }
header.ship { border-color: var(--good); } header.do_not_ship { border-color: var(--bad); }
header h1 { margin: 0 0 6px; font-size: 34px; line-height: 1.2; }
header.ship h1 { color: var(--good); } header.do_not_ship h1 { color: var(--bad); } header.not_enough_evidence h1 { color: var(--open); }
header p { margin: 4px 0; } header .what { color: var(--muted); }
section { background: #fff; border-radius: 8px; padding: 16px 26px 22px; margin-bottom: 18px; box-shadow: 0 1px 3px rgba(31,41,51,.08); }
h2 { font-size: 18px; margin: 4px 0 8px; } h3 { font-size: 15px; margin: 16px 0 6px; }
.note { color: var(--muted); margin: 0 0 10px; max-width: 80ch; }
.warning { background: #fff7e0; border: 1px solid #ecd9a0; border-radius: 8px; padding: 10px 16px; margin-bottom: 10px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--muted); font-weight: 600; white-space: nowrap; }
td.number { white-space: nowrap; } small { color: var(--muted); white-space: nowrap; }
.state { font-weight: 600; } .met .state { color: var(--good); } .failed .state { color: var(--bad); } .open .state { color: var(--open); }
.better { color: var(--good); } .worse { color: var(--bad); }
.text { white-space: pre-wrap; overflow-wrap: anywhere; max-width: 46ch; max-height: 12em; overflow-y: auto; }
summary { cursor: pointer; font-weight: 600; margin: 10px 0 6px; }
code, pre { font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; } pre { white-space: pre-wrap; background: #f6f8fa; padding: 10px 14px; border-radius: 6px; }
svg { display: block; }
@media print { body { background: #fff; } nav { display: none; } section, header.decision { box-shadow: none; border: 1px solid var(--line); break-inside: avoid; } }
`;
