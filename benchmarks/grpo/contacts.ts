// In: a number of rows and a seed. Out: as many different sentences about a person, each with the JSON object that it says.
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';

export interface ContactRow {
  instruction: string;
  output: string;
}

const NAMES =
  'Ada Ben Cleo Dan Eva Finn Gina Hugo Iris Jack Kate Leo Mia Nora Omar Paul Rosa Sam Tina Wim'.split(' ');
const CITIES = 'Bonn Bern Cork Kyiv Lima Lyon Nice Oslo Paris Perth Porto Pune Quito Riga Rome Turin'.split(
  ' ',
);
const SENTENCES = [
  (name: string, age: number, city: string) => `${name} is ${age} years old and lives in ${city}.`,
  (name: string, age: number, city: string) => `In ${city} lives ${name}, who is ${age}.`,
  (name: string, age: number, city: string) => `Meet ${name} from ${city}, ${age} years old.`,
];

export function contactRows(count: number, seed: number): ContactRow[] {
  const random = seededRandom(`${seed}/contacts`);
  const pick = <T>(xs: readonly T[]): T => xs[random.int(xs.length)];
  const rows = new Map<string, ContactRow>();
  while (rows.size < count) {
    const [name, age, city] = [pick(NAMES), 18 + random.int(70), pick(CITIES)];
    const instruction = `Write as JSON: ${pick(SENTENCES)(name, age, city)}`;
    rows.set(instruction, { instruction, output: JSON.stringify({ name, age, city }) });
  }
  return [...rows.values()];
}
