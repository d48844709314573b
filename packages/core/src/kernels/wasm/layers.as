// The small layers between pooling and gate, and convolutions.
//
// AssemblyScript; `npm run build:kernels` makes layers-binary.ts of it. They are one program since they share activations and batch norms.

export { affine } from './layers/affine';
export { convolveFilters, packFilters, panelBytes } from './layers/convolve';
export { multiplyRows, normaliseRows, sumSqueezes } from './layers/excite';
export { factorsIn, period, prepare, scratchBytes } from './layers/fold';
export { convolvePlanes, padPlane, planeBytes, planePitch } from './layers/planes';
