import { describe, expect, it } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { quickstartOptions } from './quickstart-options.ts';

describe('quickstartOptions', () => {
  it('takes the shipped model and its sizes by default', () => {
    const options = quickstartOptions([]);
    expect(options).toMatchObject({
      isShipped: true,
      outputDir: 'quickstart-output',
      seed: 42,
      trainRows: 1600,
      testRows: 400,
    });
    expect(options.model).toMatch(/base[/\\]tunesmith-tiny$/);
  });

  it('reads flags in both spellings, and makes a larger model do with fewer mails', () => {
    const options = quickstartOptions(['--model', 'a/b', '--output-dir=x_y-z', '--seed', '7', '--json']);
    expect(options).toMatchObject({
      model: 'a/b',
      isShipped: false,
      outputDir: 'x_y-z',
      seed: 7,
      json: true,
    });
    expect(options.trainRows).toBeLessThan(1600);
  });

  it('makes a smoke run short', () => {
    expect(quickstartOptions(['--smoke']).training).toContain('--max_steps');
    expect(quickstartOptions(['--smoke']).trainRows).toBe(64);
  });

  it.each([
    [['--modle', 'x']],
    [['--seed', '-1']],
    [['--seed', '1e400']],
    [['--train_rows', '0']],
    [['word']],
    [['--model']],
  ])('refuses %j with a remedy', (words) => {
    expect.assertions(2);
    try {
      quickstartOptions(words);
    } catch (error) {
      expect(error).toBeInstanceOf(FactoryError);
      expect((error as FactoryError).remedy).not.toBe('');
    }
  });
});
