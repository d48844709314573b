import { fromStateDict, readArguments, type TorchSource } from '@saccade/core/torch';
import { doubleAttention, type DoubleAttention } from './index.js';

/** The arguments of nguyenvo09's `DoubleAttentionLayer`. */
export interface DoubleAttentionLayerArguments {
  in_channels: number;
  c_m: number;
  c_n: number;
  /** Default: false. */
  reconstruct?: boolean;
}

/**
 * A {@link DoubleAttention} layer from nguyenvo09's `DoubleAttentionLayer`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<DoubleAttentionLayerArguments>): DoubleAttention {
  const { in_channels, c_m, c_n, reconstruct } = readArguments(
    'DoubleAttentionLayer',
    config,
    ['in_channels', 'c_m', 'c_n', 'reconstruct'],
    ['in_channels', 'c_m', 'c_n'],
  );
  const layer = doubleAttention({ valueChannels: c_m, descriptors: c_n, reconstruct: reconstruct ?? false });
  return fromStateDict(layer, [null, null, null, in_channels], state, {
    value: 'convA',
    gather: 'convB',
    distribute: 'convV',
    reconstruct: 'conv_reconstruct',
  });
}
