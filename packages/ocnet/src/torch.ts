import { BlockError, show } from '@saccade/core';
import {
  checkDerived,
  fromInPlaceNorms,
  fromStateDict,
  prefixed,
  readArguments,
  type NameMap,
  type StateDict,
  type TorchSource,
} from '@saccade/core/torch';
import {
  aspObjectContext,
  baseObjectContext,
  pyramidObjectContext,
  type ASPObjectContext,
  type BaseObjectContext,
  type PyramidObjectContext,
} from './index.js';

/** What stands for more than the constructor's arguments. */
interface CommonArguments {
  /** Whether the module was made with InPlaceABN, as the released ones are, which scales by |weight| + 1e-5. Default: false. */
  inplace_abn?: boolean;
}

/** The arguments of the authors' `BaseOC_Module` and `BaseOC_Context_Module`. */
export interface BaseOCArguments extends CommonArguments {
  /** The authors' class. Default: `BaseOC_Module`. */
  module?: 'BaseOC_Module' | 'BaseOC_Context_Module';
  in_channels: number;
  /** As many as `in_channels`: the modules run with no other number. */
  out_channels?: number;
  key_channels: number;
  value_channels: number;
  /** Default: 0, a layer that computes the same each time. `BaseOC_Context_Module` makes no use of it. */
  dropout?: number;
  /** Default: `[1]`. */
  sizes?: readonly number[];
}

/** The arguments of the authors' `Pyramid_OC_Module`. */
export interface PyramidOCArguments extends CommonArguments {
  in_channels: number;
  /** As many as `in_channels`: the module runs with no other number. */
  out_channels?: number;
  /** Default: 0, a layer that computes the same each time. */
  dropout?: number;
  /** Default: `[1]`. */
  sizes?: readonly number[];
  /** Derived: `in_channels // 2`. */
  key_channels?: number;
  /** Derived: `in_channels`. */
  value_channels?: number;
}

/** The arguments of the authors' `ASP_OC_Module`. */
export interface ASPOCArguments extends CommonArguments {
  features: number;
  /** Default: 256. */
  out_features?: number;
  /** Three of them. Default: `[12, 24, 36]`. */
  dilations?: readonly number[];
  /** The rate of the module's `Dropout2d`, which is always 0.1 there. Default: 0, a layer that computes the same each time; 0.1 to train on as the authors do. */
  dropout?: number;
}

/**
 * A {@link BaseObjectContext} layer from the authors' `BaseOC_Module` or `BaseOC_Context_Module`.
 *
 * @throws BlockError for an unknown or contradictory argument, or a state dict that does not fit
 */
export function baseObjectContextFromTorch({ config, state }: TorchSource<BaseOCArguments>): BaseObjectContext {
  const { module = 'BaseOC_Module', ...rest } = config;
  if (module !== 'BaseOC_Module' && module !== 'BaseOC_Context_Module') {
    throw new BlockError(
      `OCNet: module is ${show(module)}, but must be "BaseOC_Module" or "BaseOC_Context_Module". Give the name of the PyTorch class.`,
    );
  }
  const { in_channels, out_channels, key_channels, value_channels, dropout, sizes, inplace_abn } = readArguments(
    module,
    rest,
    ['in_channels', 'out_channels', 'key_channels', 'value_channels', 'dropout', 'sizes', 'inplace_abn'],
    ['in_channels', 'key_channels', 'value_channels'],
  );
  checkDerived(module, 'out_channels', out_channels, in_channels, { in_channels });
  const concatInput = module === 'BaseOC_Module';
  const layer = baseObjectContext({
    sizes: sizes ?? [1],
    keyChannels: key_channels,
    valueChannels: value_channels,
    concatInput,
    dropout: concatInput ? (dropout ?? 0) : 0,
  });
  return fromStateDict(layer, [null, null, null, in_channels], plain(state, inplace_abn), base(layer.options.sizes));
}

