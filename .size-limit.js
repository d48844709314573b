import { readdirSync } from 'node:fs';

const peers = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers', '@tensorflow/tfjs-backend-wasm'];
const bundle = (name, file, limit, ignore = peers) => ({ name, path: file, limit, ignore, gzip: true });
const blocks = readdirSync('packages').filter((name) => name !== 'core' && name !== 'wasm-train');

// What an application pays for each package beyond TensorFlow.js and, for a block, beyond core. The import statements of core's many files, which
// an application's bundler resolves, count here: without them all of core takes 15 kB.
export default [
  bundle('@saccade/core', 'packages/core/dist/index.js', '15.8 kB'),
  bundle('@saccade/core/torch', 'packages/core/dist/torch/index.js', '5 kB'),
  bundle('@saccade/wasm-train', 'packages/wasm-train/dist/index.js', '6 kB'),
  ...blocks.map((name) => bundle(`@saccade/${name}`, `packages/${name}/dist/index.js`, '5 kB', [...peers, '@saccade/core'])),
];
