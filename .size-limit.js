import { readdirSync } from 'node:fs';

const peers = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers', '@tensorflow/tfjs-backend-wasm'];
const limitOf = { core: '15 kB', 'wasm-train': '6 kB' };

// What an application pays for each package beyond TensorFlow.js and, for a block, beyond core.
export default readdirSync('packages').map((name) => ({
  name: `@saccade/${name}`,
  path: name === 'core' ? ['packages/core/dist/index.js', 'packages/core/dist/torch/index.js'] : `packages/${name}/dist/index.js`,
  ignore: name === 'core' ? peers : [...peers, '@saccade/core'],
  limit: limitOf[name] ?? '5 kB',
  gzip: true,
}));
