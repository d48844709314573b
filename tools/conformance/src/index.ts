export { findAdapters, type Adapters } from './adapters.ts';
export { compareWithGolden, type FromTorch, type Report } from './compare.ts';
export { goldensIn, readGolden } from './files.ts';
export { parseGolden, type Golden } from './golden.ts';
