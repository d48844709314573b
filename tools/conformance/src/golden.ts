import { readFileSync, readdirSync, statSync } from 'node:fs';
import * as path from 'node:path';
import { readSafetensors, type StateDict } from '@saccade/core/torch';

/** One run of an official implementation. */
export interface Golden {
  /** `<block>/<case>`, or the file's name where it says neither. */
  readonly name: string;
  /** The official block, as the files name it. */
  readonly block: string;
  /** The official constructor's arguments. */
  readonly config: object;
  /** All tensors of the file, in PyTorch's layouts. */
  readonly tensors: StateDict;
}

/** The golden files in some folders and files, sorted by path. */
export function goldensIn(paths: readonly string[]): string[] {
  return paths
    .flatMap((given) =>
      statSync(given).isDirectory()
        ? readdirSync(given, { recursive: true, encoding: 'utf8' })
            .filter((name) => name.endsWith('.safetensors'))
            .map((name) => path.join(given, name))
        : [given],
    )
    .sort();
}

/**
 * Reads a golden file.
 *
 * @throws where it is no safetensors file, or lacks the metadata of a golden
 */
export function readGolden(file: string): Golden {
  const { metadata, tensors } = readSafetensors(readFileSync(file));
  const { block, config } = metadata;
  if (!block || !config) throw new Error(`${file} is no golden: its metadata has the keys ${Object.keys(metadata).join(', ') || 'none'}, but must have block and config.`);
  return { name: `${block}/${metadata['case'] ?? path.basename(file, '.safetensors')}`, block, config: JSON.parse(config) as object, tensors };
}

/** The tensors whose names begin with `prefix`, without it. */
export function under(prefix: string, tensors: StateDict): StateDict {
  return Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  );
}

/** The tensors `name`, `name.1`, `name.2`, …, as far as there are any. */
export function series(name: string, tensors: StateDict): StateDict[string][] {
  const found: StateDict[string][] = [];
  for (let next = tensors[name]; next; next = tensors[`${name}.${found.length}`]) found.push(next);
  return found;
}
