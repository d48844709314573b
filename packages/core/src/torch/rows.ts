import { sizeOf } from '../shapes.js';
import type { StateDict } from './state-dict.js';

/**
 * A state dict with a tensor parted by its rows, the first axis: for layers that have several weights where the module has one, as with those of
 * queries, keys and values. Part `query` of `qkv.weight` is then `qkv.weight[query]`.
 *
 * @param parts what the parts are called, and how many rows each has; a tensor that is absent, or has another number of rows, is left alone
 */
export function splitRows(state: StateDict, key: string, parts: Readonly<Record<string, number>>): StateDict {
  const { [key]: whole, ...others } = state;
  if (!whole || whole.shape[0] !== Object.values(parts).reduce((sum, rows) => sum + rows, 0)) return state;
  const row = whole.shape.slice(1);
  let begin = 0;
  const split = Object.entries(parts).map(([name, rows]) => {
    const data = whole.data.subarray(begin, (begin += rows * sizeOf(row)));
    return [`${key}[${name}]`, { shape: [rows, ...row], data }] as const;
  });
  return { ...others, ...Object.fromEntries(split) };
}
