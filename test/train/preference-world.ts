// In: nothing. Out: the tiny world with pairs and rated answers, and what the tests of stages dpo, kto and rm share.
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type Ended, essence, type Flags, makeWorld, readJson, type World } from './tiny-world.ts';

const COMMON: Flags = {
  dataset: null,
  num_train_epochs: 2,
  val_size: 2,
  eval_strategy: 'steps',
  eval_steps: 2,
  save_steps: 2,
};
export interface PreferenceWorld extends World {
  /** Flags of a stage on `pairs` or `rated`. */
  stage(name: string, data: string, more?: Flags): Flags;
  history(output: string): Record<string, number>[];
  /** The run again from its first checkpoint, and, but for what is named, without what it had written since. */
  goesOnToTheSame(output: string, flags: Flags, without?: string[]): Promise<void>;
}

export const ok = (run: Ended) => expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);

export function makePreferenceWorld(): PreferenceWorld {
  const world = makeWorld();
  const pairs = Array.from({ length: 10 }, (_, i) => ({
    instruction: `Say ${i}`,
    chosen: `yes ${i} `.repeat(1 + (i % 3)).trim(),
    rejected: `no ${i}`,
  }));
  const rated = pairs.map(({ instruction, chosen, rejected }, i) => ({
    instruction,
    output: i % 2 === 1 ? chosen : rejected,
    kto_tag: i % 2 === 1,
  }));
  writeFileSync(world.at('data', 'pairs.json'), JSON.stringify(pairs));
  writeFileSync(world.at('data', 'rated.json'), JSON.stringify(rated));
  return {
    ...world,
    stage: (name, data, more = {}) => ({
      ...COMMON,
      stage: name,
      dataset: world.at('data', `${data}.json`),
      ...more,
    }),
    history: (output) =>
      readJson<{ log_history: Record<string, number>[] }>(world.at(output), 'trainer_state.json').log_history,
    async goesOnToTheSame(output, flags, without = []) {
      cpSync(world.at(output), world.at('again'), { recursive: true });
      const later = [
        'checkpoint-4',
        'trainer_state.json',
        'README.md',
        'adapter_model.safetensors',
        'model.safetensors',
      ];
      for (const name of [...later, ...without])
        rmSync(world.at('again', name), { recursive: true, force: true });
      const again = await world.train('again', flags);
      ok(again);
      expect(again.err).toMatch(/going on from .*checkpoint-2/);
      expect(essence(world.at('again'))).toEqual(essence(world.at(output)));
      rmSync(world.at('again'), { recursive: true });
    },
  };
}
