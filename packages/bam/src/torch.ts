import { reducedChannels } from '@saccade/core';
import { checkDerived, fromStateDict, readArguments, type TorchSource } from '@saccade/core/torch';
import { bam, type BAM } from './index.js';

/** The arguments of the official `BAM` and of its two gates. */
export interface BAMArguments {
  gate_channel: number;
  /** Default: 16. */
  reduction_ratio?: number;
  /** Hidden layers of the channel gate. Default: 1. */
  num_layers?: number;
  /** Default: 2. */
  dilation_conv_num?: number;
  /** Default: 4. */
  dilation_val?: number;
  /** `sum` for networks that add the gates as the paper does. Default: `mul`, as the official code does. */
  combine?: 'mul' | 'sum';
  /** What gate_channel and reduction_ratio make: refused where it contradicts them. */
  hidden?: number;
}

/**
 * A {@link BAM} layer from the official PyTorch module.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<BAMArguments>): BAM {
  const known = ['gate_channel', 'reduction_ratio', 'num_layers', 'dilation_conv_num', 'dilation_val', 'combine', 'hidden'] as const;
  const checked = readArguments('BAM', config, known, ['gate_channel']);
  const { gate_channel, reduction_ratio = 16, num_layers = 1, dilation_conv_num = 2, dilation_val = 4, combine = 'mul', hidden } = checked;
  const width = reducedChannels('BAM', gate_channel, { reduction: reduction_ratio });
  checkDerived('BAM', 'hidden', hidden, width, { gate_channel, reduction_ratio });
  const layer = bam({
    reduction: reduction_ratio,
    hiddenLayers: num_layers,
    dilatedConvs: dilation_conv_num,
    dilation: dilation_val,
    combine: combine === 'mul' ? 'multiply' : combine,
  });
  return fromStateDict(layer, [null, null, null, gate_channel], state, namesOf(num_layers, dilation_conv_num));
}

function namesOf(hiddenLayers: number, dilatedConvs: number): Record<string, string> {
  const [channel, spatial] = ['channel_att.gate_c.gate_c', 'spatial_att.gate_s.gate_s'];
  const names: Record<string, string> = {
    toChannels: `${channel}_fc_final`,
    reduce: `${spatial}_conv_reduce0`,
    reduceNorm: `${spatial}_bn_reduce0`,
    toMap: `${spatial}_conv_final`,
  };
  for (let i = 0; i < hiddenLayers; i++)
    Object.assign(names, { [`channel${i}`]: `${channel}_fc_${i}`, [`channelNorm${i}`]: `${channel}_bn_${i + 1}` });
  for (let i = 0; i < dilatedConvs; i++)
    Object.assign(names, { [`dilated${i}`]: `${spatial}_conv_di_${i}`, [`dilatedNorm${i}`]: `${spatial}_bn_di_${i}` });
  return names;
}
