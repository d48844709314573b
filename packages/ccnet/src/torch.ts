import { BlockError, show } from '@saccade/core';
import { fromInPlaceNorms, fromStateDict, prefixed, readArguments, type TorchSource } from '@saccade/core/torch';
import { crissCrossAttention, recurrentCrissCrossHead, type CrissCrossAttention, type RecurrentCrissCrossHead } from './index.js';

/** The arguments of the authors' `CrissCrossAttention`. */
export interface CrissCrossAttentionArguments {
  in_dim: number;
  /** How many times the module is applied. Default: 1. */
  recurrence?: number;
  /** Derived: `in_dim // 8`. */
  key_channels?: number;
}

/** The arguments of the authors' `RCCAModule`. */
export interface RCCAModuleArguments {
  in_channels: number;
  out_channels: number;
  num_classes: number;
  /** Of the module's `forward`. Default: 1. */
  recurrence?: number;
  /** Derived: `in_channels // 4`. */
  inter_channels?: number;
  /** The rate of the module's `Dropout2d`, which is always 0.1 there. Default: 0, a layer that computes the same each time; 0.1 to train on as the authors do. */
  dropout?: number;
  /** Whether the module was made with InPlaceABN, as the released ones are, which scales by |weight| + 1e-5. Default: false. */
  inplace_abn?: boolean;
}

/**
 * A {@link CrissCrossAttention} layer from the authors' `CrissCrossAttention`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function crissCrossAttentionFromTorch({ config, state }: TorchSource<CrissCrossAttentionArguments>): CrissCrossAttention {
  const { in_dim, recurrence, key_channels } = readArguments('CrissCrossAttention', config, ['in_dim', 'recurrence', 'key_channels'], ['in_dim']);
  const layer = crissCrossAttention({ recurrence: recurrence ?? 1, keyChannels: key_channels ?? null });
  return fromStateDict(layer, [null, null, null, in_dim], state, ATTENTION);
}

/**
 * A {@link RecurrentCrissCrossHead} layer from the authors' `RCCAModule`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function recurrentCrissCrossHeadFromTorch({ config, state }: TorchSource<RCCAModuleArguments>): RecurrentCrissCrossHead {
  const { in_channels, out_channels, num_classes, recurrence, inter_channels, dropout, inplace_abn } = readArguments(
    'RCCAModule',
    config,
    ['in_channels', 'out_channels', 'num_classes', 'recurrence', 'inter_channels', 'dropout', 'inplace_abn'],
    ['in_channels', 'out_channels', 'num_classes'],
  );
  const layer = recurrentCrissCrossHead({
    classes: num_classes,
    width: inter_channels ?? null,
    outChannels: out_channels,
    recurrence: recurrence ?? 1,
    dropout: dropout ?? 0,
  });
  return fromStateDict(layer, [null, null, null, in_channels], inplace_abn ? fromInPlaceNorms(state) : state, HEAD);
}

/**
 * The layer of either module, told apart by its arguments: `in_dim` is the attention's, `in_channels` the head's.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({
  config,
  state,
}: TorchSource<CrissCrossAttentionArguments | RCCAModuleArguments>): CrissCrossAttention | RecurrentCrissCrossHead {
  if ('in_dim' in config) return crissCrossAttentionFromTorch({ config, state });
  if ('in_channels' in config) return recurrentCrissCrossHeadFromTorch({ config, state });
  throw new BlockError(`CCNet: received the arguments ${show(config)}. Give "in_dim" for a CrissCrossAttention, or "in_channels" for an RCCAModule.`);
}

const ATTENTION = { query: 'query_conv', key: 'key_conv', value: 'value_conv', gamma: 'gamma' };

const HEAD = {
  'reduce/conv': 'conva.0',
  'reduce/norm': 'conva.1',
  ...prefixed('attention', 'cca', ATTENTION),
  'refine/conv': 'convb.0',
  'refine/norm': 'convb.1',
  'fuse/conv': 'bottleneck.0',
  'fuse/norm': 'bottleneck.1',
  classify: 'bottleneck.3',
};
