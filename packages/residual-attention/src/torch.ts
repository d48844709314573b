import { BlockError, show } from '@saccade/core';
import { checkDerived, fromStateDict, prefixed, readArguments, type NameMap, type StateDict, type TorchSource } from '@saccade/core/torch';
import { pooledSize } from './hourglass.js';
import { residualAttentionModule, residualUnit, type Pooling, type ResidualAttentionModule, type ResidualUnit } from './index.js';

const DEPTHS = {
  AttentionModule_pre: 3,
  AttentionModule_stage0: 4,
  AttentionModule_stage1: 3,
  AttentionModule_stage2: 2,
  AttentionModule_stage3: 1,
} as const;

type Size = number | readonly [height: number, width: number];

/** The arguments of the PyTorch port's attention modules. */
export interface AttentionModuleArguments {
  /** The port's class. `AttentionModule_pre` has no extra skip connections, as the Caffe networks. */
  module: keyof typeof DEPTHS;
  /** Channels of input and output. */
  channels?: number;
  /** The same by the constructor's name. */
  in_channels?: number;
  /** The same again: the module adds its input's maps to its output's. */
  out_channels?: number;
  /** Of the residual units. Default: `channels // 4`. */
  bottleneck?: number;
  /** Padding 1, as in the port, or padding 0 and `ceil_mode`, as in Caffe. Default: the port's. */
  maxpool?: { kernel?: number; stride?: number; padding?: number; ceil_mode?: boolean };
  /** Always `bilinear align_corners=True`. */
  upsample?: string;
  /** Default: what the class does. */
  extra_skip_add?: boolean;
  /** Sizes that the mask branch upsamples to, of the whole map first. The layer takes them from its input; they must fit each other. */
  size1?: Size;
  size2?: Size;
  size3?: Size;
  size4?: Size;
}

/** The arguments of the PyTorch port's `ResidualBlock`. */
export interface ResidualBlockArguments {
  module: 'ResidualBlock';
  in_channels: number;
  out_channels: number;
  /** Default: 1. */
  stride?: number;
  /** Default: `out_channels // 4`. */
  bottleneck?: number;
  /** Derived: whether channels or size change. */
  projection?: boolean;
}

/**
 * A {@link ResidualAttentionModule} or {@link ResidualUnit} layer from the module of the PyTorch port that `module` names. The port's residual
 * blocks all have a `conv4`, of which those that keep channels and size make no use: these are passed over.
 *
 * @throws BlockError for an unknown or contradictory argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<AttentionModuleArguments | ResidualBlockArguments>): ResidualAttentionModule | ResidualUnit {
  if (config.module === 'ResidualBlock') return residualUnitFromTorch({ config, state });
  if (Object.hasOwn(DEPTHS, config.module)) return residualAttentionModuleFromTorch({ config, state });
  throw new BlockError(
    `ResidualAttention: module is ${show(config.module)}, but must be one of ${Object.keys(DEPTHS).join(', ')} or ResidualBlock. Give the name of the PyTorch class.`,
  );
}

function residualAttentionModuleFromTorch({ config, state }: TorchSource<AttentionModuleArguments>): ResidualAttentionModule {
  const { module } = config;
  const known = [
    ...(['module', 'channels', 'in_channels', 'out_channels', 'bottleneck', 'maxpool', 'upsample', 'extra_skip_add'] as const),
    ...(['size1', 'size2', 'size3', 'size4'] as const),
  ];
  const { bottleneck, maxpool, upsample = UPSAMPLE, extra_skip_add, size1, size2, size3, size4 } = readArguments(module, config, known);
  if (upsample !== UPSAMPLE) {
    throw new BlockError(`${module}: upsample is ${show(upsample)}, but must be ${show(UPSAMPLE)}. Leave it out.`);
  }
  const channels = onlyChannels(config);
  const pooling = poolingOf(module, maxpool);
  checkSizes(module, [size1, size2, size3, size4], pooling);
  const depth = DEPTHS[module];
  const layer = residualAttentionModule({
    depth,
    pooling,
    extraSkips: extra_skip_add ?? module !== 'AttentionModule_pre',
    width: bottleneck ?? null,
  });
  const units = unitNames(depth);
  const used = without(
    Object.values(units).map((unit) => `${unit}.conv4.weight`),
    state,
  );
  return fromStateDict(layer, [null, null, null, channels], used, { ...moduleNames(units), ...headNames(depth) });
}

function residualUnitFromTorch({ config, state }: TorchSource<ResidualBlockArguments>): ResidualUnit {
  const known = ['module', 'in_channels', 'out_channels', 'stride', 'bottleneck', 'projection'] as const;
  const required = ['in_channels', 'out_channels'] as const;
  const { in_channels, out_channels, stride = 1, bottleneck, projection } = readArguments('ResidualBlock', config, known, required);
  const projects = in_channels !== out_channels || stride !== 1;
  checkDerived('ResidualBlock', 'projection', projection, projects, { in_channels, out_channels, stride });
  const layer = residualUnit({ filters: out_channels, stride, width: bottleneck ?? null });
  const used = projects ? state : without(['conv4.weight'], state);
  return fromStateDict(layer, [null, null, null, in_channels], used, UNIT);
}

const UPSAMPLE = 'bilinear align_corners=True';

const UNIT: NameMap = {
  norm1: 'bn1',
  reduce: 'conv1',
  norm2: 'bn2',
  conv: 'conv2',
  norm3: 'bn3',
  expand: 'conv3',
  project: 'conv4',
};

/** From our names of the residual units of a module to PyTorch's. */
function unitNames(depth: number): NameMap {
  const levels = Array.from({ length: depth }, (_, i) => {
    const level = `hourglass/${'inner/'.repeat(i)}`;
    if (i + 1 === depth) return { [`${level}down`]: `softmax${depth}_blocks.0`, [`${level}up`]: `softmax${depth}_blocks.1` };
    return {
      [`${level}down`]: `softmax${i + 1}_blocks`,
      [`${level}skip`]: `skip${i + 1}_connection_residual_block`,
      [`${level}up`]: `softmax${2 * depth - i - 1}_blocks`,
    };
  });
  const ends = { first: 'first_residual_blocks', trunk0: 'trunk_branches.0', trunk1: 'trunk_branches.1', last: 'last_blocks' };
  return Object.assign(ends, ...levels) as NameMap;
}

