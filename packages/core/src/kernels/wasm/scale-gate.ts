import type { Gate } from '../../activations.js';
import { SCALE_GATE } from './scale-gate-binary.js';
import { programOf } from './program.js';

/** scale-gate.as */
interface GateProgram {
  readonly constantBytes: () => number;
  readonly storeConstants: (to: number) => void;
  readonly activate: (logits: number, count: number, activation: number, factor: number, to: number, constants: number) => void;
  readonly slopesOfSigmoid: (gates: number, count: number, factor: number, to: number, constants: number) => void;
  readonly multiplySlopes: (sums: number, logits: number, count: number, activation: number, factor: number, constants: number) => void;
  readonly softmaxOfRows: (logits: number, branches: number, channels: number, to: number, constants: number) => void;
}

export const gateProgram = programOf<GateProgram>(SCALE_GATE);

const KINDS = { sigmoid: 1, hardSigmoid: 2 } as const satisfies Record<Gate, number>;

/** What the program calls an activation; 0 is none. */
export function gateKind(activation: Gate | undefined): number {
  return activation ? KINDS[activation] : 0;
}
