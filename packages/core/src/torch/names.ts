import type { NameMap } from './from-state-dict.js';

/**
 * The names of a module's weights, as they are where the module is part of another.
 *
 * @param ours the part's path in the layer
 * @param theirs the module's path in the PyTorch module; empty where its weights lie in that module itself
 * @param names from our names to PyTorch's, of the module alone
 */
export function prefixed(ours: string, theirs: string, names: NameMap): NameMap {
  const before = theirs === '' ? '' : `${theirs}.`;
  return Object.fromEntries(Object.entries(names).map(([part, module]) => [`${ours}/${part}`, `${before}${module}`]));
}
