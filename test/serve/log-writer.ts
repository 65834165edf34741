// In: a file, a first number and a count as arguments. Out: that many entries in the log, "ready" once the first are written,
// and status 0 when all are. A process of its own, to be killed or to write beside another.
import { openInferenceSink } from '../../packages/factory/src/pipeline/open-inference-log.ts';
import { logEntry } from './log-entry.ts';

const [path, first, count] = process.argv.slice(2);
const sink = openInferenceSink({ path: path!, level: 'meta', retentionDays: null, redact: false }, (text) => {
  process.stderr.write(`${text}\n`);
});
const from = Number(first);
for (let n = from; n < from + Number(count); n++) {
  sink.record(logEntry(n));
  if (n % 100 === 99) await sink.flush();
  if (n === from + 199) process.stdout.write('ready\n');
}
await sink.close();
process.stdout.write(`lost ${sink.dropped()}\n`);
