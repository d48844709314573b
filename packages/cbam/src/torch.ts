import { BlockError, reducedChannels } from '@saccade/core';
import { checkDerived, fromStateDict, prefixed, readArguments, type NameMap, type TorchSource } from '@saccade/core/torch';
import {
  cbam,
  channelGate,
  spatialGate,
  type CBAM,
  type ChannelGate,
  type ChannelGateOptions,
  type ChannelGatePool,
  type SpatialGate,
} from './index.js';

/** The arguments of the official `ChannelGate`. */
export interface ChannelGateArguments {
  gate_channels: number;
  /** Default: 16. */
  reduction_ratio?: number;
  /** Default: `['avg', 'max']`. */
  pool_types?: readonly ('avg' | 'max' | 'lp' | 'lse')[];
  /** What gate_channels and reduction_ratio make: refused where it contradicts them. */
  hidden?: number;
}

/** The arguments of the official `SpatialGate`, whose kernel size is written into its code. */
export interface SpatialGateArguments {
  /** Default: 7. */
  kernel_size?: number;
}

/** The arguments of the official `CBAM`. */
export interface CBAMArguments extends ChannelGateArguments, SpatialGateArguments {
  /** Default: false. */
  no_spatial?: boolean;
  /** The same the other way round. Default: true. */
  spatial?: boolean;
}

const CHANNEL_ARGUMENTS = ['gate_channels', 'reduction_ratio', 'pool_types', 'hidden'] as const;
const CHANNEL_NAMES: NameMap = { reduce: 'mlp.1', expand: 'mlp.3' };
const SPATIAL_NAMES: NameMap = { conv: 'spatial.conv', norm: 'spatial.bn' };

/**
 * A {@link CBAM} layer from the official PyTorch module.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<CBAMArguments>): CBAM {
  const known = [...CHANNEL_ARGUMENTS, 'kernel_size', 'no_spatial', 'spatial'] as const;
  const { no_spatial, spatial, kernel_size, ...channel } = readArguments('CBAM', config, known, ['gate_channels']);
  if (spatial !== undefined && no_spatial === spatial) {
    throw new BlockError(`CBAM: spatial and no_spatial are both ${spatial}, but say the opposite of each other. Give one of them.`);
  }
  const layer = cbam({ ...channelOptions('CBAM', channel), spatial: spatial ?? !no_spatial, kernelSize: kernel_size ?? 7 });
  const names = { ...prefixed('channelGate', 'ChannelGate', CHANNEL_NAMES), ...prefixed('spatialGate', 'SpatialGate', SPATIAL_NAMES) };
  return fromStateDict(layer, [null, null, null, config.gate_channels], state, names);
}

/**
 * A {@link ChannelGate} layer from the official PyTorch module of that name.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function channelGateFromTorch({ config, state }: TorchSource<ChannelGateArguments>): ChannelGate {
  const options = channelOptions('ChannelGate', readArguments('ChannelGate', config, CHANNEL_ARGUMENTS, ['gate_channels']));
  return fromStateDict(channelGate(options), [null, null, null, config.gate_channels], state, CHANNEL_NAMES);
}

/**
 * A {@link SpatialGate} layer from the official PyTorch module of that name.
 *
 * @param channels of the maps that the layer will be used on, which the official module does not know
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function spatialGateFromTorch({ config, state }: TorchSource<SpatialGateArguments>, channels: number): SpatialGate {
  const { kernel_size } = readArguments('SpatialGate', config, ['kernel_size']);
  return fromStateDict(spatialGate({ kernelSize: kernel_size ?? 7 }), [null, null, null, channels], state, SPATIAL_NAMES);
}

function channelOptions(
  module: string,
  { gate_channels, reduction_ratio = 16, pool_types = ['avg', 'max'], hidden }: ChannelGateArguments,
): ChannelGateOptions {
  const units = reducedChannels(module, gate_channels, { reduction: reduction_ratio });
  checkDerived(module, 'hidden', hidden, units, { gate_channels, reduction_ratio });
  return { reduction: reduction_ratio, pools: pool_types.map((type) => (type === 'lse' ? 'logSumExp' : type) satisfies ChannelGatePool) };
}