/**
 * A {@link PyramidObjectContext} layer from the authors' `Pyramid_OC_Module`.
 *
 * @throws BlockError for an unknown or contradictory argument, or a state dict that does not fit
 */
export function pyramidObjectContextFromTorch({ config, state }: TorchSource<PyramidOCArguments>): PyramidObjectContext {
  const { in_channels, out_channels, dropout, sizes, key_channels, value_channels, inplace_abn } = readArguments(
    'Pyramid_OC_Module',
    config,
    ['in_channels', 'out_channels', 'dropout', 'sizes', 'key_channels', 'value_channels', 'inplace_abn'],
    ['in_channels'],
  );
  checkDerived('Pyramid_OC_Module', 'out_channels', out_channels, in_channels, { in_channels });
  checkDerived('Pyramid_OC_Module', 'key_channels', key_channels, Math.floor(in_channels / 2), { in_channels });
  checkDerived('Pyramid_OC_Module', 'value_channels', value_channels, in_channels, { in_channels });
  const layer = pyramidObjectContext({ sizes: sizes ?? [1], dropout: dropout ?? 0 });
  const names = { ...stages(layer.options.sizes), ...activated('widen', 'up_dr'), ...activated('fuse', 'conv_bn_dropout') };
  return fromStateDict(layer, [null, null, null, in_channels], plain(state, inplace_abn), names);
}

/**
 * An {@link ASPObjectContext} layer from the authors' `ASP_OC_Module`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function aspObjectContextFromTorch({ config, state }: TorchSource<ASPOCArguments>): ASPObjectContext {
  const { features, out_features, dilations, dropout, inplace_abn } = readArguments(
    'ASP_OC_Module',
    config,
    ['features', 'out_features', 'dilations', 'dropout', 'inplace_abn'],
    ['features'],
  );
  const layer = aspObjectContext({ width: out_features ?? 256, dilations: dilations ?? [12, 24, 36], dropout: dropout ?? 0 });
  const branches = ['conv2', 'conv3', 'conv4', 'conv5'].map((conv, i) => activated(`branch${i}`, conv));
  const names = Object.assign(
    { ...activated('reduce', 'context'), ...prefixed('context', 'context.2', base([2])), ...activated('fuse', 'conv_bn_dropout') },
    ...branches,
  ) as NameMap;
  return fromStateDict(layer, [null, null, null, features], plain(state, inplace_abn), names);
}

function base(sizes: readonly number[]): NameMap {
  return { ...stages(sizes), ...activated('fuse', 'conv_bn_dropout') };
}

function stages(sizes: readonly number[]): NameMap {
  const stage = { ...activated('key', 'f_key'), value: 'f_value', output: 'W' };
  return Object.assign({}, ...sizes.map((_, i) => prefixed(`stage${i}`, `stages.${i}`, stage))) as NameMap;
}

function activated(ours: string, theirs: string): NameMap {
  return { [`${ours}/conv`]: `${theirs}.0`, [`${ours}/norm`]: `${theirs}.1` };
}

/** The state dict with each weight once, and plain batch norms. */
function plain(state: StateDict, inPlace = false): StateDict {
  const once = withoutQueries(state);
  return inPlace ? fromInPlaceNorms(once) : once;
}

/** The state dict without its `f_query`s: each is the `f_key` beside it, by a second name. A file that keeps no weight twice may have either. */
function withoutQueries(state: StateDict): StateDict {
  const entries = Object.entries(state).flatMap(([name, tensor]) => {
    const key = name.replace(/\bf_query\b/, 'f_key');
    if (key === name || !(key in state)) return [[key, tensor] as const];
    // NaN differs from nothing: comparing gradients, it stands for what is not said.
    if (tensor.data.some((value, i) => Math.abs(value - state[key].data[i]) > 0)) {
      throw new BlockError(`OCNet: "${name}" and "${key}" differ in the state dict, but are one module. Give the state dict as PyTorch saved it.`);
    }
    return [];
  });
  return Object.fromEntries(entries);
}
