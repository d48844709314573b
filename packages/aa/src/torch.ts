import { BlockError } from '@saccade/core';
import { fromStateDict, kernelFromTensorFlow, readArguments, type StateDict, type TorchSource } from '@saccade/core/torch';
import { attentionAugmentedConv, type AttentionAugmentedConv } from './index.js';

/** The arguments of the paper's `augmented_conv2d`, and the channels of its input. */
export interface AttentionAugmentedConvArguments {
  in_channels: number;
  Fout: number;
  /** Side of the kernel. */
  kernel: number;
  dk: number;
  dv: number;
  Nh: number;
  relative: boolean;
}

const ARGUMENTS = ['in_channels', 'Fout', 'kernel', 'dk', 'dv', 'Nh', 'relative'] as const;

/** Of our weights, those of TensorFlow's, `/` written as `__`. */
const NAMES = {
  'conv/kernel': 'conv2d__kernel',
  'conv/bias': 'conv2d__bias',
  'kqv/kernel': 'conv2d_1__kernel',
  'kqv/bias': 'conv2d_1__bias',
  'out/kernel': 'conv2d_2__kernel',
  'out/bias': 'conv2d_2__bias',
  'positions/height': 'r_height',
  'positions/width': 'r_width',
};

/**
 * An {@link AttentionAugmentedConv} layer from the TensorFlow code in the paper's appendix: its variables under their names, `conv2d__kernel`, `conv2d_1__kernel`
 * (keys, queries, values), `conv2d_2__kernel`, their biases, `r_height` and `r_width`, in TensorFlow's layouts.
 *
 * @throws BlockError for an unknown argument, or weights that do not fit
 */
export function fromTensorFlow({ config, state }: TorchSource<AttentionAugmentedConvArguments>): AttentionAugmentedConv {
  const { in_channels, Fout, kernel, dk, dv, Nh, relative } = readArguments('augmented_conv2d', config, ARGUMENTS, ARGUMENTS);
  const layer = attentionAugmentedConv({
    filters: Fout,
    kernelSize: kernel,
    heads: Nh,
    keyChannels: dk,
    valueChannels: dv,
    positions: relative ? 'relative' : 'none',
  });
  const size = relative ? [sizeOf('r_height', state), sizeOf('r_width', state)] : [null, null];
  return fromStateDict(layer, [null, ...size, in_channels], inTorchLayout(state), NAMES);
}

/** The height or width that a table `[2·size − 1, d_k / heads]` is for. */
function sizeOf(table: string, state: StateDict): number {
  const length = state[table]?.shape[0];
  if (length === undefined) throw new BlockError(`augmented_conv2d: "${table}" is missing, but relative is true. Add it, or set relative to false.`);
  return (length + 1) / 2;
}

function inTorchLayout(state: StateDict): StateDict {
  return Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, name.endsWith('kernel') ? kernelFromTensorFlow(tensor) : tensor]));
}
