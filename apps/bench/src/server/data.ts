import { Hono } from 'hono';
import type { Dataset, ImageSet } from '../data/images.ts';

/**
 * Serves a data set as a page reads it with no more than `fetch`: `images.json` says what there is, `train-pixels.bin` and so on are the
 * bytes of {@link ImageSet}.
 *
 * @param images called once, at the first request
 */
export function dataRoutes(images: () => Dataset): Hono {
  let loaded: Dataset | undefined;
  const dataset = () => (loaded ??= images());
  const app = new Hono();
  app.get('/images.json', (c) => {
    const { name, classes, train, test } = dataset();
    return c.json({ name, classes, train: sizesOf(train), test: sizesOf(test) });
  });
  for (const set of ['train', 'test'] as const) {
    for (const part of ['pixels', 'labels'] as const) {
      app.get(`/${set}-${part}.bin`, (c) => {
        const bytes = dataset()[set][part] as Uint8Array<ArrayBuffer>;
        return c.body(bytes, 200, { 'Content-Type': 'application/octet-stream', 'Content-Length': String(bytes.length) });
      });
    }
  }
  return app;
}

const sizesOf = ({ count, height, width, channels }: ImageSet) => ({ count, height, width, channels });
