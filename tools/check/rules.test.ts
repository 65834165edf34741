import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { checkAmbient } from './ambient.ts';
import { checkFileSizes } from './file-sizes.ts';
import { places, plant } from './planted.ts';
import { checkReadme } from './readme.ts';
import { openRepository } from './source-files.ts';
import { checkWords } from './words.ts';

const joined = (...parts: string[]) => parts.join('');

test('sizes: 600 lines pass, 601 do not, an excuse must be needed and its file be there', () => {
  const lines = (count: number) => 'const a = 1;\n'.repeat(count);
  const repository = plant({
    'tools/a.ts': lines(600),
    'tools/b.ts': lines(601),
    'tools/c.ts': lines(700),
    'data.txt': lines(999),
  });
  const excused = { 'tools/c.ts': 'a table', 'tools/a.ts': 'not needed', 'tools/gone.ts': 'not there' };
  expect(places(checkFileSizes(repository, excused))).toEqual([
    'tools/a.ts:1 sizes',
    'tools/b.ts:600 sizes',
    'tools/gone.ts:1 sizes',
  ]);
});

test('ambient: the clock, randomness and the environment belong to the shells', () => {
  const source =
    "const a = Math.random();\nconst b = Date.now();\nconst c = process.env.HOME;\nconst d = new Date();\nconst e = new Date(0);\nconst f = 'Date.now';\nx.process.env;\n";
  const repository = plant({
    'packages/factory/src/train/x.ts': source,
    'packages/factory/src/train/x.test.ts': source,
    'packages/factory/src/cli/main.ts': source,
    'tools/x.ts': source,
  });
  expect(places(checkAmbient(repository))).toEqual(
    [1, 2, 3, 4].map((line) => `packages/factory/src/train/x.ts:${line} ambient`),
  );
});

test('words: what speaks of the making is found, in files of every kind', () => {
  const texts = [
    joined('written by Cla', 'ude'),
    joined('an AI ag', 'ent wrote this'),
    joined('in the previous ses', 'sion'),
    joined('as the bri', 'ef says'),
    joined("join('/wo", "rk/main', x)"),
    joined('../sha', 'red/assets/models'),
    joined('Co-Auth', 'ored-By: x'),
    joined('/home/some', 'one/project/'),
  ];
  for (const text of texts) {
    const found = checkWords(
      plant({ 'docs/a.md': `fine\n${text}\n`, 'a.ts': `// ${text}`, 'a.png': text, LICENSE: text }),
    );
    expect(places(found), text).toEqual(['a.ts:1 words', 'docs/a.md:2 words']);
  }
});

test('words: the ordinary vocabulary of the field passes', () => {
  const text = `
    { role: 'assistant', content: 'x' } // the assistant's answer, an agent's tool call
    session.run(feeds); const ort = 'InferenceSession'; // one session per graph; the session is closed
    the work/ folder, /tmp/work, framework/x, a shared buffer, shared/ memory, in brief, briefly; issue #12
    https://registry.npmjs.org/vitest https://huggingface.co/Qwen openai gpt2
  `;
  expect(checkWords(plant({ 'a.ts': text, 'README.md': text }))).toEqual([]);
});

test('words: a lock or an .npmrc that names another registry', () => {
  const entry = (host: string) => `{\n  "resolved": "https://${host}/vitest/-/vitest-4.tgz"\n}`;
  expect(checkWords(plant({ 'package-lock.json': entry('registry.npmjs.org') }))).toEqual([]);
  expect(places(checkWords(plant({ 'package-lock.json': entry('mirror.example.com:8080') })))).toEqual([
    'package-lock.json:2 words',
  ]);
});

test('words: commit messages are read', () => {
  const { root } = plant({ 'a.txt': 'fine' });
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.c', ...words], { cwd: root });
  git('init', '-q');
  git('add', '.');
  git('commit', '-qm', 'Add a file');
  expect(checkWords(openRepository(root))).toEqual([]);
  git('commit', '-q', '--allow-empty', '-m', 'Add more', '-m', joined('Generated wi', 'th x'));
  expect(checkWords(openRepository(root))).toMatchObject([
    { file: expect.stringMatching(/^commit /), line: 3 },
  ]);
});

test('readme: both languages, code before line 20, at most 150 lines', () => {
  const good = `# A\n\n\`\`\`sh\nnpm ci\n\`\`\`\n`;
  expect(checkReadme(plant({ 'README.md': good, 'README.zh-CN.md': good }))).toEqual([]);
  expect(places(checkReadme(plant({ 'README.md': good })))).toEqual(['README.zh-CN.md:1 readme']);
  const late = `# A\n${'\n'.repeat(18)}${good}`;
  const long = `${good}${'x\n'.repeat(150)}`;
  expect(places(checkReadme(plant({ 'README.md': late, 'README.zh-CN.md': '# none' })))).toEqual([
    'README.md:20 readme',
    'README.zh-CN.md:20 readme',
  ]);
  expect(places(checkReadme(plant({ 'README.md': good, 'README.zh-CN.md': long })))).toEqual([
    'README.zh-CN.md:150 readme',
  ]);
});

test('ignored files are not read in a git work tree', () => {
  const { root } = plant({ '.gitignore': 'out/\n', 'out/a.ts': joined('// cla', 'ude'), 'b.ts': '' });
  execFileSync('git', ['init', '-q'], { cwd: root });
  expect(openRepository(root).sources.map(({ path }) => path)).toEqual(['b.ts']);
});
