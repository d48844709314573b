import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { serveStatic } from '@hono/node-server/serve-static';
import type { Context, MiddlewareHandler, Next } from 'hono';

const PLAIN_NAME = /^[\w-][\w.-]*$/;
// As Vite names what it builds: a change of the content changes the name.
const HASHED = /^\/assets\/.*-[\w-]{8}\.\w+$/;

/** Serves the files of the built page. */
export function pageFiles(dir: string): MiddlewareHandler {
  return (c, next) => {
    const path = c.req.path === '/' ? '/index.html' : c.req.path;
    if (HASHED.test(path)) c.header('Cache-Control', 'public, max-age=31536000, immutable');
    return serveFile(c, next, dir, path.slice(1));
  };
}

/** Serves one file of a folder, or passes on where {@link fileIn} finds none. */
export function serveFile(c: Context, next: Next, dir: string, path: string): Promise<Response | void> {
  const file = fileIn(dir, path);
  return file === null ? next() : serveStatic({ path: file })(c, next);
}

/**
 * The file that a path names within a folder; null where there is none. Only regular files of plain names count: no dotfile, no folder, no
 * link, nothing above the folder.
 *
 * @param path relative, its names set apart by `/`
 */
export function fileIn(dir: string, path: string): string | null {
  const names = path.split('/');
  if (!names.every((name) => PLAIN_NAME.test(name))) return null;
  try {
    const file = join(realpathSync(dir), ...names);
    return realpathSync(file) === file && statSync(file).isFile() ? file : null;
  } catch {
    return null;
  }
}
