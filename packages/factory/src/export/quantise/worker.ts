// In: a QuantiserJob as JSON, the only argument. Out: what llama.cpp logs, one JSON line per piece, then its status.
// A process of its own, since ggml ends the process where it finds a fault. llama.cpp's C interface, release v0.5.0 and others
// whose defaults show the same layout (include/llama.h).
import { writeSync } from 'node:fs';
import koffi from 'koffi';
import type { QuantiserJob, WorkerLine } from './run-quantiser.ts';

const LAYOUT = {
  nthread: 'int32',
  ftype: 'int32',
  output_tensor_type: 'int32',
  token_embedding_type: 'int32',
  allow_requantize: 'uint8',
  quantize_output_tensor: 'uint8',
  only_copy: 'uint8',
  pure: 'uint8',
  keep_split: 'uint8',
  dry_run: 'uint8',
  imatrix: 'void *',
  kv_overrides: 'void *',
  tt_overrides: 'void *',
  prune_layers: 'void *',
  max_buf_size: 'size_t',
  // Room for what a later release may add: it returns the whole struct.
  tail: koffi.array('uint8', 256),
} as const;

/** The number of ggml's types, which stands for "not chosen", grows with releases. */
const isTypeCount = (n: unknown) => typeof n === 'number' && n >= 39 && n <= 128;

type Params = Record<keyof typeof LAYOUT, unknown>;

const FITS: Partial<Record<keyof typeof LAYOUT, (value: unknown) => boolean>> = {
  nthread: (v) => v === 0,
  ftype: (v) => v === 7,
  output_tensor_type: isTypeCount,
  token_embedding_type: isTypeCount,
  allow_requantize: (v) => v === 0,
  quantize_output_tensor: (v) => v === 1,
  only_copy: (v) => v === 0,
  pure: (v) => v === 0,
  keep_split: (v) => v === 0,
  dry_run: (v) => v === 0,
  imatrix: (v) => v === null,
  kv_overrides: (v) => v === null,
  tt_overrides: (v) => v === null,
  prune_layers: (v) => v === null,
  max_buf_size: (v) => Number(v) === 2 ** 33,
};

function say(line: WorkerLine): void {
  let bytes = Buffer.from(`${JSON.stringify(line)}\n`, 'utf8');
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes));
    } catch (error) {
      // Whoever started this is gone, and nobody will rename the file.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.kill(process.pid, 'SIGKILL');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

function run(job: QuantiserJob): WorkerLine {
  const llama = koffi.load(job.library);
  koffi.struct('llama_model_quantize_params', LAYOUT);
  koffi.proto('void ggml_log_callback(int level, const char *text, void *user)');

  const titleOf = llama.func('const char *llama_ftype_name(int ftype)') as (ftype: number) => string | null;
  const title = titleOf(job.ftype);
  if (title !== job.title)
    return { kind: 'layout', found: `type ${job.ftype} is ${title}, not ${job.title}` };
  const params = llama.func('llama_model_quantize_params llama_model_quantize_default_params()')() as Params;
  for (const [field, fits] of Object.entries(FITS)) {
    const value = params[field as keyof Params];
    if (!fits(value)) return { kind: 'layout', found: `${field} is ${String(value)} by default` };
  }

  const log = koffi.register(
    (level: number, text: string) => say({ kind: 'log', level, text }),
    koffi.pointer('ggml_log_callback'),
  );
  llama.func('void llama_log_set(ggml_log_callback *callback, void *user)')(log, null);
  llama.func('void llama_backend_init()')();
  const quantise = llama.func(
    'uint32_t llama_model_quantize(const char *input, const char *output, const llama_model_quantize_params *params)',
  );
  const status = quantise(job.input, job.output, {
    ...params,
    nthread: job.threads,
    ftype: job.ftype,
    allow_requantize: Number(job.allowRequantize),
    dry_run: Number(job.isDry),
    max_buf_size: job.bufferBytes,
  }) as number;
  return { kind: 'end', status };
}

say(run(JSON.parse(process.argv[2]) as QuantiserJob));
// Libraries with threads of their own need not be unloaded in order.
process.exit(0);
