import type { Activation } from '../../activations.js';
import { typeOf, type Lanes } from './contraction.js';

const RESULTS: Readonly<Record<Activation, string>> = {
  relu: 'max(x, T(0.0))',
  relu6: 'clamp(x, T(0.0), T(6.0))',
  // Bounded, since a GPU need not know infinity.
  silu: 'x / (T(1.0) + exp(min(-x, T(80.0))))',
  hardSwish: 'x * clamp(x + T(3.0), T(0.0), T(6.0)) / T(6.0)',
  leakyRelu: 'max(x, T(0.0)) + T(0.01) * min(x, T(0.0))',
};

/** WGSL: the function `activate` of one value or of a vec4; without an activation what it is given. */
export function activateWgsl(activation: Activation | undefined, lanes: Lanes): string {
  const type = typeOf(lanes);
  const result = activation ? RESULTS[activation].replaceAll('T(', `${type}(`) : 'x';
  return `fn activate(x : ${type}) -> ${type} { return ${result}; }`;
}
