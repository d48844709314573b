import { readdirSync } from 'node:fs';

const peers = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers', '@tensorflow/tfjs-backend-wasm'];
const bundle = (name, file, limit, ignore = peers) => ({ name, path: file, limit, ignore, gzip: true });
const blocks = readdirSync('packages').filter((name) => name !== 'core' && name !== 'wasm-train');

// What an application pays for each package beyond TensorFlow.js and, for a block, beyond core. Both entries of core together stay below 15 kB:
// what they share counts twice here.
export default [
  bundle('@saccade/core', 'packages/core/dist/index.js', '12.5 kB'),
  bundle('@saccade/core/torch', 'packages/core/dist/torch/index.js', '5 kB'),
  bundle('@saccade/wasm-train', 'packages/wasm-train/dist/index.js', '6 kB'),
  ...blocks.map((name) => bundle(`@saccade/${name}`, `packages/${name}/dist/index.js`, '5 kB', [...peers, '@saccade/core'])),
];
