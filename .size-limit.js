import { readdirSync } from 'node:fs';

const peers = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers', '@tensorflow/tfjs-backend-wasm'];
const programs = ['*-binary.js'];
const modifyEsbuildConfig = (config) => ({ ...config, format: 'esm' });
const bundle = (name, file, limit, ignore = peers) => ({ name, path: `packages/${file}`, limit, ignore, gzip: true, modifyEsbuildConfig });
const blocks = readdirSync('packages').filter((name) => name !== 'core' && name !== 'wasm-train');

// What an application pays beyond TensorFlow.js: for each block alone, with what it takes of core; and for a block more where core is there.
// All of core is what no application takes; channel-gate, which has any squeeze with any excitation, comes near. Half of it are kernels:
// WebAssembly programs, and the WGSL that is in the code.
export default [
  bundle('@saccade/core', 'core/dist/index.js', '45 kB', [...peers, ...programs]),
  bundle('@saccade/core, WebAssembly', 'core/dist/kernels/wasm/*-binary.js', '16 kB'),
  bundle('@saccade/core/torch', 'core/dist/torch/index.js', '5.2 kB'),
  bundle('@saccade/wasm-train', 'wasm-train/dist/index.js', '6 kB'),
  ...blocks.flatMap((name) => [
    bundle(`@saccade/${name}, alone`, `${name}/dist/index.js`, '47 kB'),
    bundle(`@saccade/${name}, beyond core`, `${name}/dist/index.js`, '5 kB', [...peers, '@saccade/core']),
  ]),
];
