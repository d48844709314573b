// usage: node cmp.mts pkg [shape]
import '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';
const randomiseWeights = (l: any) => {
  for (const w of l.trainableWeights) {
    const v = tf.randomNormal(w.shape, 0, w.shape.length > 1 ? 1 / Math.sqrt(w.shape[0]) : 0.3);
    w.write(v);
  }
};
const { weightReader } = await import('/work/main/apps/bench/src/engine/weights.ts');
await tf.setBackend('wasm');
const entries = (await import(`/work/main/packages/${process.argv[2]}/bench/index.ts`)).default;
const shapes = process.argv[3] ? [process.argv[3].split('x').map(Number)] : null;
for (const e of entries)
  for (const s of shapes ??
    e.shapes ?? [
      [1, 56, 56, 256],
      [1, 28, 28, 512],
      [1, 14, 14, 1024],
    ]) {
    const c = s.at(-1);
    const layer = e.layer(c);
    layer.build([...s]);
    randomiseWeights(layer);
    const base = e.baseline(weightReader(layer), layer);
    const x = tf.randomNormal(s, 0, 1, 'float32', 7) as any;
    const ours = () =>
        tf.tidy(() => {
          layer.apply(x);
        }),
      plain = () =>
        tf.tidy(() => {
          base(x);
        });
    const diff = tf.tidy(() => tf.max(tf.abs(tf.sub(layer.apply(x), base(x)))).dataSync()[0]);
    const a: number[] = [],
      b: number[] = [];
    const n = s[1] * s[2] > 3500 && process.argv[2] === 'nonlocal' ? 5 : 25;
    for (let i = 0; i < n + 2; i++) {
      let t = performance.now();
      ours();
      let u = performance.now();
      plain();
      let v = performance.now();
      if (i > 1) {
        a.push(u - t);
        b.push(v - u);
      }
    }
    a.sort((x, y) => x - y);
    b.sort((x, y) => x - y);
    const m = n >> 1;
    console.log(
      e.block,
      s.join('x'),
      'ours',
      a[m].toFixed(3),
      'plain',
      b[m].toFixed(3),
      'ratio',
      (b[m] / a[m]).toFixed(2),
      'diff',
      diff.toExponential(1),
    );
  }
process.exit(0);
