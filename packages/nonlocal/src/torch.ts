import { BlockError, either, show } from '@saccade/core';
import { fromStateDict, readArguments, type NameMap, type StateDict, type TorchSource } from '@saccade/core/torch';
import { nonLocal, type Mode, type NonLocal, type NonLocalOptions } from './index.js';

const MODES = {
  embedded_gaussian: 'embeddedGaussian',
  gaussian: 'gaussian',
  dot_product: 'dotProduct',
  concatenation: 'concatenation',
} as const satisfies Record<string, Mode>;

/** The arguments of AlexHex7's `NONLocalBlock1D`, `2D` and `3D`; `mode` says from which of its files. */
export interface NonLocalBlockArguments {
  in_channels: number;
  /** Default: half of `in_channels`. */
  inter_channels?: number;
  /** Default: `embedded_gaussian`. */
  mode?: keyof typeof MODES;
  /** 1, 2 or 3. Default: 3. */
  dimension?: number;
  /** Default: true. */
  sub_sample?: boolean;
  /** Default: true. */
  bn_layer?: boolean;
  /** Follows from `mode`. */
  scale?: string | number;
  /** Follows from `sub_sample`. */
  pool?: string;
}

/** The arguments of mmcv's `NonLocal1d`, `2d` and `3d`. */
export interface MmcvArguments {
  in_channels: number;
  /** Default: 2. */
  reduction?: number;
  /** Default: `embedded_gaussian`. */
  mode?: keyof typeof MODES;
  /** 1, 2 or 3. Default: 2. */
  dimension?: number;
  /** Default: true. */
  use_scale?: boolean;
  /** Default: null. */
  norm_cfg?: { type: string; eps?: number } | null;
  /** Default: false. */
  sub_sample?: boolean;
  /** Follows from `reduction`. */
  inter_channels?: number;
  /** Follows from `mode` and `use_scale`. */
  scale?: string | number;
}

/** The arguments of `add_nonlocal` and `add_nonlocal_group` of video-nonlocal-net, and its `cfg.NONLOCAL`. */
export interface Caffe2Arguments {
  dim_in: number;
  /** Default: half of `dim_in`. */
  dim_inner?: number;
  /** Frames a group, or null for no groups. Default: null. */
  group_size?: number | null;
  /** Default: 0. */
  NO_BIAS?: number | boolean;
  /** Default: true. */
  USE_MAXPOOL?: boolean;
  /** Default: true. */
  USE_SOFTMAX?: boolean;
  /** How the weights start; a state dict replaces them. Default: false. */
  USE_ZERO_INIT_CONV?: boolean;
  /** Default: true. */
  USE_BN?: boolean;
  /** Default: true. */
  USE_SCALE?: boolean;
  /** Default: false. */
  USE_AFFINE?: boolean;
  /** Default: 1.0000001e-5. */
  BN_EPSILON?: number;
}

/**
 * A {@link NonLocal} layer from AlexHex7's Non-local_pytorch.
 *
 * @throws BlockError for an unknown argument or value, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<NonLocalBlockArguments>): NonLocal {
  const {
    in_channels,
    inter_channels = null,
    mode,
    dimension = 3,
    sub_sample = true,
    bn_layer = true,
  } = readArguments(
    'NONLocalBlock',
    config,
    ['in_channels', 'inter_channels', 'mode', 'dimension', 'sub_sample', 'bn_layer', 'scale', 'pool'],
    ['in_channels'],
  );
  const layer = nonLocal({
    mode: modeOf('NONLocalBlock', mode),
    innerChannels: inter_channels,
    subsample: sub_sample ? 'afterProjections' : 'none',
    norm: bn_layer ? 'batch' : 'none',
  });
  const conv = sub_sample ? '.0' : '';
  return load(layer, dimension, in_channels, state, {
    theta: 'theta',
    phi: `phi${conv}`,
    g: `g${conv}`,
    pair: 'concat_project.0',
    out: bn_layer ? 'W.0' : 'W',
    norm: 'W.1',
  });
}

/**
 * A {@link NonLocal} layer from mmcv.
 *
 * @throws BlockError for an unknown argument or value, or a state dict that does not fit
 */
