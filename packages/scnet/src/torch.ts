import { BlockError, show } from '@saccade/core';
import { checkDerived, fromStateDict, prefixed, readArguments, type NameMap, type StateDict, type TorchSource } from '@saccade/core/torch';
import {
  selfCalibratedBottleneck,
  selfCalibratedConv,
  type SelfCalibratedBottleneck,
  type SelfCalibratedBottleneckShortcut,
  type SelfCalibratedConv,
} from './index.js';

/** The arguments of the official `SCConv`; the defaults are those that `SCBottleneck` gives it. */
export interface SCConvArguments {
  inplanes: number;
  /** As many as `inplanes`: the module runs with no other number. */
  planes?: number;
  /** Default: 1. */
  stride?: number;
  /** As much as `dilation`: the module runs with no other padding. */
  padding?: number;
  /** Default: 1. */
  dilation?: number;
  /** Default: 1. */
  groups?: number;
  /** Default: 4. */
  pooling_r?: number;
}

/** The arguments of the official `SCBottleneck`. */
export interface SCBottleneckArguments {
  inplanes: number;
  planes: number;
  /** Default: 1. */
  stride?: number;
  /** Whether the module has a `downsample`. Default: whether the state dict has one. */
  downsample?: boolean;
  /** Default: 1. */
  cardinality?: number;
  /** Default: 32. */
  bottleneck_width?: number;
  /** Default: false. */
  avd?: boolean;
  /** Default: 1. */
  dilation?: number;
  /** Default: false. */
  is_first?: boolean;
  /** Of the class, not of its constructor. Default: 4. */
  pooling_r?: number;
  /** Derived: the channels of each half. */
  group_width?: number;
}

/**
 * A {@link SelfCalibratedConv} layer from the official `SCConv`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function selfCalibratedConvFromTorch({ config, state }: TorchSource<SCConvArguments>): SelfCalibratedConv {
  const known = ['inplanes', 'planes', 'stride', 'padding', 'dilation', 'groups', 'pooling_r'] as const;
  const { inplanes, planes, stride = 1, padding, dilation = 1, groups = 1, pooling_r = 4 } = readArguments('SCConv', config, known, ['inplanes']);
  checkDerived('SCConv', 'planes', planes, inplanes, { inplanes });
  checkDerived('SCConv', 'padding', padding, dilation, { dilation });
  const layer = selfCalibratedConv({ poolingRate: pooling_r, stride, dilation, groups });
  return fromStateDict(layer, [null, null, null, inplanes], state, CONV);
}

/**
 * A {@link SelfCalibratedBottleneck} layer from the official `SCBottleneck`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function selfCalibratedBottleneckFromTorch({ config, state }: TorchSource<SCBottleneckArguments>): SelfCalibratedBottleneck {
  const {
    inplanes,
    planes,
    stride = 1,
    downsample,
    cardinality = 1,
    bottleneck_width = 32,
    avd = false,
    dilation = 1,
    is_first = false,
    pooling_r = 4,
    group_width,
  } = readArguments(
    'SCBottleneck',
    config,
    ['inplanes', 'planes', 'stride', 'downsample', 'cardinality', 'bottleneck_width', 'avd', 'dilation', 'is_first', 'pooling_r', 'group_width'],
    ['inplanes', 'planes'],
  );
  const width = Math.floor(planes * (bottleneck_width / 64)) * cardinality;
  checkDerived('SCBottleneck', 'group_width', group_width, width, { planes, bottleneck_width, cardinality });
  const shortcut = shortcutOf(state, downsample);
  const layer = selfCalibratedBottleneck({
    filters: 4 * planes,
    bottleneckWidth: bottleneck_width,
    averageDown: avd && (stride > 1 || is_first),
    shortcut,
    poolingRate: pooling_r,
    stride,
    dilation,
    groups: cardinality,
  });
  const first = shortcut === 'pooledProjection' ? 1 : 0; // after its average pooling
  return fromStateDict(layer, [null, null, null, inplanes], state, {
    ...BOTTLENECK,
    'project/conv': `downsample.${first}`,
    'project/norm': `downsample.${first + 1}`,
  });
}

/**
 * The layer of either module, as `module` says.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({
  config,
  state,
}: TorchSource<(SCConvArguments & { module: 'SCConv' }) | (SCBottleneckArguments & { module: 'SCBottleneck' })>):
  | SelfCalibratedConv
  | SelfCalibratedBottleneck {
  const { module, ...rest } = config;
  if (module === 'SCConv') return selfCalibratedConvFromTorch({ config: rest, state });
  if (module === 'SCBottleneck') return selfCalibratedBottleneckFromTorch({ config: rest as SCBottleneckArguments, state });
  throw new BlockError(`SCNet: received the argument "module" as ${show(module)}. Give "SCConv" or "SCBottleneck".`);
}

const CONV: NameMap = {
  'k2/conv': 'k2.1',
  'k2/norm': 'k2.2',
  'k3/conv': 'k3.0',
  'k3/norm': 'k3.1',
  'k4/conv': 'k4.0',
  'k4/norm': 'k4.1',
};

const BOTTLENECK: NameMap = {
  'reduceA/conv': 'conv1_a',
  'reduceA/norm': 'bn1_a',
  'reduceB/conv': 'conv1_b',
  'reduceB/norm': 'bn1_b',
  'k1/conv': 'k1.0',
  'k1/norm': 'k1.1',
  ...prefixed('calibrated', 'scconv', CONV),
  'expand/conv': 'conv3',
  'expand/norm': 'bn3',
};

/** The shortcut of a module: of a v1d network, whose `downsample` starts with an average pooling, the state dict alone tells. */
function shortcutOf(state: StateDict, downsample: boolean | undefined): SelfCalibratedBottleneckShortcut {
  const has = downsample ?? Object.keys(state).some((key) => key.startsWith('downsample.'));
  if (!has) return 'identity';
  return 'downsample.2.weight' in state ? 'pooledProjection' : 'projection';
}
