import { readFileSync, readdirSync, statSync } from 'node:fs';
import * as path from 'node:path';
import { parseGolden, type Golden } from './golden.ts';

/** The golden files in some folders and files, sorted by path. */
export function goldensIn(paths: readonly string[]): string[] {
  return paths
    .flatMap((given) => {
      if (!statSync(given).isDirectory()) return [given];
      const inside = readdirSync(given, { recursive: true, encoding: 'utf8' });
      return inside.filter((name) => name.endsWith('.safetensors')).map((name) => path.join(given, name));
    })
    .toSorted();
}

/** Reads a golden file; see {@link parseGolden}. */
export function readGolden(file: string): Golden {
  return parseGolden(readFileSync(file), file);
}
