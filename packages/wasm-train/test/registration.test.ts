import { execFileSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Runs a module in a process of its own, and returns what it printed. */
function run(code: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

// Prints true, or what is wrong.
const TRAIN = `
  const convolve = (x, w) => tf.conv2d(x, w, 1, 'same', 'NHWC', 2);
  const gradients = tf.grads(convolve)([tf.ones([1, 6, 6, 2]), tf.ones([3, 3, 2, 2])]);
  console.log(gradients.every((gradient) => gradient.dataSync().every((value) => value > 0)));
`;

const IMPORT = {
  package: `import '@saccade/wasm-train';`,
  backend: `import '@tensorflow/tfjs-backend-wasm';`,
  cpu: `import '@tensorflow/tfjs-backend-cpu';`,
  gradients: `import '@tensorflow/tfjs-layers';`,
  core: `import * as tf from '@tensorflow/tfjs-core';`,
};
// TF.js warns of whoever registers something twice.
const WARN = `console.warn = (message) => /regist|overrid/i.test(message) && console.log('warned:', message);`;

describe('the order of imports does not matter', () => {
  test.each([
    { first: 'this package', imports: [IMPORT.package, IMPORT.core, IMPORT.backend, IMPORT.gradients] },
    { first: 'the backend', imports: [IMPORT.backend, IMPORT.package, IMPORT.core, IMPORT.gradients] },
    { first: 'the gradients', imports: [IMPORT.gradients, IMPORT.core, IMPORT.package, IMPORT.backend] },
  ])('with $first first', ({ imports }) => {
    expect(run([...imports, WARN, `await tf.setBackend('wasm');`, TRAIN].join('\n'))).toBe('true');
  });

  test('with the package imported after the backend was started', () => {
    expect(
      run(
        [IMPORT.core, IMPORT.backend, IMPORT.gradients, WARN, `await tf.setBackend('wasm'); await import('@saccade/wasm-train');`, TRAIN].join('\n'),
      ),
    ).toBe('true');
  });

  test('with the gradients imported at run time, after the package and before the backend is set', () => {
    expect(run([IMPORT.core, IMPORT.package, WARN, `await import('@tensorflow/tfjs-layers'); await tf.setBackend('wasm');`, TRAIN].join('\n'))).toBe(
      'true',
    );
  });

  test('for dilated gradients of another backend', () => {
    expect(run([IMPORT.package, IMPORT.core, IMPORT.cpu, IMPORT.gradients, WARN, `await tf.setBackend('cpu');`, TRAIN].join('\n'))).toBe('true');
  });
});

test('a second copy changes nothing and says nothing', () => {
  const copy = join(folder, '../node_modules/.second-copy');
  cpSync(join(folder, '../dist'), copy, { recursive: true });
  writeFileSync(join(copy, 'package.json'), '{ "type": "module" }');
  const code = `
    const kernels = ['Conv2DBackpropFilter', 'Conv2DBackpropInput', 'MaxPoolGrad', 'AvgPoolGrad', 'BatchMatMul', 'Identity', 'UnsortedSegmentSum'];
    const registered = () => [
      ...kernels.map((name) => tf.getKernel(name, 'wasm').kernelFunc),
      ...['Conv2D', 'DepthwiseConv2dNative'].map((name) => tf.getGradient(name).gradFunc),
    ];
    const before = registered();
    await import('../node_modules/.second-copy/index.js');
    await tf.setBackend('wasm');
    console.log(registered().every((func, i) => func === before[i]));`;
  try {
    expect(run([IMPORT.core, IMPORT.gradients, IMPORT.package, WARN, code].join('\n'))).toBe('true');
  } finally {
    rmSync(copy, { recursive: true });
  }
});

test('a kernel that the backend has come to have is kept', () => {
  const code = `
    const kernelFunc = () => {};
    tf.registerKernel({ kernelName: 'Conv2DBackpropFilter', backendName: 'wasm', kernelFunc });
    await import('@saccade/wasm-train');
    console.log(tf.getKernel('Conv2DBackpropFilter', 'wasm').kernelFunc === kernelFunc);`;
  expect(run([IMPORT.core, IMPORT.backend, WARN, code].join('\n'))).toBe('true');
});
