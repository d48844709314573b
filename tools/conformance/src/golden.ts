import { readSafetensors, type StateDict } from '@saccade/core/torch';

/** One run of an official implementation. */
export interface Golden {
  /** `<block>/<case>`. */
  readonly name: string;
  /** The official block, as the files name it. */
  readonly block: string;
  /** The official constructor's arguments. */
  readonly config: object;
  /** All tensors of the file, in PyTorch's layouts. */
  readonly tensors: StateDict;
}

/**
 * Reads the bytes of a golden file.
 *
 * @param file the file's name, for messages, and for the case where it does not say its own
 * @throws where it is no safetensors file, or lacks the metadata of a golden
 */
export function parseGolden(bytes: Uint8Array, file: string): Golden {
  const { metadata, tensors } = readSafetensors(bytes);
  const { block, config } = metadata;
  if (!block || !config)
    throw new Error(`${file} is no golden: its metadata has the keys ${Object.keys(metadata).join(', ') || 'none'}, but must have block and config.`);
  const name = file.replace(/^.*\//, '').replace('.safetensors', '');
  return { name: `${block}/${metadata['case'] ?? name}`, block, config: JSON.parse(config) as object, tensors };
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
