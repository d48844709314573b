import { readdirSync } from 'node:fs';

const peers = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers', '@tensorflow/tfjs-backend-wasm'];
const programs = ['*-binary.js'];
const bundle = (name, file, limit, ignore = peers) => ({ name, path: file, limit, ignore, gzip: true });
const blocks = readdirSync('packages').filter((name) => name !== 'core' && name !== 'wasm-train');

// What an application pays for each package beyond TensorFlow.js and, for a block, beyond core. Core's WebAssembly programs have a budget of their
// own, since they grow with the kernels and not with the code.
export default [
  bundle('@saccade/core', 'packages/core/dist/index.js', '15 kB', [...peers, ...programs]),
  { name: '@saccade/core, WebAssembly', path: 'packages/core/dist/kernels/wasm/*-binary.js', limit: '4 kB', gzip: true },
  bundle('@saccade/core/torch', 'packages/core/dist/torch/index.js', '5 kB'),
  bundle('@saccade/wasm-train', 'packages/wasm-train/dist/index.js', '6 kB'),
  ...blocks.map((name) => bundle(`@saccade/${name}`, `packages/${name}/dist/index.js`, '5 kB', [...peers, '@saccade/core'])),
];
