export { onEachBackend } from './backends.ts';
export { testBlock, type BlockTest } from './block.ts';
export { testGoldens } from './goldens.ts';
export { testReadme } from './readme.ts';
export { closeTo, random, randomiseWeights } from './tensors.ts';
