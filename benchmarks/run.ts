// In: the name of a question, a folder of benchmarks/. Out: that benchmark's own output; the last line is one JSON object.
// Usage: npm run bench -- train-step [options]
import { existsSync, readdirSync } from 'node:fs';

const [question, ...words] = process.argv.slice(2);
const folder = new URL('./', import.meta.url);
const questions = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(new URL(`${entry.name}/bench.ts`, folder)))
  .map((entry) => entry.name);
if (question === undefined || !questions.includes(question)) {
  process.stderr.write(`Usage: npm run bench -- QUESTION [options]\nQuestions: ${questions.join(', ')}\n`);
  process.exit(2);
}
const { bench } = (await import(new URL(`${question}/bench.ts`, folder).href)) as {
  bench(words: string[]): Promise<Record<string, unknown>>;
};
process.stdout.write(`${JSON.stringify(await bench(words))}\n`);
