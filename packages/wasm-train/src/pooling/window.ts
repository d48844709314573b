import { backend_util } from '@tensorflow/tfjs-core';

/** What the gradient kernels of pooling are asked for. */
export interface PoolAttrs {
  readonly filterSize: number | [number, number];
  readonly strides: number | [number, number];
  readonly pad: Parameters<typeof backend_util.computePool2DInfo>[4];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type PoolInfo = ReturnType<typeof backend_util.computePool2DInfo>;

/**
 * A pooling's geometry from its shapes.
 *
 * @throws where the gradient's shape does not fit the pooling's output
 */
export function poolInfoOf(kernelName: string, inShape: number[], dyShape: number[], attrs: PoolAttrs): PoolInfo {
  const shape = inShape as [number, number, number, number];
  const info = backend_util.computePool2DInfo(shape, attrs.filterSize, attrs.strides, 1, attrs.pad, attrs.dimRoundingMode);
  if (dyShape.join() !== info.outShape.join()) {
    throw new Error(
      `${kernelName} on wasm: received a gradient of shape [${dyShape.join(', ')}], expected [${info.outShape.join(', ')}], the output’s for an input of ` +
        `[${inShape.join(', ')}]. Give the filterSize, strides and pad of the forward pooling.`,
    );
  }
  return info;
}

/** Calls back for each window, with the input's rows and columns that it covers, padding left out. */
export function forEachWindow(info: PoolInfo, visit: (image: number, top: number, bottom: number, left: number, right: number) => void): void {
  for (let image = 0; image < info.batchSize; image++) {
    for (let row = 0; row < info.outHeight; row++) {
      const y = row * info.strideHeight - info.padInfo.top;
      const top = Math.max(0, y);
      const bottom = Math.min(info.inHeight, y + info.filterHeight);
      for (let column = 0; column < info.outWidth; column++) {
        const x = column * info.strideWidth - info.padInfo.left;
        visit(image, top, bottom, Math.max(0, x), Math.min(info.inWidth, x + info.filterWidth));
      }
    }
  }
}
