export { casesOn, onEachBackend } from './backends.ts';
export { testBlock, type BlockTest } from './block.ts';
export { testGoldens } from './goldens.ts';
export { withGuards } from './guards.ts';
export { peakMemory, type PeakMemory } from './memory.ts';
export { equalsPlain, type PlainResult } from './plain.ts';
export { testReadme } from './readme.ts';
export { closeTo, random, randomiseStatistics, randomiseWeights } from './tensors.ts';
