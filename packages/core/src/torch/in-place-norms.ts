import type { StateDict } from './state-dict.js';

const EPSILON = 1e-5;

/**
 * The state dict of a module whose batch norms are InPlaceABN (Rota Bulò et al. 2018), which scales by |weight| + 1e-5, as that of the same
 * module with plain batch norms, which scale by the weight. Batch norms are known by their running means.
 */
export function fromInPlaceNorms(state: StateDict): StateDict {
  const isScale = (name: string) => name.endsWith('.weight') && name.replace(/weight$/, 'running_mean') in state;
  const entries = Object.entries(state).map(([name, tensor]) => {
    const plain = isScale(name) ? { ...tensor, data: tensor.data.map((weight) => Math.abs(weight) + EPSILON) } : tensor;
    return [name, plain] as const;
  });
  return Object.fromEntries(entries);
}
