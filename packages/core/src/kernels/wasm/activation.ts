import type { Activation } from '../../activations.js';

const KINDS: Readonly<Record<Activation, number>> = { relu: 1, relu6: 2, silu: 3, hardSwish: 4, leakyRelu: 5 };

/** What our programs call an activation, in common/activate.as; 0 is none. */
export function kindOf(activation: Activation | undefined): number {
  return activation ? KINDS[activation] : 0;
}