function moduleNames(units: NameMap): NameMap {
  return Object.assign({}, ...Object.entries(units).map(([ours, theirs]) => prefixed(ours, theirs, UNIT))) as NameMap;
}

function headNames(depth: number): NameMap {
  const head = `softmax${2 * depth}_blocks`;
  return { norm1: `${head}.0`, conv1: `${head}.2`, norm2: `${head}.3`, conv2: `${head}.5` };
}

function without(unused: readonly string[], state: StateDict): StateDict {
  return Object.fromEntries(Object.entries(state).filter(([key]) => !unused.includes(key)));
}

function onlyChannels({ module, channels, in_channels, out_channels }: AttentionModuleArguments): number {
  const given = [channels, in_channels, out_channels].filter((count) => count !== undefined);
  if (given.length === 0) throw new BlockError(`${module}: missing argument "channels". Give it as the PyTorch constructor got it.`);
  if (new Set(given).size > 1) {
    throw new BlockError(`${module}: received different numbers of channels, ${given.join(' and ')}. The module keeps their number: give one.`);
  }
  return given[0];
}

function poolingOf(module: string, maxpool: AttentionModuleArguments['maxpool'] = {}): Pooling {
  const { kernel = 3, stride = 2, padding = 1, ceil_mode = false, ...rest } = maxpool;
  if (kernel === 3 && stride === 2 && Object.keys(rest).length === 0) {
    if (padding === 1 && !ceil_mode) return 'pytorch';
    if (padding === 0 && ceil_mode) return 'caffe';
  }
  throw new BlockError(
    `${module}: maxpool is ${show(maxpool)}, but must have kernel 3 and stride 2, and padding 1 without ceil_mode or padding 0 with it. Leave it out for the former.`,
  );
}

function checkSizes(module: string, sizes: readonly (Size | undefined)[], pooling: Pooling): void {
  const axes = sizes.map((size) => (typeof size === 'number' ? [size, size] : size));
  for (const [i, above] of axes.slice(0, -1).entries()) {
    const pooled = above?.map((size) => pooledSize(size, pooling));
    if (pooled) checkDerived(module, `size${i + 2}`, axes[i + 1], pooled, { [`size${i + 1}`]: above });
  }
}
