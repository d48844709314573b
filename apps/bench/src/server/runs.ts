import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { checkRun, type Run } from '../report/schema.ts';
import { RunFolder } from './run-folder.ts';

const MAX_UPLOAD_MIB = 8;
/** In a server's life: a device that has lost its way must not fill the disk. */
const MAX_UPLOADS = 500;
/** A message quotes what was received, which may be long. */
const MAX_MESSAGE = 1000;

/** Lists the runs of a folder, gives one, and takes those of other devices. */
export function runRoutes(dir: string): Hono {
  const folder = new RunFolder(dir);
  let uploads = 0;
  const app = new Hono();
  app.get('/', (c) => c.json({ runs: folder.list() }));
  app.get('/:id', (c) => {
    const run = folder.read(c.req.param('id'));
    if (!run) throw new HTTPException(404, { message: 'There is no such run. GET /api/runs lists those there are.' });
    return c.json(run);
  });
  app.post('/', jsonOnly, boundedOnly, async (c) => {
    const run = await uploadedRun(c);
    if (uploads >= MAX_UPLOADS)
      throw new HTTPException(429, { message: `This server has taken ${MAX_UPLOADS} runs and takes no more. Start it again to send others.` });
    uploads++;
    return c.json({ id: folder.add(run) }, 201);
  });
  return app;
}

const jsonOnly: MiddlewareHandler = async (c, next) => {
  const type = c.req.header('content-type') ?? '';
  if (type.split(';')[0].trim().toLowerCase() !== 'application/json')
    throw new HTTPException(415, { message: `The upload is of the type "${type}". Send a run as application/json.` });
  await next();
};

/** HTTP ends a body at the length that its header tells: with this checked, nothing is read beyond the limit. */
const boundedOnly: MiddlewareHandler = async (c, next) => {
  const length = c.req.header('content-length');
  if (length === undefined) {
    // Its end is unknown, so that no other request can follow on the connection.
    c.header('Connection', 'close');
    throw new HTTPException(411, { message: 'The upload does not tell its length. Send it with Content-Length, not in chunks.' });
  }
  if (Number(length) > MAX_UPLOAD_MIB * 2 ** 20)
    throw new HTTPException(413, { message: `The upload is larger than ${MAX_UPLOAD_MIB} MiB. Send one run, as the page made it.` });
  await next();
};

async function uploadedRun(c: Context): Promise<Run> {
  try {
    return checkRun(JSON.parse(await c.req.text()), 'The upload');
  } catch (error) {
    throw new HTTPException(400, { message: (error as Error).message.slice(0, MAX_MESSAGE) });
  }
}
