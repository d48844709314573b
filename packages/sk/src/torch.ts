import { BlockError, show } from '@saccade/core';
import { checkDerived, fromStateDict, prefixed, readArguments, type NameMap, type TorchSource } from '@saccade/core/torch';
import { selectiveKernel, selectiveKernelUnit, type SelectiveKernel, type SelectiveKernelUnit } from './index.js';
import { branchGeometries } from './selective-kernel.js';

/** Those arguments of timm's `SelectiveKernel` that its networks give as `sk_kwargs`. */
export interface SelectiveKernelAttentionArguments {
  /** Sizes of the branches' kernels; a number stands for two branches of it. Default: `[3, 5]`. */
  kernel_size?: number | readonly number[];
  /** Default: 1 / 16. */
  rd_ratio?: number;
  /** Units of the attention's hidden layer, instead of a ratio. */
  rd_channels?: number;
  /** Default: 8. */
  rd_divisor?: number;
  /** Default: true. */
  keep_3x3?: boolean;
  /** Default: true. */
  split_input?: boolean;
}

/** The arguments of timm's `SelectiveKernel`. */
export interface SelectiveKernelArguments extends SelectiveKernelAttentionArguments {
  in_channels: number;
  /** Default: `in_channels`. */
  out_channels?: number;
  /** Default: 1. */
  stride?: number;
  /** Default: 1. */
  dilation?: number;
  /** Taken as `out_channels` where greater. Default: 1. */
  groups?: number;
  /** Whose module it is. Only timm's is known. */
  impl?: 'timm';
  /** Derived: the units of the attention's hidden layer. */
  attn_channels?: number;
  /** Derived: the convolutions of the branches. */
  paths?: readonly Path[];
}

/** A convolution as timm's `SelectiveKernel` makes it. */
interface Path {
  readonly k: number;
  readonly dilation: number;
  readonly padding: number;
  readonly stride: number;
  readonly groups: number;
}

/** The arguments of timm's `SelectiveKernelBottleneck`. */
export interface SelectiveKernelBottleneckArguments {
  inplanes: number;
  planes: number;
  /** Default: 1. */
  stride?: number;
  /** Default: 1. */
  cardinality?: number;
  /** Default: 64. */
  base_width?: number;
  /** Default: 1. */
  dilation?: number;
  sk_kwargs?: SelectiveKernelAttentionArguments;
}

const ATTENTION_ARGUMENTS = ['kernel_size', 'rd_ratio', 'rd_channels', 'rd_divisor', 'keep_3x3', 'split_input'] as const;

/**
 * A {@link SelectiveKernel} layer from timm's module of that name.
 *
 * @throws BlockError for an unknown or contradictory argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<SelectiveKernelArguments>): SelectiveKernel {
  const known = ['in_channels', 'out_channels', 'stride', 'dilation', 'groups', ...ATTENTION_ARGUMENTS, 'impl', 'attn_channels', 'paths'] as const;
  const read = readArguments('SelectiveKernel', config, known, ['in_channels']);
  const { in_channels, out_channels, stride = 1, dilation = 1, groups = 1, impl = 'timm', attn_channels, paths, ...attention } = read;
  if (impl !== 'timm') throw new BlockError(`SelectiveKernel: impl is ${show(impl)}, but must be "timm". Leave it out.`);
  const filters = out_channels ?? in_channels;
  const { kernel_size, rd_ratio, rd_channels, rd_divisor, keep_3x3 } = withDefaults(attention);
  const options = { ...attentionOptions(attention, filters), stride, dilation, groups: Math.min(filters, groups) };
  const layer = selectiveKernel({ ...options, filters });
  checkDerived('SelectiveKernel', 'attn_channels', attn_channels, options.width, { out_channels: filters, rd_divisor, rd_ratio, rd_channels });
  const made = branchGeometries(layer.options).map((geometry) => inOrder({ ...geometry, k: geometry.kernelSize, groups: options.groups }));
  checkDerived('SelectiveKernel', 'paths', paths?.map(inOrder), made, { stride, dilation, groups, keep_3x3, kernel_size });
  return fromStateDict(layer, [null, null, null, in_channels], state, namesOf(options.kernelSizes.length));
}

/**
 * A {@link SelectiveKernelUnit} layer from timm's `SelectiveKernelBottleneck`, the unit of `skresnext50_32x4d` and `skresnet50`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function selectiveKernelUnitFromTorch({ config, state }: TorchSource<SelectiveKernelBottleneckArguments>): SelectiveKernelUnit {
  const known = ['inplanes', 'planes', 'stride', 'cardinality', 'base_width', 'dilation', 'sk_kwargs'] as const;
  const read = readArguments('SelectiveKernelBottleneck', config, known, ['inplanes', 'planes']);
  const { inplanes, planes, stride = 1, cardinality = 1, base_width = 64, dilation = 1, sk_kwargs = {} } = read;
  const inner = Math.floor(planes * (base_width / 64)) * cardinality;
  const attention = attentionOptions(readArguments('sk_kwargs', sk_kwargs, ATTENTION_ARGUMENTS), inner);
  const unit = { filters: 4 * planes, bottleneckWidth: base_width, groups: cardinality, stride, dilation };
  return fromStateDict(selectiveKernelUnit({ ...attention, ...unit }), [null, null, null, inplanes], state, {
    'reduce/conv': 'conv1.conv',
    'reduce/norm': 'conv1.bn',
    ...prefixed('convolution', 'conv2', namesOf(attention.kernelSizes.length)),
    'expand/conv': 'conv3.conv',
    'expand/norm': 'conv3.bn',
    'project/conv': 'downsample.0',
    'project/norm': 'downsample.1',
  });
}

function withDefaults(given: SelectiveKernelAttentionArguments) {
  const { kernel_size = [3, 5], rd_ratio = 1 / 16, rd_channels, rd_divisor = 8, keep_3x3 = true, split_input = true } = given;
  return { kernel_size, rd_ratio, rd_channels, rd_divisor, keep_3x3, split_input };
}

function attentionOptions(given: SelectiveKernelAttentionArguments, filters: number) {
  const { kernel_size, rd_ratio, rd_channels, rd_divisor, keep_3x3, split_input } = withDefaults(given);
  return {
    kernelSizes: typeof kernel_size === 'number' ? [kernel_size, kernel_size] : kernel_size,
    width: rd_channels ?? makeDivisible(filters * rd_ratio, rd_divisor),
    keep3x3: keep_3x3,
    splitInput: split_input,
  };
}

/** timm's rule: the nearest multiple, but not less than nine tenths. */
function makeDivisible(value: number, divisor: number): number {
  const nearest = Math.max(divisor, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return nearest < 0.9 * value ? nearest + divisor : nearest;
}

function inOrder({ k, dilation, padding, stride, groups }: Path): Path {
  return { k, dilation, padding, stride, groups };
}

function namesOf(branches: number): NameMap {
  const paths = Array.from({ length: branches }, (_, i) => [
    [`branch${i}/conv`, `paths.${i}.conv`],
    [`branch${i}/norm`, `paths.${i}.bn`],
  ]);
  return { ...Object.fromEntries(paths.flat()), reduce: 'attn.fc_reduce', norm: 'attn.bn', select: 'attn.fc_select' };
}
