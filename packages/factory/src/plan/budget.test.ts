// Sizes, times and budgets as people write them and machines report them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBytes, parseDuration } from '#factory/records/quantities.ts';
import { gpuBytes, machineMemory } from './budget.ts';

test.each([
  ['12GB', 12e9],
  ['12 gb', 12e9],
  ['7.5g', 7.5e9],
  ['800MB', 8e8],
  ['8GiB', 8 * 2 ** 30],
  ['512 MiB', 2 ** 29],
  ['12', null],
  ['GB', null],
  ['-3GB', null],
  ['0GB', null],
  ['12XB', null],
  ['', null],
])('%s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

test.each([
  ['2h', 7200],
  ['90m', 5400],
  ['90 min', 5400],
  ['1h30m', 5400],
  ['1 d 2 h', 93_600],
  ['45s', 45],
  ['2', null],
  ['h', null],
  ['2h x', null],
  ['', null],
])('%s', (text, seconds) => expect(parseDuration(text)).toBe(seconds));

test('nothing that people type throws', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const value of [parseBytes(text), parseDuration(text)])
        expect(value === null || value > 0).toBe(true);
    }),
  );
});

test('cards are found however they are written', () => {
  expect(gpuBytes('RTX 4090')).toBe(24e9);
  expect(gpuBytes('NVIDIA GeForce RTX4090')).toBe(24e9);
  expect(gpuBytes('a100-80gb')).toBe(80e9);
  expect(() => gpuBytes('GTX 99')).toThrow(expect.objectContaining({ code: 'ARGS_BAD_VALUE' }));
});

describe('machineMemory', () => {
  const machine = { total: 24e9, constrained: 0, available: 20e9, rss: 1e9 };
  test('is what is free, with what the process holds', () => {
    expect(machineMemory(machine)).toEqual({ totalBytes: 24e9, availableBytes: 21e9 });
  });
  test("a container's limit counts where it is lower", () => {
    expect(machineMemory({ ...machine, constrained: 4e9, available: 3e9 })).toEqual({
      totalBytes: 4e9,
      availableBytes: 4e9,
    });
    expect(machineMemory({ ...machine, constrained: 2 ** 63 }).totalBytes).toBe(24e9);
  });
});
