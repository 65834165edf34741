// In: a repository and the layer table. Out: imports that the table does not allow, imports past a package's index,
// computed import names, and rings of files. Tests may import any folder of their package; nobody imports a test.
import { dirname, join, normalize } from 'node:path/posix';
import type { Import } from './imports.ts';
import { IMPORTS_USER_CODE, LAYERS, type PackageLayers, PRIVATE_PACKAGES } from './layer-table.ts';
import type { Finding, Repository, SourceFile } from './source-files.ts';

export function checkLayers(repository: Repository): Finding[] {
  const findings: Finding[] = [];
  const known = new Set(repository.sources.map((file) => file.path));
  const graph = new Map<string, { target: string; line: number }[]>();
  for (const file of repository.sources) {
    const edges: { target: string; line: number }[] = [];
    for (const item of file.imports) {
      const { target, problem } = resolve(file, item, known);
      if (problem) findings.push({ rule: 'layers', file: file.path, line: item.line, message: problem });
      if (target) edges.push({ target, line: item.line });
    }
    graph.set(file.path, edges);
    findings.push(...placeFindings(file));
  }
  return [...findings, ...findRings(graph)];
}

interface Place {
  packageDir: string;
  layers: PackageLayers;
  /** The top-level folder in `src`, or the file's name without `.ts`. */
  folder: string;
}

function placeOf(path: string): Place | null {
  for (const [packageDir, layers] of Object.entries(LAYERS)) {
    const prefix = `${packageDir}/src/`;
    if (path.startsWith(prefix)) {
      return { packageDir, layers, folder: path.slice(prefix.length).split('/')[0].replace(/\.ts$/, '') };
    }
  }
  return null;
}

/** A folder that the table does not know may hold nothing. */
function placeFindings(file: SourceFile): Finding[] {
  const place = placeOf(file.path);
  if (!place || file.isTest || place.layers.leaves.includes(place.folder)) return [];
  if (Object.hasOwn(place.layers.allowed, place.folder)) return [];
  const message = `${place.packageDir} has no layer "${place.folder}": add it to tools/check/layer-table.ts or move the file`;
  return [{ rule: 'layers', file: file.path, line: 1, message }];
}

function resolve(file: SourceFile, item: Import, known: Set<string>): { target?: string; problem?: string } {
  const { specifier } = item;
  const from = placeOf(file.path);
  if (specifier === null) {
    // Tests and tools may load what they have just written.
    return from && !file.isTest && file.path !== IMPORTS_USER_CODE
      ? { problem: 'import() of a computed name: name the module, so that its layer can be checked' }
      : {};
  }
  const target = pathOf(file.path, specifier, from);
  if (target === null) return { problem: packageProblem(file, specifier, from) };
  if (!known.has(target))
    return specifier.endsWith('.ts') ? { problem: `"${specifier}" names no file (${target})` } : {};
  if (target.endsWith('.test.ts'))
    return { target, problem: `"${specifier}" is a test: move what is shared into a file of its own` };
  return { target, problem: layerProblem(file, specifier, from, placeOf(target)) };
}

/** The path that a relative or an inner specifier names; null for a package. */
function pathOf(path: string, specifier: string, from: Place | null): string | null {
  if (specifier.startsWith('.')) return normalize(join(dirname(path), specifier));
  const prefix = from?.layers.prefix;
  return prefix && specifier.startsWith(prefix)
    ? `${from.packageDir}/src/${specifier.slice(prefix.length)}`
    : null;
}

function packageProblem(file: SourceFile, specifier: string, from: Place | null): string | undefined {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  const homes = Object.hasOwn(PRIVATE_PACKAGES, name) ? PRIVATE_PACKAGES[name] : null;
  if (homes && from && !file.isTest && !homes.some((home) => file.path.startsWith(home))) {
    return `only ${homes.join(', ')} may import ${name}`;
  }
  if (!name.startsWith('@tunesmith/')) return undefined;
  if (specifier !== name) return `"${specifier}" goes past the index of ${name}`;
  if (!from || file.isTest || from.layers.allowed[from.folder]?.includes(name)) return undefined;
  return `${from.folder} may not import ${name}; it may import ${list(from)}`;
}

function layerProblem(
  file: SourceFile,
  specifier: string,
  from: Place | null,
  to: Place | null,
): string | undefined {
  // Tools, benchmarks and the tests at the root stand outside and may look at everything.
  if (!from) return undefined;
  if (!to || to.packageDir !== from.packageDir) {
    return file.isTest
      ? undefined
      : `"${specifier}" leaves ${from.packageDir}: import the other package by its name`;
  }
  if (to.folder === from.folder) {
    return specifier.startsWith('#')
      ? `"${specifier}" is in the same folder: import it by a relative path`
      : undefined;
  }
  if (to.layers.leaves.includes(to.folder) || file.isTest) return undefined;
  if (from.layers.leaves.includes(from.folder))
    return `${from.folder}.ts is open to all, so it may not import ${to.folder}`;
  if (from.layers.allowed[from.folder]?.includes(to.folder)) return undefined;
  return `${from.folder} may not import ${to.folder}; it may import ${list(from)}`;
}

function list(place: Place): string {
  return (place.layers.allowed[place.folder] ?? []).join(', ') || 'nothing of ours';
}

/** One finding per ring of files (strongly connected component, by Tarjan), with a shortest way around. */
export function findRings(graph: ReadonlyMap<string, { target: string; line: number }[]>): Finding[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const findings: Finding[] = [];
  const visit = (node: string) => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    onStack.add(node);
    for (const { target } of graph.get(node) ?? []) {
      if (!index.has(target)) {
        visit(target);
        low.set(node, Math.min(low.get(node)!, low.get(target)!));
      } else if (onStack.has(target)) low.set(node, Math.min(low.get(node)!, index.get(target)!));
    }
    if (low.get(node) !== index.get(node)) return;
    const ring = new Set(stack.splice(stack.indexOf(node)));
    for (const member of ring) onStack.delete(member);
    const importsItself = (graph.get(node) ?? []).some(({ target }) => target === node);
    if (ring.size > 1 || importsItself) findings.push(describeRing([...ring].sort()[0], ring, graph));
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return findings;
}

function describeRing(
  start: string,
  ring: ReadonlySet<string>,
  graph: ReadonlyMap<string, { target: string; line: number }[]>,
): Finding {
  const ways: string[][] = [[start]];
  for (const way of ways) {
    for (const { target } of graph.get(way[way.length - 1]) ?? []) {
      if (target === start) {
        const line = graph.get(start)!.find((edge) => edge.target === (way[1] ?? start))!.line;
        return {
          rule: 'rings',
          file: start,
          line,
          message: `ring of imports: ${[...way, start].join(' → ')}`,
        };
      }
      if (ring.has(target) && !ways.some((other) => other.includes(target))) ways.push([...way, target]);
    }
  }
  return { rule: 'rings', file: start, line: 1, message: `ring of imports among ${[...ring].join(', ')}` };
}
