// In: a GGUF file and a JSON file of texts as arguments. Out: llama.cpp's own ids of each text, as JSON on stdout. A process of its
// own, since llama.cpp cannot be unloaded.
import { readFileSync } from 'node:fs';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const [modelPath, textsPath] = process.argv.slice(2) as [string, string];
const llama = await getLlama({ build: 'never', gpu: false, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath, vocabOnly: true });
const texts = JSON.parse(readFileSync(textsPath, 'utf8')) as string[];
// Special tokens inside text become their ids, as in prompts.
const ids = texts.map((text) => Array.from(model.tokenize(text, true), Number));
process.stdout.write(`${JSON.stringify(ids)}\n`, () => process.exit(0));
