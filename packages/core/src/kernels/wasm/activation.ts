import type { Activation } from '../../activations.js';

const KINDS: Readonly<Record<Activation, number>> = { relu: 1, relu6: 2, silu: 3, hardSwish: 4, leakyRelu: 5 };

/** What our program calls an activation, in layers/activate.as; 0 is none. */
export function kindOf(activation: Activation | undefined): number {
  return activation ? KINDS[activation] : 0;
}

/** Whether that does no more than keep a value within bounds. */
export function isBounds(kind: number): boolean {
  return kind < KINDS.silu;
}
