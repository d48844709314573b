import { adaptiveKernelSize, BlockError } from '@saccade/core';
import { fromStateDict, readArguments, type TorchSource } from '@saccade/core/torch';
import { efficientChannelAttention, type EfficientChannelAttention, type EfficientChannelAttentionOptions } from './index.js';

/** The arguments of the official `eca_layer`, and of the rule where a network's kernel sizes come from it. */
export interface EcaLayerArguments {
  channels: number;
  /** Default: what the rule gives where gamma or beta is there, else 3. */
  k_size?: number;
  /** γ of the rule. Default, where beta is there: 2. */
  gamma?: number;
  /** b of the rule. Default, where gamma is there: 1. */
  beta?: number;
}

/** The arguments of timm's `EcaModule`, all but those of its MLP, which it calls an experiment. */
export interface EcaModuleArguments {
  /** Where it is there, the rule gives the kernel size, and kernel_size is ignored. */
  channels?: number | null;
  /** Default: 3. */
  kernel_size?: number;
  /** Default: 2. */
  gamma?: number;
  /** Default: 1. */
  beta?: number;
  /** Default: `sigmoid`. */
  gate_layer?: 'sigmoid' | 'hard_sigmoid';
}

const TIMM_MIN = 3;

/**
 * An {@link EfficientChannelAttention} layer from the official PyTorch module, `eca_layer`. Where gamma or beta is there, the kernel size is
 * what timm's rule gives; of the paper's, which goes below 3 for few channels, give `k_size` too.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<EcaLayerArguments>): EfficientChannelAttention {
  const { channels, k_size, gamma, beta } = readArguments('eca_layer', config, ['channels', 'k_size', 'gamma', 'beta'], ['channels']);
  if (gamma === undefined && beta === undefined) return layerFrom(state, channels, { kernelSize: k_size ?? 3 });
  const [size, paperSize] = [TIMM_MIN, 1].map((min) => adaptiveKernelSize(channels, { gamma: gamma ?? 2, b: beta ?? 1, min }));
  if (k_size !== undefined && k_size !== size && k_size !== paperSize) {
    throw new BlockError(
      `eca_layer: k_size is ${k_size}, but channels ${channels}, gamma ${gamma ?? 2} and beta ${beta ?? 1} make ${size}. Leave out k_size, or both gamma and beta.`,
    );
  }
  return layerFrom(state, channels, { kernelSize: k_size ?? size });
}

/**
 * An {@link EfficientChannelAttention} layer from timm's `EcaModule`.
 *
 * @param channels of the maps that the layer will be used on, which a module with a kernel_size of its own does not know
 * @throws BlockError for an unknown argument, no number of channels, or a state dict that does not fit
 */
export function ecaModuleFromTorch({ config, state }: TorchSource<EcaModuleArguments>, channels = config.channels): EfficientChannelAttention {
  const known = ['channels', 'kernel_size', 'gamma', 'beta', 'gate_layer'] as const;
  const { kernel_size = 3, gamma = 2, beta: b = 1, gate_layer = 'sigmoid', ...module } = readArguments('EcaModule', config, known);
  if (!channels) {
    throw new BlockError('EcaModule: the number of channels is not known. Give channels as an argument of the module, or beside the module.');
  }
  const kernelSize = module.channels ? adaptiveKernelSize(module.channels, { gamma, b, min: TIMM_MIN }) : kernel_size;
  return layerFrom(state, channels, { kernelSize, gate: gate_layer === 'hard_sigmoid' ? 'hardSigmoid' : gate_layer });
}

function layerFrom(state: TorchSource<object>['state'], channels: number, options: EfficientChannelAttentionOptions): EfficientChannelAttention {
  return fromStateDict(efficientChannelAttention(options), [null, null, null, channels], state, { conv: 'conv' });
}
