import { existsSync, readdirSync } from 'node:fs';
import { Hono } from 'hono';
import { fileIn, serveFile } from './static.ts';

/** `index.json` lists the names of the saved networks in a folder; each is a file beside it. */
export function networkRoutes(dir: string | null): Hono {
  const app = new Hono();
  app.get('/index.json', (c) => c.json(dir === null ? [] : namesIn(dir)));
  if (dir !== null) app.get('/:name{.+\\.safetensors}', (c, next) => serveFile(c, next, dir, c.req.param('name')));
  return app;
}

function namesIn(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.endsWith('.safetensors') && fileIn(dir, name) !== null)
    .toSorted();
}
