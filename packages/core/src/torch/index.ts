export { fromStateDict, readWeights, type NameMap, type PlacedWeight } from './from-state-dict.js';
export { checkDerived, readArguments } from './arguments.js';
export { fromInPlaceNorms } from './in-place-norms.js';
export { prefixed } from './names.js';
export { splitRows } from './rows.js';
export { readSafetensors, type Safetensors } from './safetensors.js';
export type { StateDict, StateTensor, TorchSource } from './state-dict.js';
export { kernelFromTensorFlow } from './tensorflow.js';
