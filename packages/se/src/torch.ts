import { fromStateDict, readArguments, type TorchSource } from '@saccade/core/torch';
import { squeezeExcite, type SqueezeExcite, type SqueezeExciteOptions } from './index.js';

/** The arguments of timm's `SEModule`. torchvision's `SqueezeExcitation(input, squeeze)` is `{channels, rd_channels}`. */
export interface SEModuleArguments {
  channels: number;
  rd_ratio?: number;
  rd_channels?: number;
  rd_divisor?: number;
  bias?: boolean;
  act?: 'relu' | 'silu';
  gate?: 'sigmoid' | 'hard_sigmoid';
  /** Of the ports that write `channels // reduction`. */
  reduction?: number;
}

/**
 * A {@link SqueezeExcite} layer from a PyTorch module with the keys `fc1` and `fc2`, or `fc.0` and `fc.2`; kernels as of linear layers or 1×1 convolutions.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<SEModuleArguments>): SqueezeExcite {
  const known = ['channels', 'rd_ratio', 'rd_channels', 'rd_divisor', 'bias', 'act', 'gate', 'reduction'] as const;
  const { channels, bias, act = 'relu', gate = 'sigmoid' } = readArguments('SEModule', config, known, ['channels']);
  const names = 'fc.0.weight' in state ? { reduce: 'fc.0', expand: 'fc.2' } : { reduce: 'fc1', expand: 'fc2' };
  const layer = squeezeExcite({
    ...bottleneck(config),
    useBias: bias ?? `${names.reduce}.bias` in state,
    activation: act,
    gate: gate === 'hard_sigmoid' ? 'hardSigmoid' : gate,
  });
  return fromStateDict(layer, [null, null, null, channels], state, names);
}

function bottleneck({ channels, rd_ratio = 1 / 16, rd_channels, rd_divisor = 8, reduction }: SEModuleArguments): SqueezeExciteOptions {
  if (rd_channels !== undefined) return { width: rd_channels };
  if (reduction !== undefined) return { reduction };
  // timm's make_divisible, which multiplies by the ratio: dividing by its inverse may round to another width.
  return { width: Math.max(rd_divisor, Math.floor((channels * rd_ratio) / rd_divisor + 1 / 2) * rd_divisor) };
}
