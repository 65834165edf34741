import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Console } from '#factory/cli/console.ts';
import { augment } from '#factory/cli/data/augment.ts';
import { contentId } from '#factory/data/split/content-id.ts';
import { sealTest } from '#factory/data/split/sealed-test.ts';

const folder = mkdtempSync(join(tmpdir(), 'augment-'));
const file = join(folder, 'train.jsonl');
const rows = [
  { instruction: 'please refund 20 dollars to my card', input: '', output: 'money_back' },
  { instruction: 'where is my parcel with the number 4711', input: '', output: 'tracking' },
  { instruction: '请问如何把99元退到我的银行卡', input: '', output: 'money_back' },
  { instruction: 'this one must never be asked again please', input: '', output: 'sealed' },
];

/** A model that answers by rule, over HTTP: what it is told decides, so the tests know what must come out. */
function answer(system: string, user: string): string {
  if (system.startsWith('Do the two')) return user.includes('parcel') ? 'No.' : 'Yes.';
  if (system.startsWith('Translate the text into Chinese'))
    return user.includes('⟦1⟧') ? '请退⟦1⟧美元到我的卡' : '好';
  if (system.startsWith('Translate the text into English'))
    return user.includes('我的卡')
      ? 'kindly give ⟦1⟧ dollars back to my card'
      : 'give ⟦1⟧ yuan back to the bank card';
  if (system.startsWith('Rewrite the text in other words')) {
    if (user.includes('parcel')) return 'my parcel ⟦1⟧ is not here, where is it';
    if (user.includes('never be asked')) return 'this one must never be asked again now please';
    return 'lost the mark';
  }
  return `${user} 😀`;
}

let server: Server;
let asked = 0;
beforeAll(async () => {
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      asked++;
      // The first request of all fails once, as servers do.
      if (asked === 1) {
        response.writeHead(503).end('busy');
        return;
      }
      const { messages, model } = JSON.parse(body) as { messages: { content: string }[]; model: string };
      const content = answer(messages[0]!.content, messages[1]!.content);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ model, choices: [{ index: 0, message: { role: 'assistant', content } }] }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

async function run(name: string, ...words: string[]) {
  const out: string[] = [];
  const terminal: Console = {
    ...{ out: (text: string) => out.push(text), err: () => {}, isTty: false, errIsTty: false, columns: 80 },
  } as unknown as Console;
  const output = join(folder, name);
  const status = await augment({
    words: [file, '--output_dir', output, ...words],
    ...{ json: true, terminal, env: {} },
  });
  const read = (path: string) =>
    readFileSync(join(output, path), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    status,
    report: JSON.parse(out.join('')),
    made: read('augmented.jsonl'),
    ledger: read('augment-ledger.jsonl'),
  };
}

const endpoint = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;

describe('tunesmith data augment', () => {
  test('without a model: rows, parents and the ledger; the same bytes again', async () => {
    const first = await run('text', '--methods', 'typo,script,number', '--max_label_share', '0.9');
    expect(first.status).toBe(0);
    expect(first.report.taken).toBe(first.made.length);
    expect(first.ledger.length).toBe(first.report.candidates);
    expect(first.report.methods.script.taken).toBe(1);
    const script = first.made.find(({ method }) => method === 'script')!;
    expect(script).toMatchObject({
      instruction: '請問如何把99元退到我的銀行卡',
      output: 'money_back',
      needs_review: false,
    });
    const parent = {
      ...{ kind: 'sft' as const, system: '', tools: '', extra: {} },
      prompt: [{ role: 'user' as const, content: rows[2]!.instruction }],
      response: [{ role: 'assistant' as const, content: 'money_back' }],
    };
    expect(script.parents).toEqual([contentId(parent)]);
    const again = await run('text-again', '--methods', 'typo,script,number', '--max_label_share', '0.9');
    expect(again.made).toEqual(first.made);
  });

  test('through an endpoint: back-translation and paraphrase pass the gates or say where they failed', async () => {
    writeFileSync(join(folder, 'sealed-test.json'), JSON.stringify(sealTest([rows[3]!.instruction], 1)));
    const words = ['--methods', 'back_translation,paraphrase', '--endpoint', endpoint(), '--model', 'rule'];
    const { report, made, ledger } = await run('model', ...words, '--max_similarity', '1');
    expect(made.map(({ instruction }) => instruction)).toEqual([
      'kindly give 20 dollars back to my card',
      'my parcel 4711 is not here, where is it',
    ]);
    expect(report.methods.back_translation.gates).toMatchObject({ marks: 1 });
    expect(report.methods.paraphrase.gates).toMatchObject({ marks: 2, sealed: 1 });
    expect(ledger.every(({ gate, verdict }) => (gate === null) === (verdict === 'create'))).toBe(true);
    // All answers are there now, so the same command asks nothing.
    const before = asked;
    const again = await run('model', ...words, '--max_similarity', '1');
    expect(asked).toBe(before);
    expect(again.made).toEqual(made);
    expect(again.report.from_cache).toBe(report.asked + report.from_cache);
    rmSync(join(folder, 'sealed-test.json'));
  });

  test('edge cases from failing labels wait for people, or for a judge who agrees twice', async () => {
    const evaluation = join(folder, 'evaluation');
    const { mkdirSync } = await import('node:fs');
    mkdirSync(evaluation, { recursive: true });
    const prediction = (prediction: string, label: string, id: number) =>
      `${JSON.stringify({ id: String(id), prompt: 'x', prediction, references: [label], label })}\n`;
    writeFileSync(
      join(evaluation, 'predictions.jsonl'),
      [
        prediction('money_back', 'tracking', 1),
        prediction('tracking', 'tracking', 2),
        prediction('money_back', 'money_back', 3),
        prediction('money_back', 'money_back', 4),
      ].join(''),
    );
    const words = [
      '--methods',
      'edge_case',
      '--edge_cases',
      'emoji',
      '--endpoint',
      endpoint(),
      '--model',
      'rule',
    ];
    const failing = await run('edge', ...words, '--failures', evaluation);
    expect(failing.made).toHaveLength(1);
    expect(failing.made[0]).toMatchObject({
      ...{
        instruction: `${rows[1]!.instruction} 😀`,
        output: 'tracking',
        method: 'edge_case',
        edge_case: 'emoji',
      },
      ...{ generator: 'rule@0.7', needs_review: true },
    });
    const judged = await run('judged', ...words, '--judge', '--max_label_share', '0.9');
    expect(judged.report.methods.edge_case.gates).toEqual({ judge: 1 });
    expect(judged.made.every((row) => row.needs_review === false)).toBe(true);
  });

  test.each([
    [['--methods', 'paraphrase'], 'ARGS_MISSING'],
    [['--methods', 'typos'], 'ARGS_BAD_VALUE'],
    [['--methods', 'typo', '--select', 'refund'], 'ARGS_BAD_VALUE'],
    [['--methods', 'paraphrase', '--endpoint', 'http://127.0.0.1:1/v1'], 'ARGS_MISSING'],
  ])('refuses %j', async (words, code) => {
    await expect(run('refused', ...words)).rejects.toMatchObject({ code });
  });
});
