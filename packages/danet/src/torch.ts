import { fromStateDict, prefixed, readArguments, type TorchSource } from '@saccade/core/torch';
import {
  channelAffinityAttention,
  dualAttentionHead,
  positionAttention,
  type ChannelAffinityAttention,
  type DualAttentionHead,
  type PositionAttention,
} from './index.js';

/** The arguments of the authors' `PAM_Module`. */
export interface PAMModuleArguments {
  in_dim: number;
  /** Derived: `in_dim // 8`. */
  key_channels?: number;
}

/** The arguments of the authors' `CAM_Module`. */
export interface CAMModuleArguments {
  in_dim: number;
}

/** The arguments of the authors' `DANetHead`. */
export interface DANetHeadArguments {
  in_channels: number;
  /** The module's `out_channels`, which the network around it gives as its `nclass`. */
  nclass: number;
  /** Derived: `in_channels // 4`. */
  inter_channels?: number;
  /** The rate of the module's `Dropout2d`, which is always 0.1 there. Default: 0, a layer that computes the same each time; 0.1 to train on as the authors do. */
  dropout?: number;
}

/**
 * A {@link PositionAttention} layer from the authors' `PAM_Module`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function positionAttentionFromTorch({ config, state }: TorchSource<PAMModuleArguments>): PositionAttention {
  const { in_dim, key_channels } = readArguments('PAM_Module', config, ['in_dim', 'key_channels'], ['in_dim']);
  return fromStateDict(positionAttention({ keyChannels: key_channels ?? null }), [null, null, null, in_dim], state, PAM);
}

/**
 * A {@link ChannelAffinityAttention} layer from the authors' `CAM_Module`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function channelAffinityAttentionFromTorch({ config, state }: TorchSource<CAMModuleArguments>): ChannelAffinityAttention {
  const { in_dim } = readArguments('CAM_Module', config, ['in_dim'], ['in_dim']);
  return fromStateDict(channelAffinityAttention(), [null, null, null, in_dim], state, CAM);
}

/**
 * A {@link DualAttentionHead} layer from the authors' `DANetHead`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function dualAttentionHeadFromTorch({ config, state }: TorchSource<DANetHeadArguments>): DualAttentionHead {
  const { in_channels, nclass, inter_channels, dropout } = readArguments(
    'DANetHead',
    config,
    ['in_channels', 'nclass', 'inter_channels', 'dropout'],
    ['in_channels', 'nclass'],
  );
  const layer = dualAttentionHead({ classes: nclass, width: inter_channels ?? null, dropout: dropout ?? 0 });
  return fromStateDict(layer, [null, null, null, in_channels], state, HEAD);
}

const PAM = { query: 'query_conv', key: 'key_conv', value: 'value_conv', gamma: 'gamma' };

const CAM = { gamma: 'gamma' };

const HEAD = {
  'position/reduce/conv': 'conv5a.0',
  'position/reduce/norm': 'conv5a.1',
  ...prefixed('position/attention', 'sa', PAM),
  'position/refine/conv': 'conv51.0',
  'position/refine/norm': 'conv51.1',
  'position/classify': 'conv6.1',
  'channel/reduce/conv': 'conv5c.0',
  'channel/reduce/norm': 'conv5c.1',
  ...prefixed('channel/attention', 'sc', CAM),
  'channel/refine/conv': 'conv52.0',
  'channel/refine/norm': 'conv52.1',
  'channel/classify': 'conv7.1',
  classify: 'conv8.1',
};
