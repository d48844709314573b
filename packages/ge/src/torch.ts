import { BlockError } from '@saccade/core';
import { fromStateDict, readArguments, type NameMap, type StateDict, type TorchSource } from '@saccade/core/torch';
import { gatherExcite, type GatherExcite, type GatherExciteVariant } from './index.js';

/** The arguments of timm's `GatherExcite`. The official Caffe networks are the variants of extent 0. */
export interface GatherExciteArguments {
  channels: number;
  /** The paper's name of the variant, in place of `extra_params` and `use_mlp`. */
  variant?: 'theta-' | 'theta' | 'theta+';
  /** 0 is the whole map. Default: 0. */
  extent?: number;
  /** Height and width, or one number for both: for a gather of the whole map. Default: those of its kernel. */
  feat_size?: number | readonly number[];
  /** Default: false. */
  extra_params?: boolean;
  /** Default: true. */
  use_mlp?: boolean;
  /** Default: 1/16. */
  rd_ratio?: number;
  /** Channels of the bottleneck. Default: of `rd_ratio`. */
  rd_channels?: number;
  /** Default: 1. */
  rd_divisor?: number;
  /** Default: `sigmoid`. */
  gate?: 'sigmoid' | 'hard_sigmoid';
  /** Default: `nearest`, the only one there is. */
  upsample?: 'nearest';
}

const ARGUMENTS = [
  'channels',
  'variant',
  'extent',
  'feat_size',
  'extra_params',
  'use_mlp',
  'rd_ratio',
  'rd_channels',
  'rd_divisor',
  'gate',
  'upsample',
] as const;
const VARIANTS = { 'theta-': 'thetaMinus', theta: 'theta', 'theta+': 'thetaPlus' } as const;

/**
 * A {@link GatherExcite} layer from timm's module of that name, or from the official Caffe networks' weights under the same names.
 *
 * @throws BlockError for an unknown argument, one that none of the paper's variants has, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<GatherExciteArguments>): GatherExcite {
  const { channels, extent = 0, gate = 'sigmoid', upsample = 'nearest' } = readArguments('GatherExcite', config, ARGUMENTS, ['channels']);
  if (upsample !== 'nearest') throw new BlockError(`GatherExcite: upsample is "${String(upsample)}", but must be "nearest". Leave it out.`);
  const variant = variantOf(config);
  const layer = gatherExcite({
    variant,
    extent: extent === 0 ? 'global' : extent,
    width: variant === 'thetaPlus' ? bottleneck(config) : null,
    gate: gate === 'hard_sigmoid' ? 'hardSigmoid' : gate,
  });
  const size = extent === 0 && variant !== 'thetaMinus' ? featureSize(config, state) : [null, null];
  return fromStateDict(layer, [null, ...size, channels], state, namesOf(extent));
}

function namesOf(extent: number): NameMap {
  const steps = Array.from({ length: extent === 0 ? 1 : Math.log2(extent) }, (_, i) => [`conv${i + 1}`, `norm${i + 1}`]).flat();
  const gather = Object.fromEntries(steps.map((part) => [`gather/${part}`, `gather.${part}`]));
  return { ...gather, 'excite/reduce': 'mlp.fc1', 'excite/expand': 'mlp.fc2' };
}

function variantOf({ variant, extent = 0, extra_params = false, use_mlp = true }: GatherExciteArguments): GatherExciteVariant {
  // What is no variant is left to the option's own check.
  if (variant !== undefined) return VARIANTS[variant] ?? (variant as never);
  if (!extra_params && use_mlp) {
    throw new BlockError(
      "GatherExcite: extra_params false with use_mlp true, timm's defaults, is no variant of gather-excite. For extent 0 take @saccade/se, which it is.",
    );
  }
  if (extra_params && extent === 0) {
    throw new BlockError(
      "GatherExcite: timm's extra_params with extent 0 is no variant of gather-excite: its kernel slides over a padded map. " +
        'For weights of the official networks, give the variant.',
    );
  }
  return extra_params ? (use_mlp ? 'thetaPlus' : 'theta') : 'thetaMinus';
}

// timm's make_divisible, with no limit to how far it rounds down.
function bottleneck({ channels, rd_ratio = 1 / 16, rd_channels, rd_divisor = 1 }: GatherExciteArguments): number {
  return rd_channels ?? Math.max(rd_divisor, Math.floor((channels * rd_ratio + rd_divisor / 2) / rd_divisor) * rd_divisor);
}

function featureSize({ feat_size }: GatherExciteArguments, state: StateDict): (number | null)[] {
  if (typeof feat_size === 'number') return [feat_size, feat_size];
  return [...(feat_size ?? state['gather.conv1.weight']?.shape.slice(2) ?? [null, null])];
}
