// In: a topic (nothing, a command, or a key). Out: a page on stdout, as text or JSON.
import { FactoryError } from '#factory/errors.ts';
import { COMMANDS, type CommandContext } from '../command.ts';

/** Commands with a page of their own. */
const PAGES = [
  'train',
  'generate',
  'plan',
  'data',
  'eval',
  'export',
  'quantize',
  'serve',
  'keys',
  'inferences',
  'expand',
  'chat',
];

export async function help({ words, terminal, json }: CommandContext): Promise<number> {
  const [topic, ...more] = words;
  if (more.length > 0) {
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `expected one topic after help, found ${words.length}`,
      remedy: 'Write "tunesmith help train", or the name of one key.',
    });
  }
  terminal.out(await page(topic, json));
  return 0;
}

async function page(topic: string | undefined, json: boolean): Promise<string> {
  if (topic === undefined || (!PAGES.includes(topic) && Object.hasOwn(COMMANDS, topic))) {
    return json ? `${JSON.stringify({ commands: COMMANDS })}\n` : overview(topic);
  }
  const pages = await import('../help-pages.ts');
  if (topic === 'train') return json ? pages.trainJson() : pages.trainPage();
  if (topic === 'generate') return json ? pages.generateJson() : pages.generatePage();
  if (topic === 'chat') return json ? pages.chatJson() : pages.chatPage();
  if (topic === 'plan') return json ? pages.planJson() : pages.planPage();
  if (topic === 'data') {
    const own = await import('../data/help-page.ts');
    return json ? own.dataJson() : own.dataPage();
  }
  if (topic === 'export') return json ? pages.exportJson() : pages.exportPage();
  if (topic === 'quantize') return json ? pages.quantizeJson() : pages.quantizePage();
  if (topic === 'inferences') {
    const own = await import('../inferences/help-page.ts');
    return json ? own.inferencesJson() : own.inferencesPage();
  }
  if (topic === 'expand') return json ? pages.expandJson() : pages.expandPage();
  if (topic === 'serve' || topic === 'keys') {
    const own = await import('../serve/help-page.ts');
    if (topic === 'keys') return json ? own.keysJson() : own.keysPage();
    return json ? own.serveJson() : own.servePage();
  }
  if (topic === 'eval') return json ? pages.evalJson() : pages.evalPage();
  return pages.keyPage(topic, json);
}

function overview(topic: string | undefined): string {
  const shown = Object.entries(COMMANDS).filter(([name]) => topic === undefined || name === topic);
  const lines = shown.map(([name, meaning]) => `  ${name.padEnd(11)} ${meaning}`);
  if (topic !== undefined) return `${lines.join('\n')}\n`;
  return [
    'tunesmith: fine-tune language models, without Python',
    '',
    'Commands:',
    ...lines,
    '',
    'With --json a command prints JSON. Exit status: 0 done, 1 a check said no, 2 input, 3 machine, 4 fault.',
    'Start here: tunesmith quickstart',
    '',
  ].join('\n');
}
