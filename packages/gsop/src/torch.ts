import { BlockError, either, show } from '@saccade/core';
import { checkDerived, fromStateDict, prefixed, readArguments, type NameMap, type TorchSource } from '@saccade/core/torch';
import {
  globalSecondOrderBottleneck,
  globalSecondOrderPooling,
  positionSecondOrderPooling,
  type GlobalSecondOrderBottleneck,
  type GlobalSecondOrderPooling,
  type PositionSecondOrderPooling,
} from './index.js';

/** What the official code's attention is called in ours. */
const ATTENTIONS = { '1': 'channel', '2': 'position', '+': 'sum', M: 'max' } as const;

/** The arguments of the official `Bottleneck`. */
export interface BottleneckArguments {
  inplanes: number;
  planes: number;
  /** Default: 1. Where it is more, or where `inplanes` is not 4·`planes`, the module has a `downsample` of a convolution and a batch norm. */
  stride?: number;
  /** Default: `'1'`, the code's "default mode"; its constructor's own default, `'0'`, is a bottleneck without GSoP. */
  attention?: keyof typeof ATTENTIONS;
  /** Default: 128. */
  att_dim?: number;
  /** Derived: 4·`planes`. */
  channels?: number;
  /** Derived: 2 for up to 64 planes, else 1. */
  dr_stride?: number;
}

/** What the official `Bottleneck` makes its `chan_att` with. */
export interface ChannelAttentionArguments {
  /** 4·`planes`. */
  channels: number;
  /** Default: 128. */
  att_dim?: number;
  /** Default: 2 for up to 256 channels, else 1. */
  dr_stride?: number;
}

/** What the official `Bottleneck` makes its `pos_att` with. */
export interface PositionAttentionArguments {
  /** 4·`planes`. */
  channels: number;
  /** Default: 128. */
  att_dim?: number;
}

/**
 * A {@link GlobalSecondOrderBottleneck} layer from the official `Bottleneck`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function globalSecondOrderBottleneckFromTorch({ config, state }: TorchSource<BottleneckArguments>): GlobalSecondOrderBottleneck {
  const known = ['inplanes', 'planes', 'stride', 'attention', 'att_dim', 'channels', 'dr_stride'] as const;
  const {
    inplanes,
    planes,
    stride,
    attention = '1',
    att_dim,
    channels,
    dr_stride,
  } = readArguments('Bottleneck', config, known, ['inplanes', 'planes']);
  const filters = 4 * planes;
  checkDerived('Bottleneck', 'channels', channels, filters, { planes });
  if (!Object.hasOwn(ATTENTIONS, attention)) {
    throw new BlockError(`Bottleneck: attention is ${show(attention)}, but must be ${either(Object.keys(ATTENTIONS).map(show))}, as strings.`);
  }
  const layer = globalSecondOrderBottleneck({
    filters,
    stride: stride ?? 1,
    attention: ATTENTIONS[attention],
    width: att_dim ?? 128,
    reductionStride: dr_stride ?? null,
  });
  return fromStateDict(layer, [null, null, null, inplanes], state, BOTTLENECK);
}

/**
 * A {@link GlobalSecondOrderPooling} layer from what the official `Bottleneck.chan_att` uses, the keys from `conv_for_DR` to `fc_adapt_channels`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function globalSecondOrderPoolingFromTorch({ config, state }: TorchSource<ChannelAttentionArguments>): GlobalSecondOrderPooling {
  const { channels, att_dim, dr_stride } = readArguments('chan_att', config, ['channels', 'att_dim', 'dr_stride'], ['channels']);
  const layer = globalSecondOrderPooling({ width: att_dim ?? 128, reductionStride: dr_stride ?? null });
  return fromStateDict(layer, [null, null, null, channels], state, CHANNEL);
}

/**
 * A {@link PositionSecondOrderPooling} layer from what the official `Bottleneck.pos_att` uses, the keys that end in `spatial`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function positionSecondOrderPoolingFromTorch({ config, state }: TorchSource<PositionAttentionArguments>): PositionSecondOrderPooling {
  const { channels, att_dim } = readArguments('pos_att', config, ['channels', 'att_dim'], ['channels']);
  return fromStateDict(positionSecondOrderPooling({ width: att_dim ?? 128 }), [null, null, null, channels], state, POSITION);
}

/**
 * The layer of the whole official `Bottleneck` or of its `chan_att` alone, told apart by their arguments: only the former has `planes`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({
  config,
  state,
}: TorchSource<BottleneckArguments | ChannelAttentionArguments>): GlobalSecondOrderBottleneck | GlobalSecondOrderPooling {
  if ('planes' in config) return globalSecondOrderBottleneckFromTorch({ config, state });
  if ('channels' in config) return globalSecondOrderPoolingFromTorch({ config, state });
  throw new BlockError(
    `GSoP: received the arguments ${show(config)}. Give "inplanes" and "planes" for a Bottleneck, or "channels" for its chan_att.`,
  );
}

const CHANNEL: NameMap = {
  reduce: 'conv_for_DR',
  reduceNorm: 'bn_for_DR',
  rowNorm: 'row_bn',
  rowConv: 'row_conv_group',
  expand: 'fc_adapt_channels',
};

const POSITION: NameMap = {
  reduce: 'conv_for_DR_spatial',
  reduceNorm: 'bn_for_DR_spatial',
  rowNorm: 'row_bn_for_spatial',
  rowConv: 'row_conv_group_for_spatial',
  expand: 'fc_adapt_channels_for_spatial',
};

const BOTTLENECK: NameMap = {
  'reduce/conv': 'conv1',
  'reduce/norm': 'bn1',
  'conv/conv': 'conv2',
  'conv/norm': 'bn2',
  'expand/conv': 'conv3',
  'expand/norm': 'bn3',
  'shortcut/conv': 'downsample.0',
  'shortcut/norm': 'downsample.1',
  ...prefixed('channel', '', CHANNEL),
  ...prefixed('position', '', POSITION),
};
