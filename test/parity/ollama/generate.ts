// In: nothing. Out: one line of JSON per template on stdout, for render.go, which answers with what Ollama's own code makes of it:
//   node test/parity/ollama/generate.ts | (cd OLLAMA && go run ./render.go) > test/parity/ollama/rendered.jsonl
// where OLLAMA is Ollama's repository at v0.12 or later with render.go copied into it.
import { templateNames } from '../../../packages/factory/src/tokens/template-table.ts';
import { CONVERSATIONS, ollamaCase } from './conversations.ts';

for (const version of ['latest', 'v0.6.3'] as const)
  for (const name of templateNames(version))
    for (const [mode, thinking, addsBos] of [
      ['on', true, false],
      ['off', false, true],
    ] as const) {
      const { modelfile, asked } = ollamaCase(name, version, thinking, addsBos);
      if (modelfile === null) continue;
      const conversations = CONVERSATIONS.map(asked);
      process.stdout.write(
        `${JSON.stringify({ key: `${version} ${name} ${mode}`, modelfile, conversations })}\n`,
      );
    }
