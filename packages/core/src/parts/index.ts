export { batchNorm, type BatchNorm, type BatchNormOptions } from './batch-norm.js';
export { conv2d, type Conv2D, type Conv2DOptions } from './conv2d.js';
export { dense, type Dense, type DenseOptions } from './dense.js';
export { heNormal, pytorchUniform, type Initializer } from './initializers.js';
export { layerNorm, type LayerNorm } from './layer-norm.js';
