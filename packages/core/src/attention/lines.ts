import { engine, type Tensor4D } from '@tensorflow/tfjs-core';
import { fusedAttendLines, type AttendLinesInputs } from '../kernels/attend-lines.js';

/** Queries, keys and values of a map, and what there is at distances from −(L − 1) to L − 1 along one of its axes, of length L. */
export type DistanceAttention = AttendLinesInputs;

/**
 * Position-sensitive attention along the lines of a map (Wang et al. 2020, equation 4) in one pass, where a kernel of ours does that: at inference, on
 * wasm, for heads of 8 or more values, a multiple of 4. Σ_j a_ij·(valueFactors·v_j + value[j − i]), where a is the softmax over j of
 * f₀·(q_i·k_j) + f₁·(q_i·query[j − i]) + f₂·(k_j·key[i − j]).
 *
 * @param axis of the map, that its lines lie along: 1 for columns, 2 for rows
 * @returns `[N, H, W, heads·E]`, or undefined where it has to be composed
 */
export function attendLines(inputs: DistanceAttention, axis: 1 | 2): Tensor4D | undefined {
  return attendsLines() ? (fusedAttendLines(inputs, { axis }) as Tensor4D | undefined) : undefined;
}

/** Whether {@link attendLines} can be done now, of heads that it takes. */
export function attendsLines(): boolean {
  return !engine().isTapeOn() && fusedAttendLines.isAvailable();
}
