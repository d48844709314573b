export { compareWithGolden, type FromTorch, type Report } from './compare.ts';
export { goldensIn, readGolden, type Golden } from './golden.ts';
export { findAdapters, type Adapters } from './adapters.ts';
