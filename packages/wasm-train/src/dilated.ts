import {
  backend_util,
  batchToSpaceND,
  engine,
  getBackend,
  getGradient,
  getKernel,
  registerGradient,
  spaceToBatchND,
  transpose,
  unregisterGradient,
  type NamedAttrMap,
  type Tensor,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import type { ConvAttrs } from './geometry.js';
import { isOurs, ours } from './ours.js';

/** A convolution's kernel, and the two that its gradient needs. */
interface Family {
  readonly forward: string;
  readonly toInput: string;
  readonly toFilter: string;
  readonly depthwise: boolean;
}

const FAMILIES: Family[] = [
  { forward: 'Conv2D', toInput: 'Conv2DBackpropInput', toFilter: 'Conv2DBackpropFilter', depthwise: false },
  {
    forward: 'DepthwiseConv2dNative',
    toInput: 'DepthwiseConv2dNativeBackpropInput',
    toFilter: 'DepthwiseConv2dNativeBackpropFilter',
    depthwise: true,
  },
];

type Gradients = { x: () => Tensor; filter: () => Tensor };

/**
 * Teaches the registered gradients of conv2d and depthwiseConv2d dilation, on all backends, for gradients are registered for all at once.
 * Without dilation they stay what they are. Does nothing to gradients that are taught already, or that are not registered yet.
 */
export function registerDilatedGradients(): void {
  for (const family of FAMILIES) {
    const known = getGradient(family.forward);
    if (!known || isOurs(known.gradFunc)) continue;
    unregisterGradient(family.forward);
    registerGradient({
      ...known,
      gradFunc: ours((dy: Tensor | Tensor[], saved: Tensor[], attrs: NamedAttrMap) => {
        const { dilations = 1 } = attrs as unknown as ConvAttrs;
        const dilated = [dilations].flat().some((rate) => rate > 1);
        if (!dilated) return known.gradFunc(dy, saved, attrs);
        const [x, filter] = saved as [Tensor4D, Tensor4D];
        // The kernels of this package know dilation.
        const direct = [family.toInput, family.toFilter].every((name) => isOurs(getKernel(name, getBackend())?.kernelFunc));
        return (direct ? directly : byPhases)(family, dy as Tensor4D, x, filter, attrs as unknown as ConvAttrs);
      }),
    });
  }
}

function directly({ toInput, toFilter }: Family, dy: Tensor4D, x: Tensor4D, filter: Tensor4D, attrs: ConvAttrs): Gradients {
  return {
    x: () => kernel(toInput, { dy, filter }, { ...attrs, inputShape: x.shape }),
    filter: () => kernel(toFilter, { x, dy }, { ...attrs, filterShape: filter.shape }),
  };
}

/**
 * A dilated convolution is an ordinary one of each of the phases that its rate splits rows and columns into. With the phases as batch, the
 * backend's own undilated gradients are exact.
 */
function byPhases({ toInput, toFilter, depthwise }: Family, dy: Tensor4D, x: Tensor4D, filter: Tensor4D, attrs: ConvAttrs): Gradients {
  const { strides, pad, dilations = 1, dimRoundingMode, dataFormat } = attrs;
  const channelsFirst = !depthwise && dataFormat === 'NCHW';
  const format = channelsFirst ? 'channelsFirst' : 'channelsLast';
  const info = backend_util.computeConv2DInfo(x.shape, filter.shape, strides, dilations, pad, dimRoundingMode, depthwise, format);
  const toChannelsLast = (map: Tensor4D): Tensor4D => (channelsFirst ? transpose(map, [0, 2, 3, 1]) : map);
  const fromChannelsLast = (map: Tensor4D): Tensor4D => (channelsFirst ? transpose(map, [0, 3, 1, 2]) : map);

  const rows = paddings(info.inHeight, info.outHeight, info.filterHeight, info.dilationHeight, info.padInfo.top);
  const columns = paddings(info.inWidth, info.outWidth, info.filterWidth, info.dilationWidth, info.padInfo.left);
  const rates = [info.dilationHeight, info.dilationWidth];
  const inputPaddings = [rows.input, columns.input];
  const phasesOfGradient = (): Tensor4D => spaceToBatchND(toChannelsLast(dy), rates, [rows.output, columns.output]);
  const undilated = { strides: [1, 1], pad: 'valid', dataFormat: 'NHWC', dilations: [1, 1] };
  return {
    x: () => {
      const inputShape = [
        info.batchSize * info.dilationHeight * info.dilationWidth,
        (rows.input[0] + info.inHeight + rows.input[1]) / info.dilationHeight,
        (columns.input[0] + info.inWidth + columns.input[1]) / info.dilationWidth,
        info.inChannels,
      ];
      const phases = kernel(toInput, { dy: phasesOfGradient(), filter }, { ...undilated, inputShape });
      return fromChannelsLast(batchToSpaceND(phases, rates, inputPaddings));
    },
    filter: () => {
      const phases = spaceToBatchND(toChannelsLast(x), rates, inputPaddings);
      return kernel(toFilter, { x: phases, dy: phasesOfGradient() }, { ...undilated, filterShape: filter.shape });
    },
  };
}

/** Zeros around input and output so that each phase of the input gives a whole phase of the output. */
function paddings(input: number, output: number, kernel: number, rate: number, pad: number): { input: [number, number]; output: [number, number] } {
  const reach = (kernel - 1) * rate;
  const padded = Math.ceil(Math.max(output, input + pad - reach) / rate) * rate;
  return { input: [pad, padded + reach - pad - input], output: [0, padded - output] };
}

function kernel(name: string, inputs: Record<string, Tensor>, attrs: object): Tensor4D {
  return engine().runKernel(name, inputs, attrs as NamedAttrMap);
}
