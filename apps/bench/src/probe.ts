import { useBackend } from '@saccade/backends';
import entries from '../../../packages/se/bench/index.ts';
import { measureAccuracy } from './engine/accuracy.ts';
import { loadData } from './node/load-data.ts';
await useBackend('wasm');
await import('@saccade/wasm-train');
const data = loadData('data/fashion-mnist-subset');
for (const insert of [null, { slot: entries[0].slot, layer: entries[0].hostLayer! }]) {
  const t0 = performance.now();
  const r = await measureAccuracy(data, insert, { seed: 1, epochs: Number(process.argv[2] ?? 1) });
  console.log(JSON.stringify(r), performance.now() - t0);
}
process.exit(0);
