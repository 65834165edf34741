// In: the path of a module that a user wrote. Out: the module. Node strips the types of TypeScript files; nothing is checked
// here. It is the only file that may import a name that is not written in it.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export function importUserCode(path: string): Promise<unknown> {
  return import(pathToFileURL(resolve(path)).href);
}
