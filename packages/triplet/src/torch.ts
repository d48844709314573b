import { fromStateDict, readArguments, type NameMap, type TorchSource } from '@saccade/core/torch';
import { tripletAttention, type TripletAttention } from './index.js';

/** The arguments of the official `TripletAttention`, whose kernel size is written into its code. */
export interface TripletAttentionArguments {
  /** Default: false. */
  no_spatial?: boolean;
  /** Default: 7. */
  kernel_size?: number;
  /** Of the older copy in `MODELS/`, which ignores it, as it does the next two. */
  gate_channels?: number;
  reduction_ratio?: number;
  pool_types?: readonly string[];
}

/**
 * A {@link TripletAttention} layer from the official PyTorch module, with the keys of the repository's root (`cw`, `hc`, `hw`) or of `MODELS/`, which
 * the released networks have (`ChannelGateH`, `ChannelGateW`, `SpatialGate`). Like the module it takes maps of any number of channels.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<TripletAttentionArguments>): TripletAttention {
  const known = ['no_spatial', 'kernel_size', 'gate_channels', 'reduction_ratio', 'pool_types'] as const;
  const { no_spatial = false, kernel_size = 7 } = readArguments('TripletAttention', config, known);
  const names = 'ChannelGateH.spatial.conv.weight' in state ? MODELS_NAMES : ROOT_NAMES;
  return fromStateDict(tripletAttention({ kernelSize: kernel_size, spatial: !no_spatial }), [null, null, null, 1], state, names);
}

const ROOT_NAMES = namesOf({ width: 'cw.conv', height: 'hc.conv', spatial: 'hw.conv' });
const MODELS_NAMES = namesOf({ width: 'ChannelGateH.spatial', height: 'ChannelGateW.spatial', spatial: 'SpatialGate.spatial' });

function namesOf(branches: Record<string, string>): NameMap {
  return Object.fromEntries(
    Object.entries(branches).flatMap(([ours, theirs]) => [
      [`${ours}/conv`, `${theirs}.conv`],
      [`${ours}/norm`, `${theirs}.bn`],
    ]),
  );
}
