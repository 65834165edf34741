// Rewards for stages grpo and ppo: is the answer a JSON object with the fields that the data set's answer has, and how many
// of its values are right? Write your own in the same way: a function of { prompt, completion, row } that returns a number.

interface Answered {
  completion: string;
  row: { answer: string };
}

/** 1 for a JSON object with exactly the wanted fields, else 0. */
export function valid({ completion, row }: Answered): number {
  const [found, wanted] = [parse(completion), parse(row.answer)];
  if (!found || !wanted) return 0;
  return Object.keys(found).sort().join() === Object.keys(wanted).sort().join() ? 1 : 0;
}

/** The share of wanted fields that are there with the wanted value. */
export function right({ completion, row }: Answered): number {
  const [found, wanted] = [parse(completion), parse(row.answer)];
  if (!found || !wanted) return 0;
  const names = Object.keys(wanted);
  return names.filter((name) => found[name] === wanted[name]).length / names.length;
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
