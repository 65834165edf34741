// In: the path of a recipe, or the name of one that is shipped. Out: the recipe with every default filled in.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { type Recipe, resolveRecipe } from '#factory/data/clean-recipe.ts';
import { FactoryError } from '#factory/errors.ts';

const SHIPPED = fileURLToPath(new URL('../../../../recipes/data', import.meta.url));

export function readRecipe(name: string): Recipe {
  const shipped = join(SHIPPED, `${name}.yaml`);
  const path = /^[\w-]+$/.test(name) && existsSync(shipped) ? shipped : name;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const names = readdirSync(SHIPPED).map((file) => basename(file, '.yaml'));
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `recipe ${name}: no such file, and no shipped recipe of that name`,
      remedy: `Give the path of a YAML file, or one of ${names.join(', ')}.`,
      cause,
    });
  }
  let value: unknown;
  try {
    value = parse(text.replace(/^\uFEFF/, ''), { maxAliasCount: 100 });
  } catch (cause) {
    throw new FactoryError({
      code: 'DATA_BAD_RECIPE',
      message: `${path}: it is not YAML (${(cause as Error).message.split('\n')[0]})`,
      remedy: 'Correct the YAML.',
      cause,
    });
  }
  return resolveRecipe(value, path);
}
