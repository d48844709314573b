import { backend_util } from '@tensorflow/tfjs-core';
import type { Axis } from './taps.js';

type Shape4D = [number, number, number, number];

/** What the gradient kernels of convolutions are asked for. */
export interface ConvAttrs {
  readonly strides: number | [number, number];
  readonly pad: Parameters<typeof backend_util.computeConv2DInfo>[4];
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly dataFormat?: 'NHWC' | 'NCHW';
}

/** A convolution seen along its two axes. */
export interface Geometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly rows: Axis;
  readonly columns: Axis;
  readonly inShape: Shape4D;
  readonly outShape: Shape4D;
  readonly filterShape: Shape4D;
}

/**
 * The geometry of a convolution from its shapes.
 *
 * @throws where the data is not NHWC, or the gradient's shape does not fit the convolution's output
 */
export function geometryOf(
  kernelName: string,
  inShape: number[],
  filterShape: number[],
  dyShape: number[],
  attrs: ConvAttrs,
  depthwise: boolean,
): Geometry {
  const { strides, pad, dilations = 1, dimRoundingMode, dataFormat = 'NHWC' } = attrs;
  if (dataFormat !== 'NHWC') {
    throw new Error(`${kernelName} on wasm: received data in ${dataFormat}, expected NHWC. Transpose the input to [batch, height, width, channels].`);
  }
  const info = backend_util.computeConv2DInfo(inShape as Shape4D, filterShape as Shape4D, strides, dilations, pad, dimRoundingMode, depthwise);
  if (dyShape.join() !== info.outShape.join()) {
    throw new Error(
      `${kernelName} on wasm: received a gradient of shape [${dyShape.join(', ')}], expected [${info.outShape.join(', ')}], the output’s for an input of ` +
        `[${inShape.join(', ')}] and a filter of [${filterShape.join(', ')}]. Give the strides, pad and dilations of the forward convolution.`,
    );
  }
  return {
    batch: info.batchSize,
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    rows: {
      input: info.inHeight,
      output: info.outHeight,
      kernel: info.filterHeight,
      stride: info.strideHeight,
      dilation: info.dilationHeight,
      pad: info.padInfo.top,
    },
    columns: {
      input: info.inWidth,
      output: info.outWidth,
      kernel: info.filterWidth,
      stride: info.strideWidth,
      dilation: info.dilationWidth,
      pad: info.padInfo.left,
    },
    inShape: info.inShape,
    outShape: info.outShape,
    filterShape: info.filterShape,
  };
}