export function fromMmcv({ config, state }: TorchSource<MmcvArguments>): NonLocal {
  const {
    in_channels,
    reduction = 2,
    mode,
    dimension = 2,
    use_scale = true,
    norm_cfg = null,
    sub_sample = false,
  } = readArguments(
    'mmcv NonLocal',
    config,
    ['in_channels', 'reduction', 'mode', 'dimension', 'use_scale', 'norm_cfg', 'sub_sample', 'inter_channels', 'scale'],
    ['in_channels'],
  );
  const ours = modeOf('mmcv NonLocal', mode);
  const conv = sub_sample ? '.0.conv' : '.conv';
  const layer = nonLocal({
    mode: ours,
    reduction,
    subsample: sub_sample ? 'afterProjections' : 'none',
    useScale: use_scale && ours === 'embeddedGaussian',
    ...(norm_cfg ? batchNormOf(norm_cfg) : { norm: 'none' }),
  });
  return load(layer, dimension, in_channels, state, {
    theta: 'theta.conv',
    phi: `phi${conv}`,
    g: `g${conv}`,
    pair: 'concat_project.conv',
    out: 'conv_out.conv',
    norm: 'conv_out.bn',
  });
}

/**
 * A {@link NonLocal} layer from the official Caffe2 code. Blobs are found by their names' ends: `…_theta_w`, `…_bn_s` and so on.
 *
 * @throws BlockError for an unknown argument, arguments that contradict each other, or a state dict that does not fit
 */
export function fromCaffe2({ config, state }: TorchSource<Caffe2Arguments>): NonLocal {
  const {
    dim_in,
    dim_inner = null,
    group_size = null,
    NO_BIAS = 0,
    USE_MAXPOOL = true,
    USE_SOFTMAX = true,
    USE_BN = true,
    USE_SCALE = true,
    USE_AFFINE = false,
    BN_EPSILON = 1.0000001e-5,
  } = readArguments(
    'spacetime_nonlocal',
    config,
    [
      'dim_in',
      'dim_inner',
      'group_size',
      'NO_BIAS',
      'USE_MAXPOOL',
      'USE_SOFTMAX',
      'USE_ZERO_INIT_CONV',
      'USE_BN',
      'USE_SCALE',
      'USE_AFFINE',
      'BN_EPSILON',
    ],
    ['dim_in'],
  );
  if (USE_BN && USE_AFFINE) {
    throw new BlockError(
      'spacetime_nonlocal: USE_BN and USE_AFFINE are both true, but they take the same weights. Set USE_BN to false for frozen statistics, else USE_AFFINE.',
    );
  }
  const layer = nonLocal({
    mode: USE_SOFTMAX ? 'embeddedGaussian' : 'dotProduct',
    innerChannels: dim_inner,
    subsample: USE_MAXPOOL ? 'beforeProjections' : 'none',
    useScale: USE_SOFTMAX && USE_SCALE,
    norm: USE_BN ? 'batch' : USE_AFFINE ? 'affine' : 'none',
    epsilon: BN_EPSILON,
    useBias: !NO_BIAS,
    groupSize: group_size,
  });
  const end = '_theta_w';
  const prefix =
    Object.keys(state)
      .find((key) => key.endsWith(end))
      ?.slice(0, -end.length) ?? 'nonlocal';
  const convs = ['theta', 'phi', 'g', 'out'].map((part) => [
    [`${part}/kernel`, `${prefix}_${part}_w`],
    [`${part}/bias`, `${prefix}_${part}_b`],
  ]);
  return load(layer, 3, dim_in, state, {
    ...Object.fromEntries(convs.flat()),
    'norm/gamma': `${prefix}_bn_s`,
    'norm/beta': `${prefix}_bn_b`,
    'norm/movingMean': `${prefix}_bn_rm`,
    'norm/movingVariance': `${prefix}_bn_riv`, // the variance, whatever its name says
  });
}

function load(layer: NonLocal, dimension: number, channels: number, state: StateDict, names: NameMap): NonLocal {
  if (![1, 2, 3].includes(dimension))
    throw new BlockError(`NonLocal: argument "dimension" is ${show(dimension)}, but must be 1, 2 or 3. Give it as the PyTorch constructor got it.`);
  return fromStateDict(layer, [...Array<null>(dimension + 1).fill(null), channels], state, names);
}

function modeOf(module: string, mode: keyof typeof MODES = 'embedded_gaussian'): Mode {
  if (Object.hasOwn(MODES, mode)) return MODES[mode];
  throw new BlockError(
    `${module}: argument "mode" is ${show(mode)}, but must be ${either(Object.keys(MODES).map(show))}. Give it as the PyTorch constructor got it.`,
  );
}

function batchNormOf(config: { type: string; eps?: number }): NonLocalOptions {
  const { type, eps = 1e-5 } = readArguments('norm_cfg', config, ['type', 'eps'], ['type']);
  if (!/^(Sync)?BN([123]d)?$/.test(type))
    throw new BlockError(
      `norm_cfg: argument "type" is ${show(type)}, but only batch norms are understood: "BN", "BN1d", "BN2d", "BN3d", "SyncBN". Convert the weights yourself, and use norm "none".`,
    );
  return { norm: 'batch', epsilon: eps, useOutputBias: false };
}
